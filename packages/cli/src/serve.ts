import { readFileSync } from "node:fs";
import { approx, createStore, loadO200k, type Estimator } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { pino, type Logger } from "pino";
import { pretty } from "./pretty-log.js";
import { openDriver, storeUrl, withoutPassword } from "./open-driver.js";
import { readSettings, settingsHelp, SettingsError, type Settings } from "./settings.js";

/** Longest that a shutdown may take, in milliseconds. */
const SHUTDOWN_DEADLINE = 25_000;

const LOOPBACK = /^(127\.|localhost$|::1$)/;

export const SERVE_HELP = `Usage: fastpaca serve [flags]

Serves contexts and conversations over HTTP. Flags win over environment variables.

${settingsHelp()}
`;

/** Starts the server; it runs until a signal ends it. */
export async function serve(args: readonly string[]): Promise<void> {
  const settings = readSettings(args, process.env);
  const log = openLog(settings);
  announce(log, settings);
  const estimator = await chooseEstimator(settings.estimator);
  const driver = await openDriver(settings, { log: (level, message) => log[level](message) });
  const store = createStore({
    driver,
    estimator,
    cacheBytes: settings.cacheMb * 1024 * 1024,
    maxMessages: settings.maxMessages,
    onError: (error) => log.error({ err: error }, "the driver failed"),
  });
  let close = (): Promise<void> => store.close();
  try {
    const app = await createServer({
      store,
      apiKeys: settings.apiKeys,
      bodyLimit: settings.bodyLimit,
      rateLimit: settings.rateLimit === 0 ? undefined : settings.rateLimit,
      logger: log,
      maxStreams: settings.maxStreams,
      logRequests: settings.logLevel === "debug",
      version: packageVersion(),
    });
    close = async () => {
      await app.close();
      await store.close();
    };
    const address = await app.listen({ host: settings.host, port: settings.port });
    log.info(`listening on ${address}/v1`);
  } catch (cause) {
    await close();
    throw listenError(cause, settings);
  }
  closeOnSignals(log, close);
}

async function chooseEstimator(name: Settings["estimator"]): Promise<Estimator> {
  return name === "o200k" ? loadO200k() : approx;
}

function openLog({ logLevel, logFormat }: Settings): Logger {
  const plain = logFormat === "json" || (logFormat === "auto" && !process.stdout.isTTY);
  const options = { level: logLevel, base: null };
  return plain ? pino(options) : pino(options, pretty());
}

function announce(log: Logger, settings: Settings): void {
  const { host, apiKeys } = settings;
  const store = storeUrl(settings);
  log.info(`storing conversations in ${withoutPassword(store, store)}`);
  if (store.startsWith("memory:")) log.warn("memory: nothing will survive a restart");
  if (apiKeys.length === 0 && !LOOPBACK.test(host)) {
    log.warn(`no API key is set: whoever reaches ${host} may read and write`);
  }
}

function closeOnSignals(log: Logger, close: () => Promise<void>): void {
  let closing = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closing) process.exit(1);
    closing = true;
    log.info(`${signal}: finishing running requests`);
    const timer = setTimeout(() => {
      log.error("shutdown took too long");
      process.exit(1);
    }, SHUTDOWN_DEADLINE);
    close().then(
      () => {
        clearTimeout(timer);
        log.info("closed");
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, "shutdown failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

function listenError(cause: unknown, { host, port }: Settings): unknown {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EADDRINUSE")
    return new SettingsError(`port ${port} on ${host} is in use; --port picks another`, { cause });
  if (code === "EACCES")
    return new SettingsError(`port ${port} on ${host} is not allowed; --port picks another`, { cause });
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new SettingsError(`${host} is not an address of this machine; --host picks another`, { cause });
  }
  return cause;
}

/** Of the package of the command. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "0";
}

import { parseArgs, type ParseArgsConfig } from "node:util";

/** What is wrong with the command line or the environment; the message is for the person who typed it. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

interface Setting<T> {
  /** Environment variable; the flag is the same name in lower case with dashes, without the prefix. */
  readonly env: `FASTPACA_${string}`;
  readonly argument: string;
  readonly help: string;
  readonly fallback: T;
  /** @throws Error saying what the value must be */
  readonly read: (text: string) => T;
  /** Secrets can be seen in a process list, so they have no flag. */
  readonly secret?: boolean;
}

const ESTIMATORS = ["approx", "o200k"] as const;
const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
const LOG_FORMATS = ["auto", "json", "pretty"] as const;

/** Every setting of `fastpaca serve`, as flag and as environment variable. */
export const SETTINGS = {
  host: setting("FASTPACA_HOST", "ADDRESS", "address to listen on", "127.0.0.1", text),
  port: setting("FASTPACA_PORT", "PORT", "port to listen on; 0 picks a free one", 4000, integer(0, 65_535)),
  store: setting(
    "FASTPACA_STORE",
    "URL",
    "where conversations live; when unset, in SQLite in the data directory",
    "",
    text,
  ),
  dataDir: setting(
    "FASTPACA_DATA_DIR",
    "PATH",
    "directory of the default store; made if missing",
    "./fastpaca_data",
    text,
  ),
  driver: setting("FASTPACA_DRIVER", "PACKAGE", "a further driver: a package or a file", "", text),
  apiKeys: {
    ...setting(
      "FASTPACA_API_KEY",
      "KEYS",
      "API keys, separated by commas; any of them is accepted",
      [],
      keys,
    ),
    secret: true,
  },
  rateLimit: setting(
    "FASTPACA_RATE_LIMIT",
    "N",
    "requests per second for each API key or address; 0: no limit",
    0,
    integer(0, 1_000_000),
  ),
  bodyLimit: setting(
    "FASTPACA_BODY_LIMIT",
    "BYTES",
    "largest body",
    1024 * 1024,
    integer(1024, 16 * 1024 * 1024),
  ),
  maxMessages: setting("FASTPACA_MAX_MESSAGES", "N", "messages in one append", 1000, integer(1, 10_000)),
  maxStreams: setting("FASTPACA_MAX_STREAMS", "N", "open streams", 512, integer(0, 100_000)),
  estimator: setting("FASTPACA_ESTIMATOR", "NAME", "counts tokens", ESTIMATORS[0], oneOf(ESTIMATORS)),
  cacheMb: setting("FASTPACA_CACHE_MB", "MB", "memory for hot conversations", 256, integer(0, 1_000_000)),
  logLevel: setting("FASTPACA_LOG_LEVEL", "LEVEL", "debug logs every request", "info", oneOf(LOG_LEVELS)),
  logFormat: setting(
    "FASTPACA_LOG_FORMAT",
    "FORMAT",
    "auto: pretty on a terminal",
    "auto",
    oneOf(LOG_FORMATS),
  ),
};

export type Settings = { readonly [K in keyof typeof SETTINGS]: (typeof SETTINGS)[K]["fallback"] };

/**
 * Flags win over environment variables, which win over defaults.
 * @throws SettingsError naming the flag or the variable
 */
export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv): Settings {
  const flags = readFlags(args);
  const value = <T>(setting: Setting<T>): T => {
    const flag = flagOf(setting);
    const given = flags[flag];
    // Of a variable of the shell that is not set. A default in its place might be another than what was meant.
    if (given === "") throw new SettingsError(`--${flag} must not be empty`);
    if (given !== undefined) return readValue(setting, given, `--${flag}`);
    const inherited = env[setting.env];
    // A key that was meant to come from somewhere else, and did not, must not open the server to everybody.
    if (inherited === "" && setting.secret === true)
      throw new SettingsError(`${setting.env} is set, but empty: leave it out to need no key`);
    return inherited === undefined || inherited === ""
      ? setting.fallback
      : readValue(setting, inherited, setting.env);
  };
  return {
    host: value(SETTINGS.host),
    port: value(SETTINGS.port),
    store: value(SETTINGS.store),
    dataDir: value(SETTINGS.dataDir),
    driver: value(SETTINGS.driver),
    apiKeys: value(SETTINGS.apiKeys),
    rateLimit: value(SETTINGS.rateLimit),
    bodyLimit: value(SETTINGS.bodyLimit),
    maxMessages: value(SETTINGS.maxMessages),
    maxStreams: value(SETTINGS.maxStreams),
    estimator: value(SETTINGS.estimator),
    cacheMb: value(SETTINGS.cacheMb),
    logLevel: value(SETTINGS.logLevel),
    logFormat: value(SETTINGS.logFormat),
  };
}

/** The settings as a table for `--help`. */
export function settingsHelp(): string {
  const rows = Object.values<Setting<unknown>>(SETTINGS).map((setting) => {
    const { argument, env, help, fallback, secret } = setting;
    const shown = (Array.isArray(fallback) ? "" : String(fallback)) || "none";
    return [secret === true ? "" : `--${flagOf(setting)} ${argument}`, env, `${help} (default: ${shown})`];
  });
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      ([flag = "", env = "", help = ""]) =>
        `  ${flag.padEnd(widths[0] ?? 0)}  ${env.padEnd(widths[1] ?? 0)}  ${help}`,
    )
    .join("\n");
}

function readFlags(args: readonly string[]): Readonly<Record<string, string | undefined>> {
  const flags = Object.values<Setting<unknown>>(SETTINGS).filter(({ secret }) => secret !== true);
  const options = Object.fromEntries(flags.map((setting) => [flagOf(setting), { type: "string" as const }]));
  const { values, positionals } = parseFlags("serve", args, options);
  if (positionals[0] !== undefined) {
    throw new SettingsError(`Unexpected argument '${positionals[0]}'; see fastpaca serve --help`);
  }
  return values;
}

/**
 * The flags of a command, and what else was given.
 * @throws SettingsError in one line
 */
export function parseFlags<T extends NonNullable<ParseArgsConfig["options"]>>(
  command: string,
  args: readonly string[],
  options: T,
): ReturnType<typeof parseArgs<{ options: T; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split(/[.\n]/, 1)[0] ?? "") : String(cause);
    throw new SettingsError(`${reason}; see fastpaca ${command} --help`, { cause });
  }
}

function flagOf({ env }: Pick<Setting<unknown>, "env">): string {
  return env.slice("FASTPACA_".length).toLowerCase().replaceAll("_", "-");
}

function readValue<T>({ read }: Setting<T>, text: string, name: string): T {
  try {
    return read(text);
  } catch (cause) {
    throw new SettingsError(`${name} ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function setting<T>(
  env: Setting<T>["env"],
  argument: string,
  help: string,
  fallback: NoInfer<T>,
  read: (text: string) => T,
): Setting<T> {
  return { env, argument, help, fallback, read };
}

function text(value: string): string {
  return value;
}

function keys(value: string): readonly string[] {
  const list = value.split(",").map((key) => key.trim());
  if (list.some((key) => !/^\S+$/.test(key)))
    throw new Error("must be keys without spaces, separated by commas");
  return list;
}

function integer(least: number, most: number): (value: string) => number {
  return (value) => {
    const read = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    if (!(read >= least && read <= most)) throw new Error(`must be a whole number from ${least} to ${most}`);
    return read;
  };
}

function oneOf<const T extends string>(names: readonly T[]): (value: string) => T {
  return (value) => {
    const found = names.find((name) => name === value);
    if (found === undefined) throw new Error(`must be one of ${names.join(", ")}`);
    return found;
  };
}

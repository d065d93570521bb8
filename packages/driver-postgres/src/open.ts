import type { Driver } from "@fastpaca/core";
import pg from "pg";
import { Connections, CONNECT_DEADLINE } from "./connections.js";
import { PostgresDriver } from "./driver.js";
import { codeOf } from "./errors.js";
import { applyMigrations, checkVersion } from "./migrate.js";
import { settingsOf, type PostgresOptions, type Settings } from "./options.js";
import type { PostgresClient, PostgresPool } from "./pool.js";
import { tablesIn, type Tables } from "./tables.js";

/** Idle connections stay for this many milliseconds: logging in again is dear. */
const IDLE = 300_000;
/** Milliseconds of silence after which a connection is probed: the system's default is two hours. */
const PROBE_AFTER = 30_000;
/** Of a statement's time, what the server has for it: so that its answer, that nothing was done, comes before the end. */
const SERVERS_SHARE = 0.9;
/**
 * Longest wait for a lock that somebody else holds, in milliseconds: twice fits into the time of one call, so that what
 * is not locked can go on without it.
 */
const LOCK_DEADLINE = 1_500;
/** Encodings that hold every text. */
const ENCODINGS = new Set(["UTF8", "SQL_ASCII"]);

interface Source {
  readonly pool: PostgresPool;
  /** Opens a connection outside of the pool; where there is no such, one of the pool listens. */
  readonly connectListener?: () => Promise<PostgresClient>;
  readonly release: () => Promise<void>;
}

/**
 * Opens the Fastpaca tables in a Postgres database, and creates or updates them where needed.
 * @throws TypeError for an unusable option, DriverUnavailableError when Postgres cannot be reached or refuses the
 *   login, and an Error when the tables are of another version or may not be created. None shows the password.
 */
export async function openPostgres(options: PostgresOptions): Promise<Driver & AsyncDisposable> {
  const settings = settingsOf(options);
  const { log, statementTimeoutMs } = settings;
  try {
    return await open(settings, Math.ceil(statementTimeoutMs * SERVERS_SHARE));
  } catch (error) {
    if (!refusesParameters(error)) throw error;
    log("info", "the pooler takes no statement_timeout and no lock_timeout: set them for the database user");
    return open(settings, undefined);
  }
}

/** @param serverTimeout after how many milliseconds the server ends a statement itself */
async function open(
  settings: Settings,
  serverTimeout: number | undefined,
): Promise<Driver & AsyncDisposable> {
  const tables = tablesIn(settings.place);
  const { pool, release, ...source } = sourceOf(settings, serverTimeout);
  const { prepare, poolSize, statementTimeoutMs, log, migrate, place } = settings;
  const connections = new Connections(pool, { prepare, deadline: statementTimeoutMs, size: poolSize });
  const connectListener = source.connectListener ?? borrowed(pool, connections, log);
  try {
    await checkServer(connections, log);
    if (migrate) await applyMigrations(connections, place);
    else await checkVersion(connections, place);
    await checkNumbers(connections, tables);
    return new PostgresDriver({ connections, tables, connectListener, release, log });
  } catch (error) {
    await release();
    throw error;
  }
}

/** Brings the tables to the version that this driver needs, and closes again. @throws as {@link openPostgres} */
export async function migratePostgres(options: PostgresOptions): Promise<void> {
  const driver = await openPostgres({ ...options, migrate: true });
  await driver.close();
}

function sourceOf({ source, poolSize, log }: Settings, serverTimeout: number | undefined): Source {
  if ("pool" in source) {
    const { pool } = source;
    return { pool, release: () => Promise.resolve() };
  }
  const config = {
    connectionString: source.url,
    fallback_application_name: "fastpaca",
    connectionTimeoutMillis: CONNECT_DEADLINE,
    keepAlive: true,
    keepAliveInitialDelayMillis: PROBE_AFTER,
    ...(serverTimeout === undefined
      ? {}
      : { statement_timeout: serverTimeout, lock_timeout: Math.min(LOCK_DEADLINE, serverTimeout) }),
  };
  checkUrl(config);
  const pool = new pg.Pool({ ...config, max: poolSize, idleTimeoutMillis: IDLE });
  pool.on("error", (error) => log("warn", `an idle connection to Postgres broke: ${error.message}`));
  const clients = new Set<PostgresClient>();
  pool.on("connect", (client) => clients.add(client));
  pool.on("remove", (client) => clients.delete(client));
  const release = async (): Promise<void> => {
    const ended = pool.end();
    for (const client of clients) unref(client);
    await ended;
  };
  return { pool, connectListener: () => connectAlone(config), release };
}

/** One of the pool listens, where that leaves another one for everything else. */
function borrowed(
  { options }: PostgresPool,
  connections: Connections,
  log: Settings["log"],
): (() => Promise<PostgresClient>) | undefined {
  if (options?.max === undefined || options.max > 1) return () => connections.connect();
  log(
    "info",
    "the pool has one connection, which nothing listens on: changes of other processes are polled for",
  );
  return undefined;
}

/** What `pg` says of a URL that it cannot read may quote it. */
function checkUrl(config: pg.ClientConfig): void {
  try {
    void new pg.Client(config);
  } catch (error) {
    const file = error instanceof Error && "path" in error ? `, for the file ${String(error.path)}` : "";
    const why = error instanceof Error && codeOf(error) === undefined ? `: ${error.message}` : "";
    // Without its cause, which may quote the URL.
    // oxlint-disable-next-line eslint/preserve-caught-error
    throw new TypeError(`the Postgres URL cannot be read${file}${why}`);
  }
}

async function connectAlone(config: pg.ClientConfig): Promise<PostgresClient> {
  const client = new pg.Client(config);
  // Told by the call that fails, or to whoever listens next.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end();
    throw error;
  }
  return Object.assign(client, {
    release: () => {
      client.end().catch(() => undefined);
      unref(client);
    },
  });
}

/** Where the server does not answer the farewell, it must not keep the process. */
function unref(client: object): void {
  if ("unref" in client && typeof client.unref === "function") client.unref();
}

/** PgBouncer ends the login over settings that it does not know, unless it is told to ignore them. */
function refusesParameters(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (codeOf(cause) === "08P01" && cause.message.includes("startup parameter")) return true;
  return false;
}

/** Durable is what Postgres was set up to be. */
async function checkServer(connections: Connections, log: Settings["log"]): Promise<void> {
  const [row] = await connections.runOnce(
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')",
    [],
  );
  if (row?.[0] === "off" || row?.[1] === "off")
    log(
      "warn",
      "Postgres is set to lose acknowledged commits in a crash (fsync or synchronous_commit is off)",
    );
  const encoding = row?.[2] ?? "";
  if (!ENCODINGS.has(encoding))
    throw new Error(`the encoding of the Postgres database is ${encoding}, which lacks characters: use UTF8`);
}

/**
 * Numbers of logs come from a sequence, which a copy of the tables may have left behind: two conversations would then share
 * a log. Looked up where an index tells it at once.
 */
async function checkNumbers(connections: Connections, tables: Tables): Promise<void> {
  const newest = [tables.messages, tables.marks, tables.keys].map(
    (table) => `(SELECT max(log) FROM ${table})`,
  );
  const given = "SELECT last_value FROM pg_sequences WHERE schemaname = $1 AND sequencename = $2";
  const { schema, prefix } = tables.place;
  const text = `SELECT greatest(${newest.join(", ")}), (${given})`;
  const [[used, last] = []] = await connections.runOnce(text, [schema, `${prefix}logs`]);
  if (Number(used ?? 0) <= Number(last ?? 0)) return;
  throw new Error(
    `the sequence ${tables.logs} is at ${last ?? 0}, and the log ${used} is in use: ` +
      `SELECT setval('${tables.logs}', ${used})`,
  );
}

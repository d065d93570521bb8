import { DriverUnavailableError, type Driver } from "@fastpaca/core";
import pg from "pg";
import { Connections, CONNECT_DEADLINE } from "./connections.js";
import { PostgresDriver } from "./driver.js";
import { applyMigrations, checkVersion } from "./migrate.js";
import { settingsOf, type PostgresOptions, type Settings } from "./options.js";
import type { PostgresClient, PostgresPool } from "./pool.js";
import { tablesIn } from "./tables.js";

/** Idle connections stay for this many milliseconds: logging in again is dear. */
const IDLE = 300_000;

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
  const tables = tablesIn(settings.place);
  const { pool, release, ...source } = sourceOf(settings);
  const { prepare, statementTimeoutMs, log, migrate, place } = settings;
  const connections = new Connections(pool, prepare, statementTimeoutMs);
  const connectListener = source.connectListener ?? (() => connections.connect());
  try {
    if (migrate) await applyMigrations(connections, place);
    else await checkVersion(connections, place);
    await warnOfLosses(connections, log);
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

function sourceOf({ source, poolSize, log }: Settings): Source {
  if ("pool" in source) {
    const { pool } = source;
    return { pool, release: () => Promise.resolve() };
  }
  const config = {
    connectionString: source.url,
    fallback_application_name: "fastpaca",
    connectionTimeoutMillis: CONNECT_DEADLINE,
    keepAlive: true,
  };
  checkUrl(config);
  const pool = new pg.Pool({ ...config, max: poolSize, idleTimeoutMillis: IDLE });
  pool.on("error", (error) => log("warn", `an idle connection to Postgres broke: ${error.message}`));
  return { pool, connectListener: () => connectAlone(config), release: () => pool.end() };
}

/** What `pg` says of a URL that it cannot read may quote it. */
function checkUrl(config: pg.ClientConfig): void {
  try {
    void new pg.Client(config);
  } catch (error) {
    const file = error instanceof Error && "path" in error ? `, for the file ${String(error.path)}` : "";
    // Without its cause, which may quote the URL.
    // oxlint-disable-next-line eslint/preserve-caught-error
    throw new TypeError(`the Postgres URL cannot be read${file}`);
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
    },
  });
}

/** Durable is what Postgres was set up to be. */
async function warnOfLosses(connections: Connections, log: Settings["log"]): Promise<void> {
  const [row] = await connections.runOnce(
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('default_transaction_read_only')",
    [],
  );
  if (row?.[0] === "off" || row?.[1] === "off")
    log(
      "warn",
      "Postgres is set to lose acknowledged commits in a crash (fsync or synchronous_commit is off)",
    );
  if (row?.[2] === "on") throw new DriverUnavailableError("the Postgres database is read-only");
}

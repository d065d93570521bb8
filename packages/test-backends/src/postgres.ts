import { randomBytes } from "node:crypto";
import pg from "pg";
import { orSkip } from "./or-skip.js";
import { postgresBinaries } from "./postgres-binaries.js";
import { startContainer } from "./postgres-container.js";
import { startProcess } from "./postgres-process.js";

/** A database of its own inside a server. */
export interface PostgresDatabase {
  /** With user, password and name: everything that a client needs. */
  readonly url: string;
  /** Ends the connections to it and removes it. Idempotent. */
  drop(): Promise<void>;
}

/** A real Postgres server for tests. */
export interface PostgresServer {
  /** Where it came from, for reports: the environment's URL, a container, the machine's binaries or npm's. */
  readonly origin: string;
  /** A superuser's URL of the server's first database. */
  readonly url: string;
  createDatabase(): Promise<PostgresDatabase>;
  /** Ends the server, unless it is the environment's, and removes its data. Idempotent. */
  stop(): Promise<void>;
}

/** A server whose processes belong to the test, so that it can fail on purpose. */
export interface OwnPostgresServer extends PostgresServer {
  /** Kills the server and all its backends at once with SIGKILL: a crash. */
  kill(): Promise<void>;
  /** Starts it again after {@link kill}, on the same port and data. */
  restart(): Promise<void>;
}

/** What starts one kind of server; undefined where this machine does not have it. */
type Start<S> = () => Promise<Omit<S, "createDatabase"> | undefined>;

/**
 * Starts a server from whatever this machine has: `FASTPACA_TEST_POSTGRES_URL`, a container, the machine's own
 * binaries, those of npm.
 * @throws when there is none
 */
export function startPostgres(): Promise<PostgresServer> {
  const starts: Start<PostgresServer>[] = [fromEnvironment, startContainer, fromBinaries];
  return firstOf(starts);
}

/**
 * Starts a server whose processes belong to the test.
 * @throws when this machine has no binaries
 */
export function startOwnPostgres(): Promise<OwnPostgresServer> {
  return firstOf([fromBinaries]);
}

/** As {@link startPostgres}; without a server it says so loudly and returns undefined, but throws where `CI=true`. */
export function postgresOrSkip(): Promise<PostgresServer | undefined> {
  return orSkip("Postgres", startPostgres);
}

/** As {@link postgresOrSkip}, for {@link startOwnPostgres}. */
export function ownPostgresOrSkip(): Promise<OwnPostgresServer | undefined> {
  return orSkip("Postgres", startOwnPostgres);
}

async function firstOf<S extends PostgresServer>(starts: readonly Start<S>[]): Promise<S> {
  const problems: unknown[] = [];
  for (const start of starts) {
    try {
      const server = await start();
      // What `start` gives is an S but for this one function.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      if (server !== undefined) return { ...server, createDatabase: () => createDatabase(server.url) } as S;
    } catch (error) {
      console.warn(`Postgres for tests: ${String(error)}`);
      problems.push(error);
    }
  }
  throw new AggregateError(
    problems,
    ["no Postgres server: set FASTPACA_TEST_POSTGRES_URL, or install Docker or Postgres", ...problems].join(
      "; ",
    ),
  );
}

async function fromEnvironment(): Promise<Omit<PostgresServer, "createDatabase"> | undefined> {
  const url = process.env["FASTPACA_TEST_POSTGRES_URL"];
  if (url === undefined || url === "") return undefined;
  return { origin: "FASTPACA_TEST_POSTGRES_URL", url, stop: () => Promise.resolve() };
}

async function fromBinaries(): Promise<Omit<OwnPostgresServer, "createDatabase"> | undefined> {
  const found = await postgresBinaries();
  return found === undefined ? undefined : startProcess(found);
}

async function createDatabase(serverUrl: string): Promise<PostgresDatabase> {
  const name = `fastpaca_${randomBytes(8).toString("hex")}`;
  await execute(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // A connection that breaks while it is idle is reported by the next call.
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

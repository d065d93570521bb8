import { postgresOrSkip, type PostgresDatabase, type PostgresServer } from "@fastpaca/test-backends/postgres";
import type { Commit, Driver, Head, KeyRecord } from "@fastpaca/core";
import { openPostgres, type PostgresOptions } from "@fastpaca/driver-postgres";
import pg from "pg";
import { afterAll, afterEach, describe } from "vitest";

/** What a test of this file has at hand; everything is closed when it ends. */
export interface Postgres {
  readonly server: PostgresServer;
  database(): Promise<PostgresDatabase>;
  open(options: PostgresOptions): Promise<Driver>;
  connect(url: string): Promise<pg.Client>;
  /** Closes something else of the test's. */
  later(close: () => unknown): void;
}

/** Tests over one server, each with databases of its own; skipped where there is no server. */
export async function describeWithPostgres(
  name: string,
  body: (postgres: Postgres) => void,
  start: () => Promise<PostgresServer | undefined> = postgresOrSkip,
): Promise<void> {
  const server = await start();
  if (server === undefined) {
    describe.skip(name, () => undefined);
    return;
  }
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });
  afterAll(() => server.stop());
  describe(name, () =>
    body({
      server,
      later: (close) => closing.push(close),
      database: async () => {
        const database = await server.createDatabase();
        closing.push(() => database.drop());
        return database;
      },
      open: async (options) => {
        const driver = await openPostgres(options);
        closing.push(() => driver.close());
        return driver;
      },
      connect: async (url) => {
        const client = new pg.Client(url);
        client.on("error", () => undefined);
        await client.connect();
        closing.push(() => client.end());
        return client;
      },
    }),
  );
}

export function head(id: string, revision: number, changes: Partial<Head> = {}): Head {
  return {
    id,
    revision,
    life: 1,
    version: 0,
    lastSeq: 0,
    firstSeq: 1,
    archivedSeq: 0,
    tombstoned: false,
    purged: false,
    metadata: "{}",
    labels: [],
    createdAt: 1,
    updatedAt: revision,
    state: `{"revision":${revision}}`,
    ...changes,
  };
}

export function creation(id: string, changes: Partial<Head> = {}): Commit {
  return { id, base: 0, head: head(id, 1, changes), messages: [], marks: [], keys: [] };
}

/** Messages `from` to `to` on revision `base`. */
export function append(
  id: string,
  base: number,
  from: number,
  to = from,
  keys: readonly string[] = [],
): Commit {
  const messages = Array.from({ length: to - from + 1 }, (_, index) => ({
    seq: from + index,
    version: from + index,
    tokens: 1,
    insertedAt: 1,
    body: `{"n":${from + index}}`,
  }));
  const records = keys.map((key): KeyRecord => ({
    key,
    hash: "h",
    firstSeq: from,
    lastSeq: to,
    version: to,
    tokens: 1,
  }));
  return {
    id,
    base,
    head: head(id, base + 1, { lastSeq: to, version: to }),
    messages,
    marks: [],
    keys: records,
  };
}

/** Resolves when `condition` holds, looking again and again. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await condition());) {
    if (performance.now() > deadline) throw new Error("it did not come to pass");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Resolves when so many statements in the database of a connection wait for a lock. */
export function lockedOut(count: number, witness: pg.Client): Promise<void> {
  return eventually(async () => {
    const { rowCount } = await witness.query(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    return rowCount === count;
  });
}

import type { Commit, Driver, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import { mongoOrSkip, type MongoDatabase, type MongoServer } from "@fastpaca/test-backends/mongodb";
import { MongoClient, type Db } from "mongodb";
import { afterAll, describe, onTestFinished } from "vitest";
import { openMongo } from "../src/index.js";

/** A suite against a server of its own, skipped loudly where none is to be had. */
export async function describeWithMongo(name: string, body: (server: MongoServer) => void): Promise<void> {
  const server = await mongoOrSkip();
  afterAll(() => server?.stop());
  if (server === undefined) describe.skip(`${name}: no server`, () => undefined);
  else describe(name, () => body(server));
}

/** A database that is dropped when the test ends. */
export async function databaseOf(server: MongoServer): Promise<MongoDatabase> {
  const database = await server.createDatabase();
  onTestFinished(() => database.drop());
  return database;
}

/** A driver that is closed when the test ends. */
export async function opened(url: string, options: { log?: (text: string) => void } = {}): Promise<Driver> {
  const { log } = options;
  const driver = await openMongo({ url, ...(log === undefined ? {} : { log: (_, text) => log(text) }) });
  onTestFinished(() => driver.close());
  return driver;
}

/** The database as MongoDB sees it. */
export async function looking(url: string): Promise<Db> {
  const client = await MongoClient.connect(url);
  onTestFinished(() => client.close());
  return client.db();
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

interface Extra {
  readonly keys?: readonly KeyRecord[];
  readonly marks?: readonly Mark[];
  readonly body?: string;
  readonly head?: Partial<Head>;
}

/** Appends the messages with these seqs. */
export function append(id: string, base: number, seqs: readonly number[], extra: Extra = {}): Commit {
  const { keys = [], marks = [], body } = extra;
  const messages = seqs.map((seq): StoredMessage => ({
    seq,
    version: seq,
    tokens: 1,
    insertedAt: seq,
    body: body ?? `{"n":${seq}}`,
  }));
  const lastSeq = seqs.at(-1) ?? 0;
  return {
    id,
    base,
    head: head(id, base + 1, { lastSeq, version: lastSeq + marks.length, ...extra.head }),
    messages,
    marks,
    keys,
  };
}

export function purge(id: string, base: number, life = 1): Commit {
  return { id, base, head: head(id, base + 1, { purged: true, life }), messages: [], marks: [], keys: [] };
}

export function mark(version: number, kind: Mark["kind"] = "reset"): Mark {
  return { version, kind, at: version, body: "{}" };
}

export function key(name: string, seq = 1): KeyRecord {
  return { key: name, hash: "h".repeat(43), firstSeq: seq, lastSeq: seq, version: seq, tokens: seq };
}

export async function committed(driver: Driver, ...commits: Commit[]): Promise<void> {
  for (const commit of commits) {
    const [outcome] = await driver.commit([commit]);
    if (outcome?.status !== "committed") throw new Error(`not committed: ${JSON.stringify(outcome)}`);
  }
}

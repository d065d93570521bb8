import type { DatabaseSync } from "node:sqlite";
import { integer } from "./columns.js";
import { transact } from "./transaction.js";

/** Marks the file as ours, https://www.sqlite.org/pragma.html#pragma_application_id: "FPCA". */
export const APPLICATION = 0x46504341;

/**
 * Each step brings a database from the version that is its index to the next one. Steps are only ever added.
 *
 * Messages and marks are rows in the order of arrival behind an index, not rows clustered by conversation: a batch
 * then fills a few pages at the end of the table instead of rewriting one page per conversation.
 * `epoch` is the revision of the latest purge, 0 before any: rows of an older epoch are garbage that no read finds.
 *
 * Version 2: the newest messages and keys of a conversation are in the `tail` of its head, and recency is indexed by
 * the second, so that the index changes once a second for a busy conversation and not with every commit. A process
 * of a release that knows nothing of tails, and has the file open, finds no column `labels` for its commits.
 */
export const STEPS: readonly string[] = [
  `
  CREATE TABLE heads (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    life INTEGER NOT NULL,
    version INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    archived_seq INTEGER NOT NULL,
    tombstoned INTEGER NOT NULL,
    purged INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    labels TEXT NOT NULL,
    metadata TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
  CREATE INDEX heads_by_recency ON heads (updated_at) WHERE purged = 0;

  CREATE TABLE labels (
    label TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (label, updated_at, n)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE messages (
    row INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    inserted_at INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX messages_by_seq ON messages (n, epoch, seq);

  CREATE TABLE marks (
    row INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX marks_by_version ON marks (n, epoch, version);

  CREATE TABLE keys (
    n INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    key TEXT NOT NULL,
    hash TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (n, epoch, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE garbage (
    n INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (n, epoch)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE heads RENAME COLUMN labels TO label_text;
  ALTER TABLE heads ADD COLUMN tail TEXT NOT NULL DEFAULT '';
  ALTER TABLE heads ADD COLUMN updated_second INTEGER NOT NULL DEFAULT 0;
  DROP INDEX heads_by_recency;
  UPDATE heads SET updated_second = updated_at / 1000;
  CREATE INDEX heads_by_second ON heads (updated_second) WHERE purged = 0;
  `,
];

/**
 * Brings the schema to the newest version, once, however many connections try at the same time.
 *
 * @throws Error when the database is not ours or newer than we are; what SQLite throws, "busy" among it
 */
export function migrate(database: DatabaseSync, steps: readonly string[] = STEPS): void {
  if (versionOf(database, steps.length) === steps.length) return;
  transact(
    database,
    () => false,
    () => {
      // Another connection may have done it while this one waited for the lock.
      const version = versionOf(database, steps.length);
      for (const step of steps.slice(version)) database.exec(step);
      database.exec(`PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${steps.length}`);
    },
  );
}

/**
 * The version of our schema that a database holds, 0 for an empty one. Changes nothing.
 *
 * @throws Error when the database is not ours, or newer than `newest`
 */
export function versionOf(database: DatabaseSync, newest: number = STEPS.length): number {
  const { application, version, tables } = stamps(database);
  const empty = application === 0 && version === 0 && tables === 0;
  if (!empty && application !== APPLICATION) throw new Error("it belongs to another application");
  if (version > newest) {
    throw new Error(
      `its schema has version ${version}, and this release knows versions up to ${newest}: use a newer release`,
    );
  }
  return version;
}

/** All from one moment: another process may be creating the schema at the same time. */
function stamps(database: DatabaseSync): { application: number; version: number; tables: number } {
  const read = (sql: string): number => integer(database.prepare(sql).get()?.["value"]);
  // Unlike a transaction, it may be inside of one.
  database.exec("SAVEPOINT stamps");
  try {
    return {
      application: read("SELECT application_id AS value FROM pragma_application_id"),
      version: read("SELECT user_version AS value FROM pragma_user_version"),
      tables: read("SELECT count(*) AS value FROM sqlite_schema"),
    };
  } finally {
    database.exec("RELEASE stamps");
  }
}

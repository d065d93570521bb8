import type { Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import type { SQLOutputValue } from "node:sqlite";

/** A row as it comes from SQLite, by the names of its columns. */
export type Row = Record<string, SQLOutputValue>;

/** The rows of one conversation between two purges. */
export interface Log {
  readonly n: number;
  readonly epoch: number;
}

/** @throws Error when it is something else: the file was changed by hand, or is corrupt */
export function integer(value: SQLOutputValue | undefined): number {
  if (typeof value !== "number") throw new Error("the database holds something else where a number belongs");
  return value;
}

/** @throws Error when it is something else: the file was changed by hand, or is corrupt */
export function text(value: SQLOutputValue | undefined): string {
  if (typeof value !== "string") throw new Error("the database holds something else where text belongs");
  return value;
}

/** What {@link headOf} needs. */
export const HEAD =
  "id, revision, life, version, last_seq, first_seq, archived_seq, tombstoned, purged, metadata, label_text, " +
  "created_at, updated_at, state";

export function headOf(row: Row): Head {
  return {
    id: text(row["id"]),
    revision: integer(row["revision"]),
    life: integer(row["life"]),
    version: integer(row["version"]),
    lastSeq: integer(row["last_seq"]),
    firstSeq: integer(row["first_seq"]),
    archivedSeq: integer(row["archived_seq"]),
    tombstoned: row["tombstoned"] !== 0,
    purged: row["purged"] !== 0,
    metadata: text(row["metadata"]),
    labels: labelsIn(text(row["label_text"])),
    createdAt: integer(row["created_at"]),
    updatedAt: integer(row["updated_at"]),
    state: text(row["state"]),
  };
}

/** What recency is indexed by, of milliseconds since 1970. */
export function secondOf(updatedAt: number): number {
  return Math.floor(updatedAt / 1000);
}

/** Labels hold no control characters, so that each can end with one. */
export function labelsAsText(labels: readonly string[]): string {
  return labels.length === 0 ? "" : `${labels.join("\n")}\n`;
}

export function labelsIn(stored: string): string[] {
  return stored === "" ? [] : stored.slice(0, -1).split("\n");
}

export function messageOf(row: Row): StoredMessage {
  return {
    seq: integer(row["seq"]),
    version: integer(row["version"]),
    tokens: integer(row["tokens"]),
    insertedAt: integer(row["inserted_at"]),
    body: text(row["body"]),
  };
}

export function markOf(row: Row): Mark {
  return {
    version: integer(row["version"]),
    kind: kindOf(text(row["kind"])),
    at: integer(row["at"]),
    body: text(row["body"]),
  };
}

export function kindOf(stored: string): Mark["kind"] {
  if (stored !== "compaction" && stored !== "reset" && stored !== "config") {
    throw new Error("the database holds a mark of an unknown kind");
  }
  return stored;
}

export function keyOf(row: Row): KeyRecord {
  return {
    key: text(row["key"]),
    hash: text(row["hash"]),
    firstSeq: integer(row["first_seq"]),
    lastSeq: integer(row["last_seq"]),
    version: integer(row["version"]),
    tokens: integer(row["tokens"]),
  };
}

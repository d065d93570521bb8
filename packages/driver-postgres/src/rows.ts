import type { Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

/** A row as it comes over the wire: text, untouched. */
export type TextRow = readonly (string | null)[];

/** A head as a JSON array, in the order of `HEAD_COLUMNS`. */
export type HeadRow = readonly [
  id: string,
  revision: number,
  life: number,
  version: number,
  lastSeq: number,
  firstSeq: number,
  archivedSeq: number,
  tombstoned: boolean,
  purged: boolean,
  metadata: string,
  labels: readonly string[],
  createdAt: number,
  updatedAt: number,
  state: string,
];

export function headOf(row: HeadRow): Head {
  const [id, revision, life, version, lastSeq, firstSeq, archivedSeq, tombstoned, purged, ...rest] = row;
  const [metadata, labels, createdAt, updatedAt, state] = rest;
  return {
    id,
    revision,
    life,
    version,
    lastSeq,
    firstSeq,
    archivedSeq,
    tombstoned,
    purged,
    metadata,
    labels,
    createdAt,
    updatedAt,
    state,
  };
}

/** What {@link headOfText} reads: as `HEAD_COLUMNS`, with the labels in one text. */
export const HEAD_TEXT_COLUMNS =
  "id, revision, life, version, last_seq, first_seq, archived_seq, tombstoned, purged, metadata, array_to_string(labels, E'\\n'), created_at, updated_at, state";

export function headOfText(row: TextRow): Head {
  const labels = text(row, 10);
  return {
    id: text(row, 0),
    revision: Number(row[1]),
    life: Number(row[2]),
    version: Number(row[3]),
    lastSeq: Number(row[4]),
    firstSeq: Number(row[5]),
    archivedSeq: Number(row[6]),
    tombstoned: row[7] === "t",
    purged: row[8] === "t",
    metadata: text(row, 9),
    labels: labels === "" ? [] : labels.split("\n"),
    createdAt: Number(row[11]),
    updatedAt: Number(row[12]),
    state: text(row, 13),
  };
}

/** Columns: seq, version, tokens, inserted_at, body. */
export function messageOf(row: TextRow): StoredMessage {
  return {
    seq: Number(row[0]),
    version: Number(row[1]),
    tokens: Number(row[2]),
    insertedAt: Number(row[3]),
    body: text(row, 4),
  };
}

const KINDS: Record<string, Mark["kind"]> = { compaction: "compaction", reset: "reset", config: "config" };

/** Columns: version, kind, at, body. */
export function markOf(row: TextRow): Mark {
  const kind = KINDS[text(row, 1)];
  if (kind === undefined) throw new Error(`a mark of unknown kind ${text(row, 1)} is stored`);
  return { version: Number(row[0]), kind, at: Number(row[2]), body: text(row, 3) };
}

/** Columns: key, hash, first_seq, last_seq, version, tokens. */
export function keyOf(row: TextRow): KeyRecord {
  return {
    key: text(row, 0),
    hash: text(row, 1),
    firstSeq: Number(row[2]),
    lastSeq: Number(row[3]),
    version: Number(row[4]),
    tokens: Number(row[5]),
  };
}

/** Of a column that is never null. */
function text(row: TextRow, column: number): string {
  return row[column] ?? "";
}

import type { Commit, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

/**
 * One commit of one conversation, or what is left of it: of a commit whose contents were pruned `_id`, `l`, `k` and
 * `q` stay, of one before a purge only `_id`. Never deleted: as long as it stands, nobody can insert that revision.
 *
 * Names are short because they are stored with every commit. Numbers that nothing is searched by travel as JSON text:
 * measured, BSON takes half as long again to write and twice as long to read when each is a field of its own.
 */
export interface CommitDocument {
  /** Conversation and revision. Inserting it is the compare-and-set. The order of the two fields matters. */
  _id: CommitId;
  /** Life of the conversation. */
  l?: number;
  /** The head without what is elsewhere: {@link HeadNumbers} as JSON text. */
  h?: string;
  /** The head's metadata. */
  d?: string;
  /** The head's state. */
  s?: string;
  /** Seq of the first message, or that of the first one that could come after this commit. 0 at the end of a life. */
  f?: number;
  /** Seq, version, tokens and time of each message, as JSON text. */
  n?: string;
  /** Bodies of the messages. */
  b?: string[];
  /** Version of the last mark. 0 at the end of a life. */
  m?: number;
  /** Version, kind, time and body of each mark, as JSON text. */
  w?: string;
  /** Idempotency keys. Absent where there is none: an empty array would stand in the unique index. */
  k?: string[];
  /** Hash, first and last seq, version and tokens of each key, as JSON text. */
  q?: string;
  /** A purge whose earlier commits are not all erased yet. */
  e?: true;
}

export interface CommitId {
  c: string;
  r: number;
}

/** Stands in `k` of a purge, as 0 does in `f` and `m`: whoever searches a life that has ended finds that it has. */
export const END_OF_KEYS = "";

/** What is taken away when a commit's contents are pruned; of the newest one, the head stays. */
export const CONTENT_FIELDS = { n: "", b: "", m: "", w: "" } as const;
export const HEAD_FIELDS = { h: "", d: "", s: "" } as const;

export function encodeCommit({ id, head, messages, marks, keys }: Commit): CommitDocument {
  const { revision, life, lastSeq } = head;
  const document: CommitDocument = {
    _id: { c: id, r: revision },
    l: life,
    h: encodeHead(head),
    d: head.metadata,
    s: head.state,
    f: messages[0]?.seq ?? lastSeq + 1,
  };
  if (messages.length > 0) {
    document.n = JSON.stringify(
      messages.map(({ seq, version, tokens, insertedAt }) => [seq, version, tokens, insertedAt]),
    );
    document.b = messages.map(({ body }) => body);
  }
  const lastMark = marks.at(-1);
  if (lastMark !== undefined) {
    document.m = lastMark.version;
    document.w = encodeMarks(marks);
  }
  if (keys.length > 0) {
    document.k = keys.map(({ key }) => key);
    document.q = JSON.stringify(
      keys.map(({ hash, firstSeq, lastSeq, version, tokens }) => [hash, firstSeq, lastSeq, version, tokens]),
    );
  }
  if (head.purged) {
    document.f = 0;
    document.m = 0;
    document.k = [END_OF_KEYS];
    document.e = true;
  }
  return document;
}

/** An upper bound of a document's size in bytes, in no time. */
export function sizeAtMost(document: CommitDocument): number {
  return 3 * lengthOf(document) + overheadOf(document);
}

/** A document's size in bytes, a little rounded up. */
export function sizeOf(document: CommitDocument): number {
  const { _id, h = "", d = "", s = "", n = "", w = "", q = "", b = [], k = [] } = document;
  let bytes = overheadOf(document);
  for (const text of [_id.c, h, d, s, n, w, q, ...b, ...k]) bytes += Buffer.byteLength(text);
  return bytes;
}

function lengthOf({ _id, h = "", d = "", s = "", n = "", w = "", q = "", b, k }: CommitDocument): number {
  let length = _id.c.length + h.length + d.length + s.length + n.length + w.length + q.length;
  for (const body of b ?? []) length += body.length;
  for (const key of k ?? []) length += key.length;
  return length;
}

/** Names, lengths and numbers: at most 14 bytes beside the text of each array element, 256 for everything else. */
function overheadOf({ b = [], k = [] }: CommitDocument): number {
  return 256 + 14 * (b.length + k.length);
}

function encodeHead(head: Head): string {
  const { version, lastSeq, firstSeq, archivedSeq, tombstoned, purged, createdAt, updatedAt, labels } = head;
  return JSON.stringify([
    version,
    lastSeq,
    firstSeq,
    archivedSeq,
    tombstoned ? 1 : 0,
    purged ? 1 : 0,
    createdAt,
    updatedAt,
    ...labels,
  ]);
}

/** @throws where the document is not the newest of its conversation: then it may have no head any more */
export function decodeHead({ _id, l, h, d, s }: CommitDocument): Head {
  if (l === undefined || h === undefined || d === undefined || s === undefined) {
    throw new Error(`the newest commit of a conversation holds no head: revision ${_id.r}`);
  }
  const values = decodeArray(h);
  return {
    id: _id.c,
    revision: _id.r,
    life: l,
    version: numberAt(values, 0),
    lastSeq: numberAt(values, 1),
    firstSeq: numberAt(values, 2),
    archivedSeq: numberAt(values, 3),
    tombstoned: numberAt(values, 4) === 1,
    purged: numberAt(values, 5) === 1,
    metadata: d,
    labels: values.slice(8).map(String),
    createdAt: numberAt(values, 6),
    updatedAt: numberAt(values, 7),
    state: s,
  };
}

export function decodeMessages({ n, b = [] }: CommitDocument): StoredMessage[] {
  const rows = n === undefined ? [] : decodeArray(n);
  return b.map((body, index) => {
    const values = arrayAt(rows, index);
    return {
      seq: numberAt(values, 0),
      version: numberAt(values, 1),
      tokens: numberAt(values, 2),
      insertedAt: numberAt(values, 3),
      body,
    };
  });
}

/** Seq of the last message; undefined where the commit has none. */
export function lastSeqOf({ n }: CommitDocument): number | undefined {
  if (n === undefined) return undefined;
  const rows = decodeArray(n);
  return numberAt(arrayAt(rows, rows.length - 1), 0);
}

/** What is left of a commit's messages from a seq on: how many of how many, and their numbers. */
export function keepMessages({ n }: CommitDocument, from: number): { all: number; kept: number; n: string } {
  const rows = n === undefined ? [] : decodeArray(n);
  const kept = rows.filter((_, index) => numberAt(arrayAt(rows, index), 0) >= from);
  return { all: rows.length, kept: kept.length, n: JSON.stringify(kept) };
}

export function encodeMarks(marks: readonly Mark[]): string {
  return JSON.stringify(marks.map(({ version, kind, at, body }) => [version, kind, at, body]));
}

export function decodeMarks({ w }: CommitDocument): Mark[] {
  if (w === undefined) return [];
  return decodeArray(w).map((_, index, rows) => {
    const values = arrayAt(rows, index);
    const kind = textAt(values, 1);
    if (kind !== "compaction" && kind !== "reset" && kind !== "config") {
      throw new Error(`a mark is of no known kind: ${kind}`);
    }
    return { version: numberAt(values, 0), kind, at: numberAt(values, 2), body: textAt(values, 3) };
  });
}

export function decodeKeys({ k = [], q }: CommitDocument): KeyRecord[] {
  if (q === undefined) return [];
  const rows = decodeArray(q);
  return k.map((key, index) => {
    const values = arrayAt(rows, index);
    return {
      key,
      hash: textAt(values, 0),
      firstSeq: numberAt(values, 1),
      lastSeq: numberAt(values, 2),
      version: numberAt(values, 3),
      tokens: numberAt(values, 4),
    };
  });
}

function decodeArray(text: string): unknown[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error("a stored commit is not as this driver writes it");
  return value;
}

function arrayAt(values: readonly unknown[], index: number): unknown[] {
  const value = values[index];
  if (!Array.isArray(value)) throw new Error(`a stored commit has no row ${index}`);
  return value;
}

function numberAt(values: readonly unknown[], index: number): number {
  const value = values[index];
  if (typeof value !== "number") throw new Error(`a stored commit has no number at ${index}`);
  return value;
}

function textAt(values: readonly unknown[], index: number): string {
  const value = values[index];
  if (typeof value !== "string") throw new Error(`a stored commit has no text at ${index}`);
  return value;
}

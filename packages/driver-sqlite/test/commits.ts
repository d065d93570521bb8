import type { Commit, Head, KeyRecord, Mark } from "@fastpaca/core";

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

interface AppendExtras {
  readonly body?: string;
  readonly keys?: readonly string[];
  readonly marks?: readonly Mark[];
  readonly head?: Partial<Head>;
}

/** A commit of messages `from` to `to`. */
export function append(
  id: string,
  base: number,
  from: number,
  to: number,
  extras: AppendExtras = {},
): Commit {
  const { body = '{"role":"user","parts":[]}', keys = [], marks = [] } = extras;
  return {
    id,
    base,
    head: head(id, base + 1, { lastSeq: to, version: to + marks.length, ...extras.head }),
    messages: Array.from({ length: to - from + 1 }, (_, index) => ({
      seq: from + index,
      version: from + index,
      tokens: 1,
      insertedAt: 1,
      body,
    })),
    marks,
    keys: keys.map((name) => key(name, from, to)),
  };
}

export function purge(id: string, base: number): Commit {
  return { ...creation(id), base, head: head(id, base + 1, { purged: true }) };
}

function key(name: string, firstSeq: number, lastSeq: number): KeyRecord {
  return { key: name, hash: "hash", firstSeq, lastSeq, version: lastSeq, tokens: 1 };
}

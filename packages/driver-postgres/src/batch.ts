import type { Commit, CommitOutcome, Head, KeyRecord } from "@fastpaca/core";
import { int8Array, textArray } from "./binary-array.js";
import { PURGED, TOMBSTONED, type CommitParts } from "./commit-statement.js";
import { headOf, type HeadRow } from "./rows.js";

/** A batch as the commit statement takes it. */
export interface Batch {
  readonly parts: Omit<CommitParts, "lookup">;
  readonly values: readonly Buffer[];
  /** For each slot, from 1, where its commit is in the call. */
  readonly order: readonly number[];
}

/** Sorted by id, so that batches which share conversations lock them in the same order. */
export function batchOf(commits: readonly Commit[]): Batch {
  const order = [...commits.keys()];
  const idAt = (index: number): string => commits[index]?.id ?? "";
  if (commits.length > 1) order.sort((a, b) => (idAt(a) < idAt(b) ? -1 : 1));
  const ids: string[] = [];
  const metadata: string[] = [];
  const labels: string[] = [];
  const states: string[] = [];
  const numbers: number[] = [];
  const bodies: string[] = [];
  const messageNumbers: number[] = [];
  const keys: string[] = [];
  const hashes: string[] = [];
  const keyNumbers: number[] = [];
  const kinds: string[] = [];
  const markBodies: string[] = [];
  const markNumbers: number[] = [];
  let purges = false;
  let slot = 0;
  for (const index of order) {
    const commit = commits[index];
    if (commit === undefined) continue;
    slot += 1;
    const { head } = commit;
    if (head.purged) purges = true;
    const flags = (head.tombstoned ? TOMBSTONED : 0) + (head.purged ? PURGED : 0);
    ids.push(commit.id);
    metadata.push(head.metadata);
    labels.push(head.labels.length === 0 ? "" : head.labels.join("\n"));
    states.push(head.state);
    numbers.push(commit.base, head.life, head.version, head.lastSeq, head.firstSeq, head.archivedSeq);
    numbers.push(head.createdAt, head.updatedAt, flags);
    for (const { seq, version, tokens, insertedAt, body } of commit.messages) {
      messageNumbers.push(slot, seq, version, tokens, insertedAt);
      bodies.push(body);
    }
    for (const { key, hash, firstSeq, lastSeq, version, tokens } of commit.keys) {
      keyNumbers.push(slot, firstSeq, lastSeq, version, tokens);
      keys.push(key);
      hashes.push(hash);
    }
    for (const { version, at, kind, body } of commit.marks) {
      markNumbers.push(slot, version, at);
      kinds.push(kind);
      markBodies.push(body);
    }
  }
  const values = [
    textArray(ids),
    textArray(metadata),
    textArray(labels),
    textArray(states),
    int8Array(numbers),
  ];
  values.push(textArray(bodies), int8Array(messageNumbers));
  const parts = { keys: keys.length > 0, marks: kinds.length > 0, purges };
  if (parts.keys) values.push(textArray(keys), textArray(hashes), int8Array(keyNumbers));
  if (parts.marks) values.push(textArray(kinds), textArray(markBodies), int8Array(markNumbers));
  return { parts, values, order };
}

/** What the commit statement returned: rows for what was not applied. */
export function outcomesOf({ order }: Batch, rows: readonly (readonly (string | null)[])[]): CommitOutcome[] {
  const outcomes = order.map((): CommitOutcome => ({ status: "committed" }));
  for (const [slot, held, head] of rows) {
    const index = order[Number(slot) - 1];
    if (index !== undefined) outcomes[index] = refusal(held ?? null, head ?? null);
  }
  return outcomes;
}

function refusal(held: string | null, head: string | null): CommitOutcome {
  if (head !== null) return { status: "conflict", head: parseHead(head) };
  return held === null
    ? { status: "conflict", head: undefined }
    : { status: "duplicate", held: parseHeld(held) };
}

function parseHead(json: string): Head {
  // The statement builds it from columns of these types.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return headOf(JSON.parse(json) as HeadRow);
}

function parseHeld(json: string): KeyRecord[] {
  // As in `parseHead`: the statement builds these rows.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const rows = JSON.parse(json) as [string, string, number, number, number, number][];
  return rows.map(([key, hash, firstSeq, lastSeq, version, tokens]) => ({
    key,
    hash,
    firstSeq,
    lastSeq,
    version,
    tokens,
  }));
}

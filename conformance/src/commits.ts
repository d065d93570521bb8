import type { Commit, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

/** One step of a conversation, before it has a place. */
export interface Step {
  /** Bodies of the messages it appends. */
  readonly messages?: readonly string[];
  /** Kinds and bodies of the marks that follow them. */
  readonly marks?: readonly { readonly kind: Mark["kind"]; readonly body: string }[];
  /** Keys of an append; each gets a record of the step's messages. */
  readonly keys?: readonly string[];
  readonly metadata?: string;
  readonly labels?: readonly string[];
  readonly tombstone?: boolean;
  readonly purge?: boolean;
  /** The oldest message that the head still promises. */
  readonly firstSeq?: number;
  /** Milliseconds since 1970; by default one more than before. */
  readonly updatedAt?: number;
  /** Makes the commit different from every other one; part of the head's state. */
  readonly token: string;
}

/** The commit that takes a conversation from `before` one step on, exactly as the store would make it. */
export function commitOn(before: Head | undefined, id: string, step: Step): Commit {
  const reborn = before === undefined || before.purged;
  const base = before?.revision ?? 0;
  const from = reborn ? { version: 0, lastSeq: 0, firstSeq: 1, createdAt: 1_700_000_000_000 + base } : before;
  const at = step.updatedAt ?? (before?.updatedAt ?? 1_700_000_000_000) + 1;
  const messages: StoredMessage[] = (step.messages ?? []).map((body, index) => ({
    seq: from.lastSeq + 1 + index,
    version: from.version + 1 + index,
    tokens: body.length,
    insertedAt: at + index,
    body,
  }));
  const lastSeq = from.lastSeq + messages.length;
  const marks: Mark[] = (step.marks ?? []).map(({ kind, body }, index) => ({
    version: from.version + messages.length + 1 + index,
    kind,
    at,
    body,
  }));
  const keys: KeyRecord[] = (step.keys ?? []).map((key) => ({
    key,
    hash: `${step.token}-${key.length}`.padEnd(43, "h").slice(0, 64),
    firstSeq: from.lastSeq + Math.min(1, messages.length),
    lastSeq,
    version: from.version + messages.length,
    tokens: messages.at(-1)?.tokens ?? 0,
  }));
  const life = (before?.life ?? 1) + (before?.purged === true ? 1 : 0);
  const purged = step.purge === true;
  const head: Head = {
    id,
    revision: base + 1,
    life,
    version: purged ? 0 : from.version + messages.length + marks.length,
    lastSeq: purged ? 0 : lastSeq,
    firstSeq: purged ? 1 : (step.firstSeq ?? from.firstSeq),
    archivedSeq: 0,
    tombstoned: purged || step.tombstone === true || (!reborn && before.tombstoned),
    purged,
    metadata: purged ? "{}" : (step.metadata ?? (reborn ? "{}" : before.metadata)),
    labels: purged ? [] : (step.labels ?? (reborn ? [] : before.labels)),
    createdAt: from.createdAt,
    updatedAt: at,
    state: JSON.stringify({ token: step.token }),
  };
  return purged
    ? { id, base, head, messages: [], marks: [], keys: [] }
    : { id, base, head, messages, marks, keys };
}

import type { Commit, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

/** Milliseconds since 1970 at which the first commit of a conversation happens, unless it says otherwise. */
export const DAWN = 1_700_000_000_000;

/** A message with numbers of its own choice. */
export interface StepMessage {
  readonly body: string;
  /** By default as many as the body has characters. */
  readonly tokens?: number;
  /** Milliseconds since 1970; by default the time of the commit and a little more with each message. */
  readonly insertedAt?: number;
}

export interface StepMark {
  readonly kind: Mark["kind"];
  readonly body: string;
  /** Milliseconds since 1970; by default the time of the commit. */
  readonly at?: number;
}

/** A key with a fingerprint of its own choice: at most 64 ASCII characters. */
export interface StepKey {
  readonly key: string;
  readonly hash?: string;
}

/** One step of a conversation, before it has a place. */
export interface Step {
  /** Bodies of the messages it appends. */
  readonly messages?: readonly (string | StepMessage)[];
  /** Kinds and bodies of the marks that follow them. */
  readonly marks?: readonly StepMark[];
  /** Keys of appends: the first message belongs to the first key, and so on; the last key has all that are left. */
  readonly keys?: readonly (string | StepKey)[];
  readonly metadata?: string;
  readonly labels?: readonly string[];
  readonly tombstone?: boolean;
  readonly purge?: boolean;
  /** The oldest message that the head still promises. */
  readonly firstSeq?: number;
  /** Messages up to here are in the archive. */
  readonly archivedSeq?: number;
  /** Milliseconds since 1970; by default one more than before. */
  readonly updatedAt?: number;
  /** Of a creation: as if this many messages had been there, and all of them had been trimmed. */
  readonly trimmed?: number;
  /** Makes the commit different from every other one; part of the head's state. */
  readonly token: string;
  /** JSON text; by default an object that holds the token. */
  readonly state?: string;
}

/** The commit that takes a conversation from `before` one step on, exactly as the store would make it. */
export function commitOn(before: Head | undefined, id: string, step: Step): Commit {
  const reborn = before === undefined || before.purged;
  const base = before?.revision ?? 0;
  const at = step.updatedAt ?? (before?.updatedAt ?? DAWN) + 1;
  const from = reborn ? blank(step.trimmed ?? 0, at) : before;
  const messages = messagesFrom(from, at, step.messages ?? []);
  const lastSeq = from.lastSeq + messages.length;
  const version = from.version + messages.length;
  const marks: Mark[] = (step.marks ?? []).map((mark, index) => ({
    version: version + 1 + index,
    kind: mark.kind,
    at: mark.at ?? at,
    body: mark.body,
  }));
  const common = {
    id,
    revision: base + 1,
    life: (before?.life ?? 0) + (reborn ? 1 : 0),
    updatedAt: at,
    state: step.state ?? JSON.stringify({ token: step.token }),
  };
  if (step.purge === true) {
    const head: Head = {
      ...common,
      life: before?.life ?? 1,
      version: 0,
      lastSeq: 0,
      firstSeq: 1,
      archivedSeq: 0,
      tombstoned: false,
      purged: true,
      metadata: "{}",
      labels: [],
      createdAt: at,
    };
    return { id, base, head, messages: [], marks: [], keys: [] };
  }
  const head: Head = {
    ...common,
    version: version + marks.length,
    lastSeq,
    firstSeq: step.firstSeq ?? from.firstSeq,
    archivedSeq: step.archivedSeq ?? from.archivedSeq,
    tombstoned: step.tombstone ?? from.tombstoned,
    purged: false,
    metadata: step.metadata ?? from.metadata,
    labels: step.labels ?? from.labels,
    createdAt: from.createdAt,
  };
  return { id, base, head, messages, marks, keys: keysOf(step, from, messages) };
}

/** What a conversation starts from. */
function blank(trimmed: number, createdAt: number): Omit<Head, "id" | "revision" | "life" | "state"> {
  return {
    version: trimmed,
    lastSeq: trimmed,
    firstSeq: trimmed + 1,
    archivedSeq: trimmed,
    tombstoned: false,
    purged: false,
    metadata: "{}",
    labels: [],
    createdAt,
    updatedAt: createdAt,
  };
}

function messagesFrom(
  { lastSeq, version }: Pick<Head, "lastSeq" | "version">,
  at: number,
  messages: readonly (string | StepMessage)[],
): StoredMessage[] {
  return messages.map((message, index) => {
    const { body, tokens, insertedAt } = typeof message === "string" ? { body: message } : message;
    return {
      seq: lastSeq + 1 + index,
      version: version + 1 + index,
      tokens: tokens ?? body.length,
      insertedAt: insertedAt ?? Math.min(at + index, Number.MAX_SAFE_INTEGER),
      body,
    };
  });
}

function keysOf(
  step: Step,
  from: Pick<Head, "lastSeq" | "version">,
  messages: readonly StoredMessage[],
): KeyRecord[] {
  const keys = step.keys ?? [];
  return keys.map((given, index) => {
    const { key, hash } = typeof given === "string" ? { key: given } : given;
    const first = messages[Math.min(index, messages.length - 1)];
    const last = index === keys.length - 1 ? messages.at(-1) : first;
    return {
      key,
      hash: hash ?? `${index}-${step.token}`.padEnd(43, "h").slice(0, 64),
      firstSeq: first?.seq ?? from.lastSeq,
      lastSeq: last?.seq ?? from.lastSeq,
      version: last?.version ?? from.version,
      tokens: last?.tokens ?? 0,
    };
  });
}

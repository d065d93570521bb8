import type { Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import { Violation } from "../violation.js";
import { acknowledged, landing, type Conversation, type Entry } from "./conversation.js";

/** What a conversation held from one purge to the next, over time. */
export interface Life {
  /** All of its messages: each revision of it holds the first so many. */
  readonly messages: StoredMessage[];
  readonly marks: Mark[];
  /** Each with the revision that brought it. */
  readonly keys: Map<string, { readonly record: KeyRecord; readonly since: number }>;
  /** Place before which it certainly had not begun. */
  readonly from: number;
}

/** A conversation at one revision. */
export interface State {
  readonly revision: number;
  readonly entry: Entry | undefined;
  readonly head: Head | undefined;
  readonly life: Life;
  readonly messages: number;
  readonly marks: number;
}

/** Chains beyond which a history counts as undecidable; one without open outcomes has a single one. */
const MOST_CHAINS = 20_000;

/**
 * Every order of commits that the acknowledgements and the heads shown leave open, the one with the fewest assumptions
 * first. @throws Violation where they leave none
 */
export function* chainsOf(conversation: Conversation): Generator<readonly State[]> {
  const { known, open } = placesOf(conversation);
  let count = 0;
  let refused: Violation | undefined;
  let found = false;
  const top = Math.max(0, ...known.keys());
  for (let revision = 1; revision <= top; revision++) {
    if (known.has(revision) || open.has(revision)) continue;
    throw new Violation(
      "CAS-3",
      `${conversation.id} has a revision beyond ${revision}, which no commit can have made`,
    );
  }
  function* extend(entries: readonly Entry[]): Generator<readonly State[]> {
    const next = entries.length + 1;
    if (next > top) {
      if ((count += 1) > MOST_CHAINS) {
        throw new Error(
          `${conversation.id} has too many open outcomes to decide whether its history is legal`,
        );
      }
      const chain = statesOf(conversation.id, entries);
      if (chain instanceof Violation) refused ??= chain;
      else {
        found = true;
        yield chain;
      }
    }
    const settled = known.get(next);
    for (const entry of settled === undefined ? (open.get(next) ?? []) : [settled]) {
      yield* extend([...entries, entry]);
    }
  }
  // Long histories: what is settled needs no recursion.
  let settled = 0;
  while (known.has(settled + 1)) settled += 1;
  yield* extend(
    Array.from({ length: settled }, (_, index) => known.get(index + 1)).filter(
      (entry) => entry !== undefined,
    ),
  );
  if (!found && refused !== undefined) throw refused;
}

/** For each revision the commit that certainly made it, or those that may have. */
function placesOf({ id, entries }: Conversation): {
  readonly known: ReadonlyMap<number, Entry>;
  readonly open: ReadonlyMap<number, readonly Entry[]>;
} {
  const known = new Map<number, Entry>();
  const open = new Map<number, Entry[]>();
  const ordered = [...entries.values()];
  for (const entry of ordered) {
    const { revision } = entry.commit.head;
    const told = entry.submissions.filter(({ outcome }) => outcome.status === "committed");
    if (told.length > 1) {
      throw new Violation("CAS-8", `${name(entry)} was told as committed ${told.length} times`);
    }
    if (told.length === 0) {
      if (landing(entry) !== undefined) open.set(revision, [...(open.get(revision) ?? []), entry]);
      continue;
    }
    const rival = known.get(revision);
    if (rival !== undefined) {
      throw new Violation(
        "CAS-2",
        `both ${name(rival)} and ${name(entry)} were told as committed, on the same base`,
      );
    }
    known.set(revision, entry);
  }
  for (const entry of ordered) {
    if (entry.shown === undefined) continue;
    const { revision } = entry.commit.head;
    const rival = known.get(revision);
    if (landing(entry) === undefined) throw refusedLanded(entry);
    if (rival === undefined) known.set(revision, entry);
    else if (rival !== entry) {
      const lost = acknowledged(rival) === undefined ? "CAS-2" : "CAS-7";
      throw new Violation(lost, `${id} shows the head of ${name(entry)}, but ${name(rival)} is in its place`);
    }
  }
  return { known, open };
}

/** Something of a commit was seen that was told not to have landed. */
export function refusedLanded(entry: Entry): Violation {
  const last = entry.submissions.at(-1)?.outcome.status ?? "refused";
  return last === "rejected"
    ? new Violation("ERR-3", `${name(entry)} was rejected, and is in the log nevertheless`)
    : new Violation("CAS-7", `${name(entry)} was refused (${last}), and is in the log nevertheless`);
}

function statesOf(id: string, entries: readonly Entry[]): readonly State[] | Violation {
  let life: Life = { messages: [], marks: [], keys: new Map(), from: -1 };
  const states: State[] = [{ revision: 0, entry: undefined, head: undefined, life, messages: 0, marks: 0 }];
  for (const entry of entries) {
    const { commit } = entry;
    const { head } = commit;
    if (head.purged) {
      life = { messages: [], marks: [], keys: new Map(), from: landing(entry)?.from ?? -1 };
    }
    for (const { key } of commit.keys) {
      if (!life.keys.has(key)) continue;
      return new Violation("KEY-1", `${name(entry)} landed although ${id} held its key ${key} already`);
    }
    for (const record of commit.keys) life.keys.set(record.key, { record, since: head.revision });
    for (const message of commit.messages) {
      // It was decided on a head with another number of messages than the one that it landed on.
      if (message.seq !== life.messages.length + 1) {
        return new Violation(
          "GAP-1",
          `${name(entry)} has seq ${message.seq}, and landed where ${life.messages.length + 1} was next`,
        );
      }
      life.messages.push(message);
    }
    life.marks.push(...commit.marks);
    const { messages, marks } = life;
    states.push({
      revision: head.revision,
      entry,
      head,
      life,
      messages: messages.length,
      marks: marks.length,
    });
  }
  return states;
}

/** The commit as messages name it. */
export function name({ commit }: Entry): string {
  return `commit ${commit.head.state} of ${commit.id} on revision ${commit.base}`;
}

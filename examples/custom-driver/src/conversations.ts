import type {
  Commit,
  CommitOutcome,
  Head,
  KeyRecord,
  ListPage,
  ListPosition,
  ListQuery,
  Mark,
  StoredMessage,
} from "@fastpaca/core";

/** Frees the messages of a conversation below a seq. */
export interface Prune {
  readonly id: string;
  readonly below: number;
}

/** What a line of the log says. */
export type Change = Commit | Prune;

interface Conversation {
  head: Head;
  /** Ascending without holes; the first one is the oldest that was not pruned. */
  messages: StoredMessage[];
  /** Ascending by version. */
  marks: Mark[];
  keys: Map<string, KeyRecord>;
}

const DONE: CommitOutcome = { status: "committed" };
/** Messages in one line of a shortened log: enough to be quick, few enough for a line to stay a string. */
const SLICE = 16;

/** Everything that is stored, in memory: what the log amounts to. Nothing here waits, so no reader sees half a change. */
export class Conversations {
  readonly #stored = new Map<string, Conversation>();

  /** What to answer without writing anything; undefined: the change is to be written, and then applied. */
  answer(change: Change): CommitOutcome | undefined {
    const stored = this.#stored.get(change.id);
    if ("below" in change) return stored === undefined || isPruned(stored, change.below) ? DONE : undefined;
    const { base, head, keys } = change;
    if ((stored?.head.revision ?? 0) !== base) return { status: "conflict", head: stored?.head };
    // Only now: a held key is told to those who knew the present revision. A purge has none, and frees all.
    const held = head.purged ? [] : keys.flatMap(({ key }) => stored?.keys.get(key) ?? []);
    return held.length > 0 ? { status: "duplicate", held } : undefined;
  }

  /** Applies what is in the log. Tells whether earlier lines now hold something that nobody will ask for again. */
  apply(change: Change): boolean {
    const stored = this.#stored.get(change.id);
    if ("below" in change) {
      if (stored !== undefined) prune(stored, change.below);
      return true;
    }
    const { id, head, messages, marks, keys } = change;
    if (stored === undefined || head.purged) {
      const records = new Map(keys.map((record) => [record.key, record]));
      this.#stored.set(id, { head, messages: [...messages], marks: [...marks], keys: records });
      return stored !== undefined;
    }
    stored.head = head;
    for (const message of messages) stored.messages.push(message);
    for (const mark of marks) stored.marks.push(mark);
    for (const record of keys) stored.keys.set(record.key, record);
    return false;
  }

  /** The shortest log that amounts to the same. */
  *changes(): Generator<Change> {
    for (const [id, { head, messages, marks, keys }] of this.#stored) {
      const records = [...keys.values()];
      const longest = Math.max(1, messages.length, marks.length, records.length);
      for (let at = 0; at < longest; at += SLICE) {
        yield {
          id,
          base: head.revision - 1,
          head,
          messages: messages.slice(at, at + SLICE),
          marks: marks.slice(at, at + SLICE),
          keys: records.slice(at, at + SLICE),
        };
      }
    }
  }

  head(id: string): Head | undefined {
    return this.#stored.get(id)?.head;
  }

  messages(id: string, from: number, to: number): StoredMessage[] {
    const messages = this.#stored.get(id)?.messages ?? [];
    const oldest = messages[0]?.seq ?? 1;
    return messages.slice(Math.max(0, from - oldest), Math.max(0, to - oldest + 1));
  }

  marks(id: string, after: number, limit: number): Mark[] {
    const marks = this.#stored.get(id)?.marks ?? [];
    return marks.filter(({ version }) => version > after).slice(0, limit);
  }

  keys(id: string, keys: readonly string[]): KeyRecord[] {
    return keys.flatMap((key) => this.#stored.get(id)?.keys.get(key) ?? []);
  }

  list({ limit, labels, after }: ListQuery): ListPage {
    const behind = [...this.#stored.values()]
      .map(({ head }) => head)
      .filter((head) => !head.purged && labels.every((label) => head.labels.includes(label)))
      .filter((head) => after === undefined || byRecency(after, head) < 0)
      .sort(byRecency);
    const heads = behind.slice(0, limit);
    const last = heads.at(-1);
    if (last === undefined || behind.length === heads.length) return { heads };
    return { heads, next: { updatedAt: last.updatedAt, id: last.id } };
  }
}

function prune(stored: Conversation, below: number): void {
  stored.messages = messagesKept(stored, below);
  stored.marks = marksKept(stored);
}

/** Whether pruning would free nothing. */
function isPruned(stored: Conversation, below: number): boolean {
  const { messages, marks } = stored;
  return messagesKept(stored, below).length === messages.length && marksKept(stored).length === marks.length;
}

/** All that the head keeps, although it is below: a prune may come late, when the conversation has begun anew. */
function messagesKept({ head, messages }: Conversation, below: number): StoredMessage[] {
  const first = Math.min(below, head.firstSeq);
  return messages.filter(({ seq }) => seq >= first);
}

/** The marks from the oldest message on, and the newest compaction. */
function marksKept({ head, messages, marks }: Conversation): Mark[] {
  const oldest = messages[0]?.version ?? head.version + 1;
  const summary = marks.findLast(({ kind }) => kind === "compaction");
  return marks.filter((mark) => mark.version >= oldest || mark === summary);
}

/** Most recently changed first. Equal times are put in order by id: a page may end between two of them. */
function byRecency(a: ListPosition, b: ListPosition): number {
  return b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

import type {
  Commit,
  CommitOutcome,
  Driver,
  DriverModule,
  Head,
  KeyRecord,
  ListPage,
  ListPosition,
  ListQuery,
  Mark,
  StoredMessage,
} from "@fastpaca/core";

/** Everything that is kept of one conversation. */
interface Conversation {
  head: Head;
  /** Ascending without holes: the first one has `firstSeq`. */
  messages: StoredMessage[];
  firstSeq: number;
  /** Ascending by version. */
  marks: Mark[];
  readonly keys: Map<string, KeyRecord>;
}

/**
 * Keeps everything in the memory of one process, and nothing beyond it. The reference for driver authors: what the
 * interface asks for, and not a line more. A commit is atomic because no other code runs in the middle of a function
 * that does not wait.
 */
class MemoryDriver implements Driver {
  readonly name = "memory";
  readonly traits = { durable: false, shared: false };
  readonly limits = { maxCommitBytes: 64 * 1024 * 1024, maxBatch: 1000 };
  readonly #conversations = new Map<string, Conversation>();
  #closed = false;

  async heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    this.#refuseClosed();
    return ids.map((id) => this.#conversations.get(id)?.head);
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    this.#refuseClosed();
    return commits.map((commit) => this.#apply(commit));
  }

  #apply({ id, base, head, messages, marks, keys }: Commit): CommitOutcome {
    const present = this.#conversations.get(id);
    if ((present?.head.revision ?? 0) !== base) return { status: "conflict", head: present?.head };
    if (present === undefined || head.purged) {
      this.#conversations.set(id, {
        head,
        messages: [...messages],
        firstSeq: 1,
        marks: [...marks],
        keys: new Map(keys.map((record) => [record.key, record])),
      });
      return { status: "committed" };
    }
    const held = keys.flatMap(({ key }) => present.keys.get(key) ?? []);
    if (held.length > 0) return { status: "duplicate", held };
    present.head = head;
    for (const message of messages) present.messages.push(message);
    for (const mark of marks) present.marks.push(mark);
    for (const record of keys) present.keys.set(record.key, record);
    return { status: "committed" };
  }

  async messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    this.#refuseClosed();
    const present = this.#conversations.get(id);
    if (present === undefined) return [];
    const { messages, firstSeq } = present;
    return messages.slice(Math.max(0, from - firstSeq), Math.max(0, to - firstSeq + 1));
  }

  async marks(id: string, after: number, limit: number): Promise<Mark[]> {
    this.#refuseClosed();
    const marks = this.#conversations.get(id)?.marks ?? [];
    return marks.filter(({ version }) => version > after).slice(0, limit);
  }

  async keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    this.#refuseClosed();
    return keys.flatMap((key) => this.#conversations.get(id)?.keys.get(key) ?? []);
  }

  async list({ limit, labels, after }: ListQuery): Promise<ListPage> {
    this.#refuseClosed();
    const heads = [...this.#conversations.values()]
      .map(({ head }) => head)
      .filter((head) => !head.purged && labels.every((label) => head.labels.includes(label)))
      .filter((head) => after === undefined || byRecency(after, head) < 0)
      .sort(byRecency);
    const page = heads.slice(0, limit);
    const last = page.at(-1);
    if (last === undefined || heads.length === page.length) return { heads: page };
    return { heads: page, next: { updatedAt: last.updatedAt, id: last.id } };
  }

  async prune(id: string, below: number): Promise<void> {
    this.#refuseClosed();
    const present = this.#conversations.get(id);
    if (present === undefined) return;
    const firstSeq = Math.min(below, present.head.firstSeq);
    if (firstSeq > present.firstSeq) {
      present.messages = present.messages.slice(firstSeq - present.firstSeq);
      present.firstSeq = firstSeq;
    }
    const oldest = present.messages[0]?.version ?? present.head.version + 1;
    const summary = present.marks.findLast(({ kind }) => kind === "compaction");
    present.marks = present.marks.filter((mark) => mark.version >= oldest || mark === summary);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #refuseClosed(): void {
    if (this.#closed) throw new Error("the driver is closed");
  }
}

/** Most recently changed first; of those that changed in the same millisecond, by id. */
function byRecency(a: ListPosition, b: ListPosition): number {
  return b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

const memory: DriverModule = {
  name: "memory",
  schemes: ["memory"],
  open: (url) => {
    // A name would look as if two stores could share it.
    if (!/^memory:$/i.test(url)) return Promise.reject(new Error("nothing follows memory: in its URL"));
    return Promise.resolve(new MemoryDriver());
  },
};

export default memory;

/** Opens an empty store of its own: two of them share nothing. */
export function openMemory(): Driver {
  return new MemoryDriver();
}

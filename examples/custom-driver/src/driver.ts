import type {
  Commit,
  CommitOutcome,
  Driver,
  Head,
  KeyRecord,
  ListPage,
  ListQuery,
  Mark,
  StoredMessage,
} from "@fastpaca/core";
import type { Change, Conversations } from "./conversations.js";
import type { Lock } from "./lock.js";
import type { Log } from "./log.js";

/** A call that waits for its changes to be written. */
interface Waiting {
  readonly changes: readonly Change[];
  readonly resolve: (outcomes: CommitOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Decides on what is in memory, writes, waits for the disk, and only then applies and answers: no reader sees what a
 * power failure could still undo.
 */
export class JsonlDriver implements Driver {
  readonly name = "jsonl";
  readonly traits = { durable: true, shared: false };
  /** A commit is one line, and a line has to fit into a string when it is read again. */
  readonly limits = { maxCommitBytes: 64 * 1024 * 1024, maxBatch: 500 };
  readonly #conversations: Conversations;
  readonly #log: Pick<Log, "append" | "close">;
  readonly #lock: Lock;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(conversations: Conversations, log: Pick<Log, "append" | "close">, lock: Lock) {
    this.#conversations = conversations;
    this.#log = log;
    this.#lock = lock;
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    return this.#write(commits);
  }

  async prune(id: string, below: number): Promise<void> {
    await this.#write([{ id, below }]);
  }

  async heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    this.#refuseClosed();
    return ids.map((id) => this.#conversations.head(id));
  }

  async messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    this.#refuseClosed();
    return this.#conversations.messages(id, from, to);
  }

  async marks(id: string, after: number, limit: number): Promise<Mark[]> {
    this.#refuseClosed();
    return this.#conversations.marks(id, after, limit);
  }

  async keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    this.#refuseClosed();
    return this.#conversations.keys(id, keys);
  }

  async list(query: ListQuery): Promise<ListPage> {
    this.#refuseClosed();
    return this.#conversations.list(query);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new Error("the driver is closed");
  }

  #write(changes: readonly Change[]): Promise<CommitOutcome[]> {
    this.#refuseClosed();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Group commit: whatever comes while the disk is busy waits, and is written together. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#writeOnce(this.#takeWaiting());
    this.#writing = undefined;
  }

  async #writeOnce(calls: readonly Waiting[]): Promise<void> {
    const plans = calls.map(({ changes }) =>
      changes.map((change) => ({ change, answer: this.#conversations.answer(change) })),
    );
    const accepted = plans.flat().flatMap(({ change, answer }) => (answer === undefined ? change : []));
    let written: "written" | "unknown" = "written";
    try {
      if (accepted.length > 0) written = await this.#log.append(accepted);
    } catch (error) {
      for (const { reject } of calls) reject(error);
      return;
    }
    if (written === "written") for (const change of accepted) this.#conversations.apply(change);
    const outcome: CommitOutcome = { status: written === "written" ? "committed" : "unknown" };
    for (const [index, { resolve }] of calls.entries()) {
      resolve((plans[index] ?? []).map(({ answer }) => answer ?? outcome));
    }
  }

  /** Those that can be decided together: a second change of one conversation needs to know what became of the first. */
  #takeWaiting(): Waiting[] {
    const ids = new Set<string>();
    const meets = this.#waiting.findIndex(({ changes }) => {
      if (changes.some(({ id }) => ids.has(id))) return true;
      for (const { id } of changes) ids.add(id);
      return false;
    });
    return this.#waiting.splice(0, meets < 0 ? this.#waiting.length : meets);
  }

  async #finish(): Promise<void> {
    try {
      await this.#writing;
      await this.#log.close();
    } finally {
      this.#lock.release();
    }
  }
}

import {
  DriverUnavailableError,
  type Commit,
  type CommitOutcome,
  type Driver,
  type DriverOpenOptions,
  type Head,
  type KeyRecord,
  type ListPage,
  type ListQuery,
  type Mark,
  type StoredMessage,
} from "@fastpaca/core";
import { CurrentHeads } from "./current-heads.js";
import { flatten } from "./wire.js";
import { Thread } from "./thread.js";

/** One database file, and the thread that works on it. */
export class SqliteDriver implements Driver {
  readonly name = "sqlite";
  readonly traits = { durable: true, shared: true };
  readonly limits = { maxCommitBytes: 16 * 1024 * 1024, maxBatch: 1000 };
  readonly #thread: Thread;
  readonly #current: CurrentHeads;
  #closed: Promise<void> | undefined;

  /** Use {@link SqliteDriver.open}. */
  private constructor(thread: Thread, current: CurrentHeads) {
    this.#thread = thread;
    this.#current = current;
  }

  /**
   * @param file absolute path; the directory must exist, the file need not
   * @throws DriverUnavailableError a sentence that names the file and says what is wrong with it
   */
  static async open(file: string, log: DriverOpenOptions["log"]): Promise<SqliteDriver> {
    const thread = new Thread(file, log);
    try {
      await thread.opened;
      return new SqliteDriver(thread, new CurrentHeads(file));
    } catch (error) {
      await thread.end();
      if (error instanceof DriverUnavailableError) throw error;
      throw new DriverUnavailableError(`the database file ${JSON.stringify(file)} cannot be read`, {
        cause: error,
      });
    }
  }

  async heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    this.#refuseClosed();
    this.#thread.refuseEnded();
    return this.#current.read(ids) ?? this.#thread.call<"heads">({ kind: "heads", ids });
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    this.#refuseClosed();
    const outcomes = await this.#thread.commit(flatten(commits), commits.length);
    return outcomes ?? commits.map(() => ({ status: "committed" }));
  }

  async messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    this.#refuseClosed();
    return this.#thread.call<"messages">({ kind: "messages", id, from, to });
  }

  async marks(id: string, after: number, limit: number): Promise<Mark[]> {
    this.#refuseClosed();
    return this.#thread.call<"marks">({ kind: "marks", id, after, limit });
  }

  async keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    this.#refuseClosed();
    return this.#thread.call<"keys">({ kind: "keys", id, keys });
  }

  async list(query: ListQuery): Promise<ListPage> {
    this.#refuseClosed();
    return this.#thread.call<"list">({ kind: "list", query });
  }

  async prune(id: string, below: number): Promise<void> {
    this.#refuseClosed();
    await this.#thread.call<"prune">({ kind: "prune", id, below });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // First, so that the worker's connection is the last one, which is the one that tidies up.
    this.#current.close();
    await this.#thread.close();
  }

  #refuseClosed(): void {
    if (this.#closed !== undefined) throw new Error("the driver is closed");
  }
}

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
import { within } from "./deadline.js";
import type { History } from "./history.js";
import { Violation } from "./violation.js";

/** Milliseconds that any call may take; far beyond what a database that works needs. */
const ANSWER_DEADLINE_MS = 15_000;

/**
 * A driver as a check uses it: each call is recorded, and has a deadline. While nothing disturbs the database, a call
 * that rejects is a violation by itself; a handle that `mayFail` passes the rejection on.
 */
export class Handle implements Driver {
  readonly lane: string;
  readonly driver: Driver;
  readonly #history: History;
  readonly #mayFail: boolean;
  closed = false;

  constructor(driver: Driver, lane: string, history: History, mayFail: boolean) {
    this.driver = driver;
    this.lane = lane;
    this.#history = history;
    this.#mayFail = mayFail;
  }

  get name(): string {
    return this.driver.name;
  }

  get traits(): Driver["traits"] {
    return this.driver.traits;
  }

  get limits(): Driver["limits"] {
    return this.driver.limits;
  }

  heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    return this.#call("heads", [ids], () => this.driver.heads(ids));
  }

  commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    return this.#call("commit", [commits], () => this.driver.commit(commits));
  }

  messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    return this.#call("messages", [id, from, to], () => this.driver.messages(id, from, to));
  }

  marks(id: string, after: number, limit: number): Promise<Mark[]> {
    return this.#call("marks", [id, after, limit], () => this.driver.marks(id, after, limit));
  }

  keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    return this.#call("keys", [id, keys], () => this.driver.keys(id, keys));
  }

  list(query: ListQuery): Promise<ListPage> {
    return this.#call("list", [query], () => this.driver.list(query));
  }

  prune(id: string, below: number): Promise<void> {
    return this.#call("prune", [id, below], () => this.driver.prune(id, below));
  }

  /** @throws Violation where the driver has no `watch` */
  watch(onChange: (ids: readonly string[]) => void): Promise<() => Promise<void>> {
    return this.#call("watch", [], () => {
      if (this.driver.watch === undefined) throw new Violation("WCH-1", "the driver has no watch");
      return this.driver.watch(onChange);
    });
  }

  /** Ends a watch by what `watch` resolved to. */
  endWatch(end: () => unknown): Promise<void> {
    return this.#call("end of the watch", [], async () => {
      await end();
    });
  }

  close(): Promise<void> {
    this.closed = true;
    return this.#call("close", [], () => this.driver.close());
  }

  async #call<T>(method: string, args: readonly unknown[], call: () => Promise<T>): Promise<T> {
    const late = (): Violation =>
      new Violation("ERR-1", `${method} was not answered within ${ANSWER_DEADLINE_MS / 1000} s`);
    try {
      return await this.#history.record(this.lane, method, args, () =>
        within(call(), ANSWER_DEADLINE_MS, late),
      );
    } catch (error) {
      if (error instanceof Violation || this.#mayFail) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Violation("ERR-2", `${method} rejected although nothing was wrong: ${reason}`, {
        cause: error,
      });
    }
  }
}

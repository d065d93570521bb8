import {
  DriverUnavailableError,
  type Driver,
  type Head,
  type KeyRecord,
  type ListPage,
  type ListQuery,
  type Mark,
  type StoredMessage,
} from "../driver.js";
import { FastpacaError } from "../errors.js";
import { DeadlineError, withDeadline } from "./deadline.js";

/** Longest that one read of the driver may take, in milliseconds. */
const READ_DEADLINE = 10_000;
/** Messages asked for in one call of the driver. */
const PAGE = 1000;
/** Calls of {@link Driver.heads} that may run at the same time. */
const HEAD_CALLS = 4;
/** Requests for heads that may wait for a call. */
const MAX_WAITING = 20_000;

interface HeadWaiter {
  /** On the clock of `performance.now`: later, no call asks for it any more. */
  readonly deadline: number;
  resolve(head: Head | undefined): void;
  reject(error: unknown): void;
}

/**
 * The reading half of the driver as the store uses it: every call has a deadline, failures have the store's codes,
 * and heads asked for at the same time travel together.
 */
export class Backend {
  readonly #driver: Driver;
  #wanted = new Map<string, HeadWaiter[]>();
  #waiting = 0;
  #running = 0;
  #scheduled = false;
  #closed = false;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** Whether other processes may commit to the same conversations. */
  get shared(): boolean {
    return this.#driver.traits.shared;
  }

  /** From now on nothing is read any more. */
  close(): void {
    this.#closed = true;
  }

  /** @throws FastpacaError `unavailable` once it is closed */
  demandOpen(): void {
    if (this.#closed) throw new FastpacaError("unavailable", "the store is closed");
  }

  /** The latest head: never older than the call. A call of the driver that already runs is not joined. */
  head(id: string): Promise<Head | undefined> {
    return new Promise((resolve, reject) => {
      this.demandOpen();
      if (this.#waiting >= MAX_WAITING) {
        reject(new FastpacaError("unavailable", "too many reads are waiting"));
        return;
      }
      this.#waiting += 1;
      const waiter = { resolve, reject, deadline: performance.now() + READ_DEADLINE };
      const waiters = this.#wanted.get(id);
      if (waiters === undefined) this.#wanted.set(id, [waiter]);
      else waiters.push(waiter);
      this.#schedule();
    });
  }

  /** Ascending, at most a page's worth; fewer than asked for when messages were pruned. */
  async messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    return this.#read("messages", () => this.#driver.messages(id, from, Math.min(to, from + PAGE - 1)));
  }

  marks(id: string, after: number, limit: number): Promise<Mark[]> {
    return this.#read("marks", () => this.#driver.marks(id, after, limit));
  }

  keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    return this.#read("keys", () => this.#driver.keys(id, keys));
  }

  list(query: ListQuery): Promise<ListPage> {
    return this.#read("list", () => this.#driver.list(query));
  }

  async #read<T>(what: string, call: () => Promise<T>): Promise<T> {
    this.demandOpen();
    try {
      return await withDeadline(call(), READ_DEADLINE, what);
    } catch (cause) {
      throw asStoreError(cause, "the driver failed");
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= HEAD_CALLS || this.#wanted.size === 0) return;
    this.#scheduled = true;
    // Requests that arrived in the same turn of the event loop share a call.
    setImmediate(() => {
      this.#scheduled = false;
      void this.#readHeads();
    });
  }

  /**
   * Refuses those that no call was free for in time. A call ends by its deadline, so that nobody waits for more than
   * two of them.
   */
  #giveUp(): void {
    const now = performance.now();
    for (const [id, waiters] of this.#wanted) {
      // They are in the order of their first ones, who have waited longest.
      if ((waiters[0]?.deadline ?? 0) > now) break;
      this.#wanted.delete(id);
      this.#waiting -= waiters.length;
      const error = new FastpacaError("unavailable", "the database has not answered earlier reads");
      for (const waiter of waiters) waiter.reject(error);
    }
  }

  async #readHeads(): Promise<void> {
    this.#giveUp();
    const ids = [...this.#wanted.keys()].slice(0, this.#driver.limits.maxBatch);
    if (ids.length === 0) return;
    const waiting = ids.map((id) => this.#wanted.get(id) ?? []);
    for (const id of ids) this.#wanted.delete(id);
    for (const { length } of waiting) this.#waiting -= length;
    this.#running += 1;
    // What did not fit goes beside.
    this.#schedule();
    try {
      const heads = await this.#read("heads", () => this.#driver.heads(ids));
      for (const [index, waiters] of waiting.entries())
        for (const waiter of waiters) waiter.resolve(heads[index]);
    } catch (error) {
      for (const waiters of waiting) for (const waiter of waiters) waiter.reject(error);
    } finally {
      this.#running -= 1;
      this.#schedule();
    }
  }
}

/** A failure, with the code that callers are told. @param otherwise what it is called if it is neither refusal nor outage */
export function asStoreError(cause: unknown, otherwise: string): FastpacaError {
  if (cause instanceof FastpacaError) return cause;
  if (cause instanceof DriverUnavailableError || cause instanceof DeadlineError) {
    return new FastpacaError("unavailable", `the database cannot be reached: ${cause.message}`, { cause });
  }
  return new FastpacaError("internal", otherwise, { cause });
}

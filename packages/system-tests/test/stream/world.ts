import { createStore, type Driver, type Store } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import { vi } from "vitest";
import { overriding } from "../drivers.js";
import { LogRecord } from "./log-record.js";

/** What becomes of the hint that a conversation changed. */
export type Hint = "prompt" | "late" | "lost" | "doubled";

export interface WorldOptions {
  /** Stores over the one database. */
  readonly stores: number;
  readonly cacheBytes?: number | undefined;
  /** Turns of the event loop that the calls of the drivers take, one after the other, over and over. */
  readonly delays?: readonly number[];
  /** What becomes of the hints, one after the other, over and over. Default: there are none. */
  readonly hints?: readonly Hint[];
  /** Puts another driver in front of a store's. */
  readonly wrap?: (driver: Driver, store: number) => Driver;
}

/** How often a store looks for what others committed, in milliseconds. */
const POLL = 1000;
/** Time after which something that takes no time at all counts as never happening, in milliseconds. */
const LONG = 4000;

/** Some stores over one database, whose commits are recorded. Intervals are those of the fake clock. */
export class World implements AsyncDisposable {
  readonly record = new LogRecord();
  /** The database itself, at once. */
  readonly database: Driver;
  readonly stores: readonly Store[];
  readonly #options: WorldOptions;
  readonly #watchers: ((ids: readonly string[]) => void)[] = [];
  #calls = 0;
  #hints = 0;
  /** Calls of `heads`. */
  looks = 0;
  #closed = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.database = this.record.recording(openMemory());
    const { stores, wrap } = options;
    const drivers = Array.from({ length: stores }, (_, at) => wrap?.(this.#driver(), at) ?? this.#driver());
    this.stores = drivers.map((driver) =>
      createStore({
        driver,
        estimator: () => 1,
        cacheBytes: options.cacheBytes,
        onError: () => undefined,
      }),
    );
  }

  store(at: number): Store {
    const store = this.stores[at % this.stores.length];
    if (store === undefined) throw new Error("no store");
    return store;
  }

  /** Frees the messages below `seq`, as retention would. False where a commit came between. */
  async trim(id: string, seq: number): Promise<boolean> {
    const [head] = await this.database.heads([id]);
    if (head === undefined || head.purged || seq <= head.firstSeq || seq > head.lastSeq) return false;
    const [outcome] = await this.database.commit([
      {
        id,
        base: head.revision,
        head: { ...head, revision: head.revision + 1, firstSeq: seq },
        messages: [],
        marks: [],
        keys: [],
      },
    ]);
    if (outcome?.status !== "committed") return false;
    this.hint([id]);
    await this.database.prune(id, seq);
    return true;
  }

  /** Tells all stores, as the next of the hints says. */
  hint(ids: readonly string[]): void {
    const { hints = [] } = this.#options;
    const hint = hints[this.#hints++ % hints.length];
    const tell = (): void => {
      for (const watcher of this.#watchers) watcher(ids);
    };
    if (hint === "prompt" || hint === "doubled") tell();
    if (hint === "late" || hint === "doubled") void turns(5).then(tell);
  }

  /** Lets every store look for what others committed. */
  poll(): void {
    vi.advanceTimersByTime(POLL);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Whatever still goes on comes to an end, also in a store that would ask forever.
    this.#closed = true;
    for (const store of this.stores) await store.close();
  }

  #driver(): Driver {
    const { database } = this;
    const { stores, hints } = this.#options;
    const driver = overriding(database, {
      traits: { durable: false, shared: stores > 1 },
      heads: (ids) => {
        this.looks += 1;
        return this.#late(() => database.heads(ids));
      },
      messages: (id, from, to) => this.#late(() => database.messages(id, from, to)),
      keys: (id, keys) => this.#late(() => database.keys(id, keys)),
      commit: (commits) =>
        this.#late(async () => {
          const outcomes = await database.commit(commits);
          this.hint(commits.map(({ id }) => id));
          return outcomes;
        }),
      close: () => Promise.resolve(),
    });
    return {
      ...driver,
      marks: (id, after, limit) => this.#late(() => database.marks(id, after, limit)),
      ...(hints !== undefined && {
        watch: (onChange: (ids: readonly string[]) => void) => {
          this.#watchers.push(onChange);
          return Promise.resolve(() => Promise.resolve());
        },
      }),
    };
  }

  /** Half before and half after, so that both what is asked and what is answered may be overtaken. */
  async #late<T>(call: () => Promise<T>): Promise<T> {
    const { delays = [] } = this.#options;
    const delay = delays[this.#calls++ % delays.length] ?? 0;
    if (this.#closed) throw new Error("the database is closed");
    await turns(Math.floor(delay / 2));
    const answer = await call();
    await turns(Math.ceil(delay / 2));
    return answer;
  }
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** What a promise resolves to; an error where that takes as long as only something that never happens does. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} does not happen`)), LONG);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

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
import type { Changes } from "./changes.js";
import { Committing } from "./committing.js";
import { withinDeadline, type Database } from "./database.js";
import { Erasing } from "./erasing.js";
import { asUnavailable, reasonOf } from "./failures.js";
import { HeadCache } from "./head-cache.js";
import { Heads } from "./heads.js";
import { History } from "./history.js";
import { Listing } from "./listing.js";
import { Sweeper } from "./sweeper.js";
import { Watch, type Log } from "./watching.js";

/** Milliseconds until erasing is tried again behind a failure. */
export const RETRY = 30_000;

/** Keeps conversations in MongoDB, one document per commit. */
export class MongoDriver implements Driver {
  readonly name = "mongo";
  readonly traits = { durable: true, shared: true };
  /** A commit is a document, and has 16 MiB with its names and numbers. */
  readonly limits = { maxCommitBytes: 14 * 1024 * 1024, maxBatch: 1000 };
  readonly watch?: (onChange: (ids: readonly string[]) => void) => Promise<() => Promise<void>>;
  readonly #heads: Heads;
  readonly #history: History;
  readonly #listing: Listing;
  readonly #committing: Committing;
  readonly #erasing: Erasing;
  readonly #changes: Changes | undefined;
  readonly #log: Log;
  readonly #release: () => Promise<void>;
  readonly #running = new Set<Promise<unknown>>();
  readonly #watches = new Set<Watch>();
  readonly #sweeper: Sweeper;
  /** What is done behind the answers, at most once at a time. */
  #purging: Promise<void> | undefined;
  #purgeAgain = false;
  #retry: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** @param release closes what was opened for this driver, and only that */
  constructor(database: Database, changes: Changes | undefined, log: Log, release: () => Promise<void>) {
    const cache = new HeadCache();
    this.#heads = new Heads(database, cache);
    this.#history = new History(database, cache, this.#heads);
    this.#sweeper = new Sweeper(database, log);
    this.#listing = new Listing(database, cache, this.#heads, this.#sweeper);
    this.#committing = new Committing(database, cache, this.#heads, this.#history, this.#listing);
    this.#erasing = new Erasing(database, this.#heads, this.#history);
    this.#changes = changes;
    this.#log = log;
    this.#release = release;
    if (changes !== undefined) this.watch = (onChange) => this.#watch(changes, onChange);
    this.#finishPurges();
  }

  heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    return this.#call("cannot tell the heads", (signal) => this.#heads.latest(ids, signal));
  }

  commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    return this.#call("cannot take the commits", async (signal) => {
      const outcomes = await this.#committing.commit(commits, signal);
      const landed = commits.filter((_, index) => outcomes[index]?.status === "committed");
      this.#changes?.tell(landed.map(({ id }) => id));
      if (landed.some(({ head }) => head.purged)) this.#finishPurges();
      return outcomes;
    });
  }

  messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    return this.#call("cannot read messages", (signal) => this.#history.messages(id, from, to, signal));
  }

  marks(id: string, after: number, limit: number): Promise<Mark[]> {
    return this.#call("cannot read marks", (signal) => this.#history.marks(id, after, limit, signal));
  }

  keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    return this.#call("cannot look up keys", (signal) => this.#history.keys(id, keys, signal));
  }

  list(query: ListQuery): Promise<ListPage> {
    return this.#call("cannot list conversations", (signal) => this.#listing.list(query, signal));
  }

  prune(id: string, below: number): Promise<void> {
    return this.#call("cannot prune", () => this.#erasing.prune(id, below));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#erasing.stop();
    await Promise.allSettled([...this.#watches].map((watch) => watch.stop()));
    await Promise.allSettled([...this.#running, this.#purging]);
    clearTimeout(this.#retry);
    await this.#sweeper.close();
    await this.#changes?.close();
    await this.#release();
  }

  /** One call of the interface, with its deadline; {@link close} waits for it. */
  async #call<T>(doing: string, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new Error("the driver is closed");
    const running = withinDeadline(body);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw asUnavailable(doing, error);
    } finally {
      this.#running.delete(running);
    }
  }

  async #watch(changes: Changes, onChange: (ids: readonly string[]) => void): Promise<() => Promise<void>> {
    const watch = new Watch(() => changes.feed(), onChange, this.#log);
    await this.#call("cannot watch", () => watch.start());
    if (this.#closing !== undefined) await watch.stop();
    else this.#watches.add(watch);
    return async () => {
      this.#watches.delete(watch);
      await watch.stop();
    };
  }

  /** Erases what purges left. One that comes while others are being finished may have been missed by them. */
  #finishPurges(): void {
    if (this.#purging !== undefined) {
      this.#purgeAgain = true;
      return;
    }
    this.#purgeAgain = false;
    this.#purging = this.#erasing
      .finishPurges()
      .catch((error: unknown) => {
        this.#log(
          "warn",
          `MongoDB has not erased all that was purged, and will be asked again: ${reasonOf(error)}`,
        );
        clearTimeout(this.#retry);
        this.#retry = setTimeout(() => this.#finishPurges(), RETRY).unref();
      })
      .finally(() => {
        this.#purging = undefined;
        if (this.#purgeAgain && this.#closing === undefined) this.#finishPurges();
      });
  }
}

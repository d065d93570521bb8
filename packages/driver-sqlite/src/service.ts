import type { CommitOutcome, ListPage, ListQuery } from "@fastpaca/core";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { Commits } from "./commits.js";
import { isBusy, isFull } from "./failure.js";
import { PATIENCE, whenFree } from "./patience.js";
import { Reads } from "./reads.js";
import { Slices } from "./slices.js";
import { transact, UncertainCommitError } from "./transaction.js";
import { unflatten, type Answers, type Flat, type Request } from "./wire.js";

/** Milliseconds between two slices of deleting: as long as a slice takes, so that commits get at least half the time. */
const PAUSE = 5;
/** Milliseconds until deleting is tried again behind a failure. */
export const RETRY = 30_000;

/**
 * Serves requests on one connection, in the worker thread. Commits go one after the other in the order of arrival;
 * reads pass those that wait for another connection's lock; deleting passes last.
 */
export class Service {
  readonly #database: DatabaseSync;
  readonly #commits: Commits;
  readonly #reads: Reads;
  readonly #slices: Slices;
  readonly #report: (error: unknown) => void;
  readonly #running = new Set<Promise<unknown>>();
  /** Settles, always well, when the commits that arrived so far are done. */
  #writing: Promise<unknown> | undefined;
  #sweeping = false;
  #retry: NodeJS.Timeout | undefined;
  #closing = false;

  /** @param report is told why old lives are not being deleted; reads never find them all the same */
  constructor(database: DatabaseSync, report: (error: unknown) => void) {
    this.#database = database;
    this.#commits = new Commits(database);
    this.#reads = new Reads(database);
    this.#slices = new Slices(database);
    this.#report = report;
    this.#startSweeping();
  }

  serve(request: Request): Promise<Answers[keyof Answers]> {
    const deadline = performance.now() + PATIENCE;
    switch (request.kind) {
      case "commit":
        return this.#track(this.#commit(request.batch, deadline));
      case "heads":
        return this.#track(whenFree(deadline, () => this.#reads.heads(request.ids)));
      case "messages":
        return this.#track(
          whenFree(deadline, () => this.#reads.messages(request.id, request.from, request.to)),
        );
      case "marks":
        return this.#track(
          whenFree(deadline, () => this.#reads.marks(request.id, request.after, request.limit)),
        );
      case "keys":
        return this.#track(whenFree(deadline, () => this.#reads.keys(request.id, request.keys)));
      case "list":
        return this.#track(this.#list(request.query, deadline));
      case "prune":
        return this.#track(this.#prune(request.id, request.below));
      case "close":
        return this.#close();
    }
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  /** In the order of arrival, so that nobody starves who waits for a lock. */
  async #commit(batch: Flat, deadline: number): Promise<CommitOutcome[] | undefined> {
    const before = this.#writing;
    const work = (async () => {
      if (before !== undefined) await before;
      return whenFree(deadline, () => this.#apply(batch));
    })();
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#writing = settled;
    try {
      return await work;
    } finally {
      if (this.#writing === settled) this.#writing = undefined;
    }
  }

  #apply(batch: Flat): CommitOutcome[] | undefined {
    const commits = unflatten(batch);
    try {
      const outcomes = transact(this.#database, isFull, () =>
        commits.map((commit) => this.#commits.apply(commit)),
      );
      if (commits.some(({ head }) => head.purged)) this.#startSweeping();
      return outcomes.every(({ status }) => status === "committed") ? undefined : outcomes;
    } catch (error) {
      if (!(error instanceof UncertainCommitError)) throw error;
      this.#report(error);
      return commits.map(() => ({ status: "unknown" }));
    }
  }

  #list(query: ListQuery, deadline: number): Promise<ListPage> {
    return whenFree(deadline, async () => {
      for (const slices = this.#reads.list(query); ;) {
        const slice = slices.next();
        if (slice.done === true) return slice.value;
        await turn();
      }
    });
  }

  async #prune(id: string, below: number): Promise<undefined> {
    const pruning = await this.#whenIdle(() => this.#slices.pruning(id, below));
    if (pruning === undefined) return;
    while (!this.#closing && (await this.#whenIdle(() => this.#slices.prune(pruning)))) await sleep(PAUSE);
  }

  #startSweeping(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#track(this.#sweep()).catch((error: unknown) => {
      this.#report(error);
      clearTimeout(this.#retry);
      if (!this.#closing) this.#retry = setTimeout(() => this.#startSweeping(), RETRY).unref();
    });
  }

  async #sweep(): Promise<void> {
    try {
      // The purge is answered first.
      await turn();
      while (!this.#closing && (await this.#whenIdle(() => this.#slices.sweep()))) await sleep(PAUSE);
    } finally {
      this.#sweeping = false;
    }
  }

  /** Behind the commits that wait. */
  async #whenIdle<T>(body: () => T): Promise<T> {
    while (this.#writing !== undefined) await this.#writing;
    return whenFree(performance.now() + PATIENCE, body);
  }

  async #close(): Promise<undefined> {
    this.#closing = true;
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    clearTimeout(this.#retry);
    try {
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      // What is in the log is as durable there.
      if (!isBusy(error)) this.#report(error);
    } finally {
      this.#database.close();
    }
  }
}

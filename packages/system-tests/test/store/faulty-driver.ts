import { DriverUnavailableError, type Commit, type CommitOutcome, type Driver } from "@fastpaca/core";

/** What happens to one call of `commit`. */
export type Fault =
  | "none"
  /** Applied, but the answer is lost. */
  | "applied"
  /** Lost on the way there. */
  | "lost"
  /** Lost on the way there, as far as anyone can tell; applied a few calls later, if it still can be. */
  | "late"
  /** The call rejects although its commits were applied. */
  | "broken"
  | "unavailable"
  /** Never returns. */
  | "hang";

/**
 * A driver whose commits meet faults. Honest in all else: what it reports as committed is, and what it calls
 * unavailable is not applied.
 */
export class FaultyDriver implements Driver {
  readonly name = "faulty";
  readonly limits: Driver["limits"];
  readonly traits: Driver["traits"];
  readonly #inner: Driver;
  readonly #next: () => Fault;
  #late: { readonly commits: readonly Commit[]; calls: number }[] = [];
  /** Calls of `commit` so far. */
  calls = 0;

  constructor(inner: Driver, shared: boolean, next: () => Fault) {
    this.#inner = inner;
    this.#next = next;
    this.limits = inner.limits;
    this.traits = { durable: inner.traits.durable, shared };
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    this.calls += 1;
    await this.#landLate();
    const unknown = commits.map((): CommitOutcome => ({ status: "unknown" }));
    switch (this.#next()) {
      case "none":
        return this.#inner.commit(commits);
      case "applied":
        await this.#inner.commit(commits);
        return unknown;
      case "lost":
        return unknown;
      case "late":
        this.#late.push({ commits, calls: 3 });
        return unknown;
      case "broken":
        await this.#inner.commit(commits);
        throw new Error("connection reset");
      case "unavailable":
        throw new DriverUnavailableError("no route to the database");
      case "hang":
        return new Promise(() => undefined);
    }
  }

  async #landLate(): Promise<void> {
    for (const late of this.#late) late.calls -= 1;
    const due = this.#late.filter(({ calls }) => calls <= 0);
    this.#late = this.#late.filter(({ calls }) => calls > 0);
    for (const { commits } of due) await this.#inner.commit(commits);
  }

  heads(...args: Parameters<Driver["heads"]>): ReturnType<Driver["heads"]> {
    return this.#inner.heads(...args);
  }
  messages(...args: Parameters<Driver["messages"]>): ReturnType<Driver["messages"]> {
    return this.#inner.messages(...args);
  }
  marks(...args: Parameters<Driver["marks"]>): ReturnType<Driver["marks"]> {
    return this.#inner.marks(...args);
  }
  keys(...args: Parameters<Driver["keys"]>): ReturnType<Driver["keys"]> {
    return this.#inner.keys(...args);
  }
  list(...args: Parameters<Driver["list"]>): ReturnType<Driver["list"]> {
    return this.#inner.list(...args);
  }
  prune(...args: Parameters<Driver["prune"]>): ReturnType<Driver["prune"]> {
    return this.#inner.prune(...args);
  }
  async close(): Promise<void> {
    // The database outlives the stores that share it.
  }
}

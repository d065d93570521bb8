import { DriverUnavailableError, type Commit, type CommitOutcome, type Driver } from "../driver.js";

/** Calls of {@link Driver.commit} at the same time: one is prepared by the database while another one is synced. */
const CALLS = 2;
/** Longest that a call holds back one that carries less, in milliseconds: far more than a call takes as a rule. */
const HOLDS = 50;
/** Longest that one call may take, in milliseconds; after that its outcome is unknown. */
const CALL_DEADLINE = 5_000;
/** Calls that were given up and have not returned. At this many, nothing more is handed to the driver. */
const MAX_ABANDONED = 8;
/** After this many milliseconds a call that was given up counts no more: it may never return. */
const ABANDONED_FOR = 60_000;
/** Bytes of commits in one call. */
const MAX_CALL_BYTES = 16 * 1024 * 1024;

interface Lane {
  waiting: Waiting[];
  running: number;
  readonly calls: number;
}

/** A commit on its way to the driver. */
export interface Submission {
  readonly commit: Commit;
  /** The size of the commit, at most. */
  readonly bytes: number;
  /** On the clock of `performance.now`: a commit that the driver was not given by then is not given any more. */
  readonly deadline: number;
}

interface Waiting {
  readonly submission: Submission;
  readonly settle: (outcome: Promise<CommitOutcome> | CommitOutcome) => void;
}

/** One call of the driver. */
interface Call {
  readonly lane: Lane;
  readonly batch: readonly Waiting[];
  /** On the clock of `performance.now`. */
  readonly started: number;
  abandoned: boolean;
}

/**
 * Folds the commits of all conversations into few calls of the driver: while some are running, everything that
 * arrives waits for the next one. A second call starts beside one that runs when it carries at least as many commits.
 * Second tries go separately, with a call of their own kept free for them, so that a contended conversation does not
 * hold up the others.
 */
export class Batcher {
  readonly #driver: Driver;
  readonly #first: Lane = { waiting: [], running: 0, calls: CALLS };
  readonly #again: Lane = { waiting: [], running: 0, calls: 1 };
  /** Calls that have not returned, also those that were given up. */
  readonly #calls = new Set<Call>();
  #abandoned = 0;
  #scheduled = false;
  /** Rings when a call holds nobody back any more. */
  #alarm: NodeJS.Timeout | undefined;
  readonly #report: (error: unknown) => void;

  /** @param report is told of failures that callers are not: all they learn is that the outcome is unknown */
  constructor(driver: Driver, report: (error: unknown) => void) {
    this.#driver = driver;
    this.#report = report;
  }

  /**
   * Hands a commit to the driver, together with what else is submitted in the same turn of the event loop.
   * @param again for a second try
   * @returns the outcome; rejects when certainly nothing was applied by this call
   */
  submit(submission: Submission, again: boolean): Promise<CommitOutcome> {
    return new Promise((settle) => {
      (again ? this.#again : this.#first).waiting.push({ submission, settle });
      this.#schedule();
    });
  }

  /** Starts what may start, without waiting for the turn's end. */
  flush(): void {
    this.#scheduled = false;
    this.#start(this.#first);
    this.#start(this.#again);
  }

  /** Gives up what takes too long: commits that wait for a call, calls that do not return. */
  expire(now: number): void {
    for (const call of this.#calls) {
      if (!call.abandoned && call.started + CALL_DEADLINE <= now) {
        call.abandoned = true;
        this.#abandoned += 1;
        this.#settle(call, []);
      } else if (call.abandoned && call.started + CALL_DEADLINE + ABANDONED_FOR <= now) {
        this.#forget(call);
      }
    }
    for (const lane of [this.#first, this.#again]) {
      const expired = lane.waiting.filter(({ submission }) => submission.deadline <= now);
      if (expired.length === 0) continue;
      lane.waiting = lane.waiting.filter(({ submission }) => submission.deadline > now);
      const error = new DriverUnavailableError("it has not answered earlier calls");
      for (const { settle } of expired) settle(Promise.reject(error));
    }
    this.flush();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  #start(lane: Lane): void {
    while (this.#mayStart(lane)) {
      lane.running += 1;
      const call = { lane, batch: this.#take(lane), started: performance.now(), abandoned: false };
      this.#calls.add(call);
      void this.#call(call);
    }
  }

  #mayStart(lane: Lane): boolean {
    const { waiting, running, calls } = lane;
    if (waiting.length === 0 || running >= calls || this.#abandoned >= MAX_ABANDONED) return false;
    // A smaller one would leave those waiting behind it who are about to come back from the one that runs.
    const now = performance.now();
    for (const call of this.#calls) {
      if (call.lane !== lane || call.abandoned || call.batch.length <= waiting.length) continue;
      const left = call.started + HOLDS - now;
      if (left <= 0) continue;
      this.#flushIn(left);
      return false;
    }
    return true;
  }

  #flushIn(milliseconds: number): void {
    if (this.#alarm !== undefined) return;
    this.#alarm = setTimeout(() => {
      this.#alarm = undefined;
      this.flush();
    }, milliseconds).unref();
  }

  #take(lane: Lane): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { submission } of lane.waiting) {
      const full = count === this.#driver.limits.maxBatch || bytes + submission.bytes > MAX_CALL_BYTES;
      if (count > 0 && full) break;
      bytes += submission.bytes;
      count += 1;
    }
    return lane.waiting.splice(0, count);
  }

  async #call(call: Call): Promise<void> {
    try {
      const outcomes = await this.#driver.commit(call.batch.map(({ submission }) => submission.commit));
      if (!call.abandoned) this.#settle(call, outcomes);
    } catch (error) {
      if (call.abandoned) this.#report(error);
      else this.#fail(call, error);
    } finally {
      this.#forget(call);
    }
  }

  /** Tells outcomes; those that are missing are unknown. */
  #settle({ lane, batch }: Call, outcomes: readonly CommitOutcome[]): void {
    for (const [index, { settle }] of batch.entries()) settle(outcomes[index] ?? { status: "unknown" });
    // Last: an answer that is no list throws above, and is settled once more.
    lane.running -= 1;
  }

  #fail(call: Call, error: unknown): void {
    if (error instanceof DriverUnavailableError) {
      call.lane.running -= 1;
      for (const { settle } of call.batch) settle(Promise.reject(error));
    } else {
      this.#report(error);
      this.#settle(call, []);
    }
  }

  #forget(call: Call): void {
    if (!this.#calls.delete(call)) return;
    if (call.abandoned) this.#abandoned -= 1;
    // In the next turn: by then those who wait for this call's outcomes have gone on, and share the next one.
    if (this.#first.waiting.length > 0 || this.#again.waiting.length > 0) this.#schedule();
  }
}

import { setTimeout as pause } from "node:timers/promises";
import { reasonOf } from "./failures.js";

export type Log = (level: "info" | "warn" | "error", message: string) => void;

/** Ids of conversations that changed, as the server tells them. */
export interface Feed {
  /** Waits a while; empty where nothing changed, undefined where the feed is over. */
  next(): Promise<readonly string[] | undefined>;
  close(): Promise<void>;
}

/** Pause before a feed that ended is opened again, in milliseconds. What happens meanwhile is not hinted at. */
const REOPEN = 500;
/** Longest that one step of a feed may take, in milliseconds. The client library has no deadline of its own for it. */
const STEP_DEADLINE = 5_000;
/** Longest that the server may take to end a feed before it is left to it, in milliseconds. */
const STOP_DEADLINE = 2_000;

/** Reads a feed until it is told to stop, and opens it again where it breaks: hints may get lost, but must not end. */
export class Watch {
  readonly #open: () => Promise<Feed>;
  readonly #onChange: (ids: readonly string[]) => void;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #feed: Feed | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(open: () => Promise<Feed>, onChange: (ids: readonly string[]) => void, log: Log) {
    this.#open = open;
    this.#onChange = onChange;
    this.#log = log;
  }

  /** Resolves when what changes from now on is hinted at. */
  async start(): Promise<void> {
    this.#feed = await this.#begin();
    this.#running = this.#run();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const stopped = Promise.all([this.#discard(), this.#running]);
    await within(STOP_DEADLINE, stopped).catch(() => undefined); // What does not end is left to the server.
  }

  async #begin(): Promise<Feed> {
    const opening = this.#open();
    try {
      return await within(STEP_DEADLINE, opening);
    } catch (error) {
      opening.then((late) => late.close()).catch(() => undefined); // Told already why there is none.
      throw error;
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        this.#feed ??= await this.#begin();
        await this.#read(this.#feed);
      } catch (error) {
        if (!signal.aborted) this.#log("warn", `MongoDB stopped telling of changes: ${reasonOf(error)}`);
      }
      await this.#discard();
      if (!signal.aborted) await pause(REOPEN, undefined, { signal }).catch(() => undefined); // Woken to stop.
    }
  }

  async #read(feed: Feed): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const ids = await within(STEP_DEADLINE, feed.next());
      if (ids === undefined) return;
      if (ids.length > 0 && !signal.aborted) this.#onChange(ids);
    }
  }

  async #discard(): Promise<void> {
    const feed = this.#feed;
    this.#feed = undefined;
    try {
      if (feed !== undefined) await within(STOP_DEADLINE, feed.close());
    } catch (error) {
      this.#log("warn", `MongoDB did not end a watch: ${reasonOf(error)}`);
    }
  }
}

/** @throws a `TimeoutError` where something takes longer than so many milliseconds */
async function within<T>(deadline: number, running: Promise<T>): Promise<T> {
  const over = new AbortController();
  try {
    return await Promise.race([
      running,
      pause(deadline, undefined, { signal: over.signal }).then(() => {
        throw new DOMException("MongoDB did not answer in time", "TimeoutError");
      }),
    ]);
  } finally {
    over.abort();
  }
}

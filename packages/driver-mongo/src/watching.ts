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
    this.#feed = await this.#open();
    this.#running = this.#run();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const late = new AbortController();
    await Promise.race([
      Promise.all([this.#discard(), this.#running]),
      pause(STOP_DEADLINE, undefined, { signal: late.signal }).catch(() => undefined), // Not needed any more.
    ]);
    late.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        this.#feed ??= await this.#open();
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
      const ids = await feed.next();
      if (ids === undefined) return;
      if (ids.length > 0 && !signal.aborted) this.#onChange(ids);
    }
  }

  async #discard(): Promise<void> {
    const feed = this.#feed;
    this.#feed = undefined;
    try {
      await feed?.close();
    } catch (error) {
      this.#log("warn", `MongoDB did not end a watch: ${reasonOf(error)}`);
    }
  }
}

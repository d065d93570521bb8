import { PrunedError } from "./cached-conversation.js";
import type { Feed } from "./feed.js";
import { gapFrame, TOMBSTONED, type Frame } from "./frame.js";
import { readEvents, readMarks, trimmedTo, type Cursor } from "./log-events.js";

/** Events read from the log at a time: so few because any of them may be as large as a request. */
const PAGE = 16;

/** Times in a row that events may turn out to be pruned while they are read. */
const MAX_PRUNED = 5;

export interface SubscriptionOptions {
  /** The conversation's present version. */
  readonly version: number;
  /** The last version that was processed; undefined: from now on. */
  readonly cursor: number | undefined;
  /** Whether `context` frames tell the state of the window. */
  readonly context: boolean;
  /** Whether messages are told. */
  readonly messages: boolean;
  /** Asks the database what became of the conversation. */
  readonly refresh: () => Promise<unknown>;
  /** Called once, when the subscription ends. */
  readonly release: () => void;
}

/**
 * A cursor on a conversation's log. Whoever holds it asks for what comes next when it can take more: nothing queues
 * here, and one who falls behind is read from the log again.
 */
export class Subscription {
  readonly #feed: Feed;
  readonly #options: SubscriptionOptions;
  #cursor: Cursor;
  /** Version of the state that was last told. */
  #told: number;
  #phase: "starting" | "open" | "ending" | "ended" = "starting";
  #wake: (() => void) | undefined;

  constructor(feed: Feed, options: SubscriptionOptions) {
    this.#feed = feed;
    this.#options = options;
    this.#cursor = { version: options.cursor ?? options.version, seq: undefined };
    this.#told = this.#cursor.version;
  }

  /**
   * The next frames, in order; waits until there is one. None at the end: behind the `tombstoned` frame, after
   * {@link finish} when everything was handed out, after {@link close}, or when the store was closed.
   * @throws FastpacaError when the log cannot be read; the next call goes on where this one began
   */
  async next(): Promise<readonly Frame[]> {
    for (let pruned = 0; ;) {
      if (this.#phase === "ended") return [];
      if (this.#feed.purged) return this.#end();
      try {
        const frames = await this.#read();
        // What was read meanwhile may be of another life, or is not asked for any more.
        if (this.#isOver()) continue;
        if (frames.length > 0) return frames;
      } catch (error) {
        if (this.#feed.purged) continue;
        pruned += 1;
        if (!(error instanceof PrunedError) || pruned > MAX_PRUNED) throw error;
        await this.#options.refresh();
        continue;
      }
      if (this.#cursor.version < this.#feed.version) continue;
      if (this.#feed.ended) return this.#end();
      if (this.#phase === "ending" && this.#feed.complete) return [];
      await this.#change();
    }
  }

  /** Ends the subscription when everything that has happened so far was handed out. */
  finish(): void {
    if (this.#phase !== "ended") this.#phase = "ending";
    this.#wake?.();
  }

  /** Idempotent. */
  close(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#wake?.();
    this.#options.release();
  }

  #isOver(): boolean {
    return this.#phase === "ended" || this.#feed.purged;
  }

  /** A tombstone is the last that is told. */
  #end(): readonly Frame[] {
    this.close();
    return [TOMBSTONED];
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#feed.waiting.add(resolve);
    });
    if (this.#wake !== undefined) this.#feed.waiting.delete(this.#wake);
    this.#wake = undefined;
  }

  async #read(): Promise<readonly Frame[]> {
    if (this.#phase === "starting") {
      this.#phase = "open";
      const { version } = this.#options;
      if (this.#cursor.version > version) return [this.#gap(version, { version, seq: undefined })];
    }
    const near = this.#feed.framesAfter(this.#cursor.version);
    const frames = near === undefined ? await this.#readLog() : this.#follow(near);
    const told = frames.filter(
      ({ type }) => type !== "config" && (this.#options.messages || type !== "message"),
    );
    const state = this.#state();
    return state === undefined ? told : [...told, state];
  }

  #follow(frames: readonly Frame[]): readonly Frame[] {
    const version = frames.at(-1)?.version ?? this.#cursor.version;
    const seq = frames.findLast((frame) => frame.seq !== undefined)?.seq ?? this.#cursor.seq;
    this.#cursor = { version, seq };
    return frames;
  }

  async #readLog(): Promise<readonly Frame[]> {
    const { cached } = this.#feed;
    const cursor = this.#cursor;
    const kept = await trimmedTo(cached, cursor);
    if (kept !== undefined) return [this.#gap(kept.version + 1, kept)];
    const events = await (this.#options.messages
      ? readEvents(cached, cursor, PAGE)
      : readMarks(cached, cursor));
    // Pruning may have overtaken the reading, and left holes in what was read.
    const left = await trimmedTo(cached, cursor);
    if (left !== undefined) return [this.#gap(left.version + 1, left)];
    this.#cursor = events.cursor;
    return events.frames;
  }

  /** @param actual the version that the stream goes on from */
  #gap(actual: number, cursor: Cursor): Frame {
    const expected = this.#cursor.version + 1;
    this.#cursor = cursor;
    this.#told = cursor.version;
    return gapFrame(expected, actual, cursor.version);
  }

  /** The state behind the events that were handed out, unless it was told already. */
  #state(): Frame | undefined {
    const { context } = this.#feed;
    const { version } = this.#cursor;
    if (!this.#options.context || context?.version !== version || this.#told >= version) return undefined;
    this.#told = version;
    return context;
  }
}

import { FastpacaError, invalidArgument } from "./errors.js";
import { LONGEST_PAUSE, pauseBefore, type Clock } from "./pacing.js";
import type { StreamConnection } from "./stream-connection.js";
import type { GapStreamEvent, StreamEvent, StreamOptions } from "./stream-events.js";
import { checkMilliseconds } from "./time-limit.js";
import type { ReplayResult } from "./types.js";

/** What a stream is made of. All of it rejects with a FastpacaError, or with the reason of an aborted signal. */
export interface StreamSource {
  /** The call, for errors. */
  readonly name: string;
  /** Whether there are `context` events. */
  readonly hasWindow: boolean;
  /** The current version. */
  version(signal: AbortSignal): Promise<number>;
  /** A connection on which the events behind `cursor` come. Closed when the signal is aborted. */
  connect(cursor: number, signal: AbortSignal): Promise<StreamConnection>;
  /** A page of messages from seq `from` on. */
  replay(from: number, signal: AbortSignal): Promise<ReplayResult>;
}

/**
 * The events of a source, over as many connections as it takes: each exactly once and in order, from the cursor to the
 * tombstone. Nothing is opened before the first event is asked for.
 */
export function streamOf(
  source: () => StreamSource,
  options: StreamOptions,
  clock: Clock,
): AsyncGenerator<StreamEvent, void, undefined> {
  const stop = new AbortController();
  const events = iterate(source, options, clock, stop);
  const finish = events.return.bind(events);
  // By itself, a generator that waits for an event would see that it should end only once that event is there.
  events.return = (value) => {
    stop.abort(FINISHED);
    return finish(value);
  };
  return events;
}

/** Connections that may bring nothing but an event that was asked for once more, before it is left out for one. */
const ASKED_AGAIN = 2;

/** Milliseconds without an event after which one that was left out is asked for again. */
const QUIET = 60_000;

/** The reason of an end that nobody has to be told about. */
const FINISHED = Symbol("finished");

async function* iterate(
  source: () => StreamSource,
  options: StreamOptions,
  clock: Clock,
  stop: AbortController,
): AsyncGenerator<StreamEvent, void, undefined> {
  const { signal } = options;
  checkOptions(options);
  signal?.throwIfAborted();
  const follow = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", follow, { once: true });
  try {
    const stream = new Stream(source(), options, clock, stop);
    for (;;) {
      const event = await stream.next();
      yield event;
      if (event.type === "tombstoned") return;
    }
  } catch (error) {
    if (error !== FINISHED) throw error;
  } finally {
    signal?.removeEventListener("abort", follow);
    stop.abort(FINISHED);
  }
}

function checkOptions({ cursor, timeoutMs, deadlineMs }: StreamOptions): void {
  if (cursor !== undefined && !(Number.isSafeInteger(cursor) && cursor >= 0)) {
    throw invalidArgument("cursor must be a version: 0 or more");
  }
  if (timeoutMs !== undefined) checkMilliseconds("timeoutMs", timeoutMs);
  if (deadlineMs !== undefined) checkMilliseconds("deadlineMs", deadlineMs);
}

/** A position in the log, and how to get further. */
class Stream {
  readonly #source: StreamSource;
  readonly #clock: Clock;
  readonly #stop: AbortController;
  readonly #signal: AbortSignal;
  readonly #includeMessages: boolean;
  readonly #deadlineMs: number;
  /** The highest version that was handed over; undefined until it is known where to begin. */
  #version: number | undefined;
  /** Version of the latest `context` event that was handed over, or below all that may be. */
  #contextVersion = -1;
  /** An event was handed over, but not the `context` event that belongs to it. */
  #isContextDue = false;
  /** Connections that brought the latest event once more, and ended before its `context` event. */
  #inVain = 0;
  /** The connection began behind the event that a `context` event is due for. */
  #isLeftOut = false;
  /** Seq of the latest message that was handed over; 0 where it is not known. */
  #seq = 0;
  #connection: StreamConnection | undefined;
  #connectedAt = 0;
  /** What comes in the place of events that the server has left out. Where it fails, it is at its end. */
  #bridge: AsyncGenerator<StreamEvent, void, undefined> | undefined;
  /** Attempts in vain since something was achieved. */
  #failures = 0;
  /** Milliseconds that attempts and pauses have taken since then. */
  #triedMs = 0;
  /** The latest failure. */
  #trouble: unknown;

  constructor(
    source: StreamSource,
    { cursor, includeMessages = true, deadlineMs = Infinity }: StreamOptions,
    clock: Clock,
    stop: AbortController,
  ) {
    this.#source = source;
    this.#clock = clock;
    this.#stop = stop;
    this.#signal = stop.signal;
    this.#includeMessages = includeMessages;
    this.#deadlineMs = deadlineMs;
    if (cursor !== undefined) this.#begin(cursor);
  }

  /** The next event, after as many reconnects as it takes. */
  async next(): Promise<StreamEvent> {
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        const event = await this.#advance();
        if (event !== undefined) return event;
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  /** One step further: an event, or undefined where the step brought none. */
  async #advance(): Promise<StreamEvent | undefined> {
    if (this.#bridge !== undefined) {
      const step = await this.#bridge.next();
      if (step.done !== true) return step.value;
      this.#bridge = undefined;
    }
    this.#connection ??= await this.#trying(() => this.#connect());
    const event = await (this.#isLeftOut ? this.#nextUnlessQuiet(this.#connection) : this.#connection.next());
    if (event === undefined) this.#disconnect();
    return event && this.#take(event);
  }

  async #connect(): Promise<StreamConnection> {
    // "From now on" needs a version, too: otherwise what happens until a second attempt succeeds would be lost.
    if (this.#version === undefined) this.#begin(await this.#source.version(this.#signal));
    const version = this.#version ?? 0;
    // To be told the context at this version, ask for the event that it belongs to once more. But where connections
    // carry no more than one event, that would always be this one.
    const again = this.#isContextDue && this.#inVain < ASKED_AGAIN;
    const cursor = again ? version - 1 : version;
    const connection = await this.#source.connect(cursor, this.#signal);
    this.#connectedAt = this.#clock.now();
    this.#isLeftOut = this.#isContextDue && !again;
    if (!again) this.#inVain = 0;
    return connection;
  }

  /** The next event, or undefined where none comes for a while: the conversation may be as it was. */
  async #nextUnlessQuiet(connection: StreamConnection): Promise<StreamEvent | undefined> {
    const heard = new AbortController();
    const quiet = this.#clock.sleep(QUIET, heard.signal);
    const next = connection.next();
    // Whichever is later fails, or brings what the next connection brings again.
    next.catch(() => undefined);
    try {
      return await Promise.race([next, quiet.then(() => undefined)]);
    } finally {
      heard.abort();
    }
  }

  /** Goes on behind `version`. */
  #begin(version: number): void {
    this.#version = version;
    this.#contextVersion = version - 1;
    this.#isContextDue = false;
    this.#seq = 0;
  }

  /** The event, unless it was handed over before. */
  #take(event: StreamEvent): StreamEvent | undefined {
    const version = this.#version ?? 0;
    switch (event.type) {
      case "tombstoned":
        this.#disconnect();
        return event;
      case "gap":
        return this.#takeGap(event, version);
      case "context":
        if (event.version < version || event.version <= this.#contextVersion) return undefined;
        this.#contextVersion = event.version;
        this.#isContextDue = false;
        break;
      case "message":
      case "compaction":
      case "reset":
        if (event.version <= version) {
          this.#inVain++;
          return undefined;
        }
        this.#isContextDue = this.#source.hasWindow;
        if (event.type === "message") this.#seq = event.seq;
    }
    this.#version = event.version;
    // A newer state comes behind it on this connection.
    this.#isLeftOut = false;
    this.#inVain = 0;
    this.#failures = 0;
    this.#triedMs = 0;
    return event;
  }

  #takeGap({ expected, actual }: GapStreamEvent, version: number): StreamEvent | undefined {
    if (actual < expected) {
      this.#begin(actual);
      return { type: "gap", expected: version + 1, actual };
    }
    // Nothing is missing where only an event was trimmed that was asked for once more.
    if (actual > version + 1) this.#bridge = this.#bridgeTo(actual);
    return undefined;
  }

  /**
   * What is still to be had of the events before `actual`, with a gap in the place of what is not. Replay knows
   * messages only, so that compactions and resets between them count as lost.
   */
  async *#bridgeTo(actual: number): AsyncGenerator<StreamEvent, void, undefined> {
    for await (const message of this.#retained()) {
      if (message.version >= actual) break;
      const { version, seq } = message;
      yield* this.#gapBefore(version);
      const event = this.#take({ type: "message", version, seq, message });
      if (event !== undefined) yield event;
    }
    yield* this.#gapBefore(actual);
  }

  *#gapBefore(actual: number): Generator<GapStreamEvent, void, undefined> {
    const expected = (this.#version ?? 0) + 1;
    if (expected >= actual) return;
    this.#begin(actual - 1);
    yield { type: "gap", expected, actual };
  }

  /** All messages from the one behind the latest on, unless nobody wants messages. */
  async *#retained(): AsyncGenerator<ReplayResult["messages"][number], void, undefined> {
    if (!this.#includeMessages) return;
    for (let from = this.#seq + 1; ;) {
      const { messages } = await this.#trying(() => this.#source.replay(from, this.#signal));
      yield* messages;
      const last = messages.at(-1);
      if (last === undefined) return;
      from = last.seq + 1;
    }
  }

  /** What an attempt or a pause resolves to. Where the deadline passes meanwhile, the whole stream is ended. */
  async #trying<T>(attempt: () => Promise<T>): Promise<T> {
    const began = this.#clock.now();
    const giveUp = () => {
      const message = `${this.#source.name}: given up after ${this.#deadlineMs} ms in vain`;
      const cause = this.#failures > 0 ? this.#trouble : undefined;
      this.#stop.abort(new FastpacaError("timeout", message, { cause }));
    };
    const leftMs = this.#deadlineMs - this.#triedMs;
    const timer = leftMs === Infinity ? undefined : setTimeout(giveUp, leftMs);
    try {
      return await attempt();
    } finally {
      clearTimeout(timer);
      this.#triedMs += Math.max(0, this.#clock.now() - began); // Clocks can be set back.
    }
  }

  /** Gets over a failure, where it may pass, by a pause that grows with each failure. */
  async #recover(error: unknown): Promise<void> {
    if (this.#connection !== undefined && this.#bridge === undefined) {
      // A quiet conversation brings no events: that the connection held for a while is as good a sign.
      if (this.#clock.now() - this.#connectedAt >= LONGEST_PAUSE) this.#failures = 0;
      // What it took to get the first connection was not in vain.
      if (this.#failures === 0) this.#triedMs = 0;
    }
    this.#disconnect();
    this.#signal.throwIfAborted();
    if (!FastpacaError.is(error) || !error.retryable) throw error;
    this.#trouble = error;
    const pause = pauseBefore(++this.#failures, error.retryAfterMs, this.#clock.random());
    if (this.#triedMs + pause >= this.#deadlineMs) throw error;
    await this.#trying(() => this.#clock.sleep(pause, this.#signal));
  }

  #disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}

import type { Message, RequestOptions } from "./types.js";

/** A message was appended. */
export interface MessageStreamEvent {
  type: "message";
  /** The conversation's version right after it. */
  version: number;
  /** Its position in the conversation. */
  seq: number;
  message: Message;
}

/**
 * How full the window is after all events up to `version`. Follows the other events of a context, but behind a burst
 * only the newest state is told. A changed configuration shows as this event alone. Conversations have none of these.
 */
export interface ContextStreamEvent {
  type: "context";
  version: number;
  /** More than the budget times the trigger is in use. */
  needs_compaction: boolean;
  used_tokens: number;
}

/** A compaction put a summary in the place of a part of the window. */
export interface CompactionStreamEvent {
  type: "compaction";
  version: number;
  /** The messages that the summary stands for. */
  range: { from_seq: number; to_seq: number };
}

/** The window was built anew from the log: what was derived from it should be thrown away. */
export interface ResetStreamEvent {
  type: "reset";
  version: number;
}

/**
 * Continuity ends here.
 *
 * - `actual` ≥ `expected`: the events from `expected` to just before `actual` are not kept any more.
 * - `actual` < `expected`: the server knows no version above `actual`: it lost data, or the conversation was erased and
 *   created again. The stream goes on behind `actual`, with versions that it may have had before.
 */
export interface GapStreamEvent {
  type: "gap";
  /** The version that would have come next. */
  expected: number;
  actual: number;
}

/** The conversation was made read-only or erased. Always the last event. */
export interface TombstonedStreamEvent {
  type: "tombstoned";
  /** Marks no position. */
  version: 0;
}

/** What a stream tells. Tell them apart by `type`; newer servers may add fields, but no types that you would see. */
export type StreamEvent =
  | MessageStreamEvent
  | ContextStreamEvent
  | CompactionStreamEvent
  | ResetStreamEvent
  | GapStreamEvent
  | TombstonedStreamEvent;

/** What is streamed, and how. A stream is open for as long as it is read; only its opening is bound by `timeoutMs`. */
export interface StreamOptions extends RequestOptions {
  /** The last version that was processed: the stream begins behind it, with 0 at the beginning. Default: from now on. */
  readonly cursor?: number | undefined;
  /** Whether there are `message` events. Default true. */
  readonly includeMessages?: boolean | undefined;
  /**
   * Default: `websocket` where the client was given one, or the runtime has one and neither headers nor a `fetch` of
   * your own are needed; otherwise Server-Sent Events over `fetch`.
   */
  readonly transport?: "websocket" | "sse" | undefined;
  /**
   * Milliseconds of trying in vain to get a connection after which the stream gives up, with the latest error; with
   * `timeout` where it is in the middle of an attempt. They begin with the stream, and anew whenever its connection is
   * lost after something came over it, or after it has held for a while. Default: it never gives up.
   */
  readonly deadlineMs?: number | undefined;
}

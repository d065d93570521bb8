import type { ModelShape } from "./model-message.js";

/** Anything that JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Labels and notes of a conversation: a JSON object of at most 8 KiB. Top-level scalars can be listed by. */
export type Metadata = Record<string, unknown>;

// The types of input are unions of the same shape without and with an index signature: the first accepts interfaces
// (TypeScript gives those no implicit index signature), the second accepts literals with more fields.

/** One part of a message that is to be stored: any JSON object with a `type`. */
export type PartInput =
  | { readonly type: string }
  | { readonly type: string; readonly [field: string]: unknown };

interface MessageFields {
  /** `user`, `assistant`, `system`, `tool`, or whatever the application uses. */
  readonly role: string;
  readonly parts: readonly PartInput[];
}

/**
 * A message that is to be stored: any JSON object with a `role` and `parts`. A `UIMessage` of ai-sdk v5 and later is
 * one. A `token_count` in it (0 to 10⁹) is used as its size for the model instead of an estimate.
 *
 * It comes back equal as JSON: unknown fields are kept, what `JSON.stringify` leaves out is lost, `-0` becomes `0`.
 * `seq`, `version` and `inserted_at` are the server's own; a message's fields of these names are not kept.
 */
export type MessageInput = MessageFields | (MessageFields & { readonly [field: string]: unknown });

/** One part of a stored message. */
export interface MessagePart {
  type: string;
  [field: string]: unknown;
}

interface StoredFields {
  parts: MessagePart[];
  /** Size for the model: as given with the append, otherwise the server's estimate. */
  token_count: number;
  [field: string]: unknown;
}

interface LoggedFields extends StoredFields {
  /** Position in the conversation: 1, 2, 3 … without holes. */
  seq: number;
  /** The conversation's version right after this message. */
  version: number;
  /** When it was stored, in ISO 8601. Shown, never ordered by. */
  inserted_at: string;
}

interface WindowFields extends StoredFields {
  /** Absent from the replacement messages of a compaction, as the next two. */
  seq?: number;
  version?: number;
  inserted_at?: string;
}

/**
 * A message of the log, with all the fields that it was appended with.
 *
 * Besides, unless it was stored with a `content` of its own, it has a computed one, so that messages can be handed to
 * `generateText` and `streamText` of ai-sdk as they are. That property is not enumerable: it is neither copied by
 * spread nor written by `JSON.stringify`. See {@link ModelShape}.
 *
 * `role` is typed as the four roles that models know. Where an application stores others, others come back.
 */
export type Message = LoggedFields & ModelShape;

/** A message of a context's window: one of the log, or a replacement message of a compaction. See {@link Message}. */
export type WindowMessage = WindowFields & ModelShape;

/** What every call accepts. */
export interface RequestOptions {
  /** Ends the call, also while it pauses between attempts; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for one attempt, the reading of its answer included. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/**
 * How a window is kept within its budget. `limit` and `retain` count messages: once more than `limit` (default 200)
 * are in the window, the oldest go until `retain` (default `limit`) are left. A `retain` well below `limit` keeps the
 * beginning of the prompt stable for a while, which is what the prompt caches of model providers want.
 *
 * - `last_n`: the latest messages.
 * - `skip_parts`: above the trigger, parts whose type starts with one of `skip_kinds` (default `tool` and `reasoning`)
 *   are left out of all but the newest message; then as `last_n`.
 * - `manual`: nothing is dropped; the application compacts.
 */
export type Policy =
  | { readonly strategy: "last_n"; readonly config?: { readonly limit?: number; readonly retain?: number } }
  | {
      readonly strategy: "skip_parts";
      readonly config?: {
        readonly skip_kinds?: readonly string[];
        readonly limit?: number;
        readonly retain?: number;
      };
    }
  | { readonly strategy: "manual"; readonly config?: Record<string, never> };

/** Configuration of a context. What is left out stays as it is, or gets its default when the context is new. */
export interface ContextOptions {
  /** Tokens that the window may hold. Default 8000. */
  readonly budget?: number | undefined;
  /** Part of the budget, above 0 and up to 1, above which compaction is asked for. Default 0.7. */
  readonly trigger?: number | undefined;
  /** Default `last_n`. */
  readonly policy?: Policy | undefined;
  /** Replaces the metadata as a whole. */
  readonly metadata?: Metadata | undefined;
}

/** Configuration of a conversation. */
export interface ConversationOptions {
  /** Replaces the metadata as a whole; what is left out stays as it is. */
  readonly metadata?: Metadata | undefined;
}

/** What the server knows about a conversation, its messages aside. */
export interface ConversationRecord {
  id: string;
  /** Position of the latest event: the number of messages and of changes to the window so far. */
  version: number;
  /** Position of the latest message; 0 where there is none. */
  last_seq: number;
  /** Messages up to here are in an archive. Always 0: there is none. */
  archived_seq: number;
  /** Read-only from now on. */
  tombstoned: boolean;
  metadata: Metadata;
  /** ISO 8601. */
  created_at: string;
  /** ISO 8601. */
  updated_at: string;
}

/** What the server knows about a context, its messages aside. */
export interface ContextRecord extends ConversationRecord {
  token_budget: number;
  trigger_ratio: number;
  policy: Policy;
}

/** How a message is appended. */
export interface AppendOptions extends RequestOptions {
  /** Append only if the conversation is at exactly this version; otherwise reject with `conflict`. */
  readonly ifVersion?: number | undefined;
  /** Size of the message for the model, 0 to 10⁹; otherwise the server estimates it. For a single message only. */
  readonly tokenCount?: number | undefined;
  /**
   * Names this append, 1 to 255 characters: a second one under the same key returns the first one's result and appends
   * nothing. Default: a random key for each call, kept across its retries.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Where an append landed. Of several messages, the numbers are those of the last. */
export interface AppendResult {
  seq: number;
  version: number;
  token_count: number;
  /** The same number as `token_count`. */
  token_estimate: number;
  /** True where the conversation already held the idempotency key: this is the result of the append that came first. */
  deduplicated?: boolean;
}

/** Which messages, counted from the newest. */
export interface TailOptions extends RequestOptions {
  /** Newest messages to leave out, 0 or more. Default 0. */
  readonly offset?: number | undefined;
  /** Messages wanted, 1 to 1000. Default 100. */
  readonly limit?: number | undefined;
}

/** A page of messages, oldest first. */
export interface TailResult {
  messages: Message[];
  /** The version that this answer shows. */
  version: number;
}

/** Which messages, by seq. */
export interface ReplayOptions extends RequestOptions {
  /** First seq wanted, 1 or more. Default 1. */
  readonly from?: number | undefined;
  /** Messages wanted, 1 to 1000. Default 100. */
  readonly limit?: number | undefined;
}

/** A page of messages, ascending by seq. */
export interface ReplayResult {
  messages: Message[];
  /** Where a stream may resume without skipping anything. */
  version: number;
  /** Seq of the oldest message that is kept; one more than the latest where none is. */
  first_seq: number;
}

/** Which view of the window. */
export interface WindowOptions extends RequestOptions {
  /** Show the window as this budget would leave it, in tokens. What is stored stays. Default: the context's budget. */
  readonly budgetTokens?: number | undefined;
  /** Answer only if the context is at exactly this version; otherwise reject with `conflict`. */
  readonly ifVersion?: number | undefined;
}

/** A stretch of the window: log messages, or what a compaction put in their place. */
export interface Segment {
  type: "summary" | "live";
  from_seq: number;
  to_seq: number;
}

/** What goes to the model. */
export interface WindowResult {
  version: number;
  /** In the order for the model. */
  messages: WindowMessage[];
  used_tokens: number;
  /** More than the budget times the trigger is in use. */
  needs_compaction: boolean;
  segments: Segment[];
}

/** What a compaction replaces. */
export interface CompactOptions extends RequestOptions {
  /** Last seq that the replacement stands for; later messages stay. Default: the newest message. */
  readonly throughSeq?: number | undefined;
  /** Compact only if the context is at exactly this version; otherwise reject with `conflict`. */
  readonly ifVersion?: number | undefined;
}

/** The version after a change to the window. */
export interface VersionResult {
  version: number;
}

/** How a conversation is deleted. */
export interface DeleteOptions extends RequestOptions {
  /** Erase everything instead of making it read-only. Default false. */
  readonly purge?: boolean | undefined;
}

/** Which conversations. */
export interface ListOptions extends RequestOptions {
  /** Conversations per page, 1 to 1000. Default: the server's. */
  readonly limit?: number | undefined;
  /** Go on behind this one: the `cursor` of the page before. */
  readonly cursor?: string | undefined;
  /** Only those whose metadata has all of these at its top level, compared exactly. */
  readonly metadata?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** A page of conversations, most recently changed first. */
export interface ListResult {
  conversations: ConversationRecord[];
  /** Where the next page starts; absent on the last one. */
  cursor?: string;
}

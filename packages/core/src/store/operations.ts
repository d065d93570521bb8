import { FastpacaError } from "../errors.js";
import type { Command, Surface } from "../semantics/commands.js";
import { checkIdentifier } from "../semantics/identifiers.js";
import { encodeJson } from "../semantics/json-text.js";
import {
  fingerprint,
  MAX_DEPTH,
  prepareMessage,
  type MessageInput,
  type PreparedMessage,
} from "../semantics/message.js";
import { prepareMetadata, type PreparedMetadata } from "../semantics/metadata.js";
import { normalizePolicy } from "../semantics/policy.js";
import type { Estimator } from "../semantics/tokens.js";
import {
  check,
  type AppendInput,
  type CompactInput,
  type ContextInput,
  type ListInput,
  type PatchMetadataInput,
  type PutContextInput,
  type PutConversationInput,
  type RemoveInput,
  type ReplayInput,
  type StreamInput,
  type TailInput,
} from "./check.js";
import { Document } from "./document.js";
import type { Feeds } from "./feeds.js";
import type { Written } from "./mailbox.js";
import type { Reader } from "./reader.js";
import {
  renderRecord,
  type ContextRecord,
  type ConversationRecord,
  type ListRecord,
  type ReplayRecord,
  type TailRecord,
  type WindowRecord,
} from "./records.js";
import type { Subscription } from "./subscription.js";
import type { Writer } from "./writer.js";

export interface OperationParts {
  readonly reader: Reader;
  readonly writer: Writer;
  readonly feeds: Feeds;
  readonly estimator: Estimator;
  /** Messages in one append or compaction. */
  readonly maxMessages: number;
}

/** Where the last message of an append is. */
export interface AppendResult {
  readonly seq: number;
  readonly version: number;
  readonly token_count: number;
  /** The same as `token_count`. */
  readonly token_estimate: number;
  /** The append's idempotency key was used before: this is what was answered then. */
  readonly deduplicated?: true;
}

export interface PutResult<Record extends ConversationRecord> {
  /** Whether the conversation, or the context's window, is new. */
  readonly created: boolean;
  readonly document: Document<Record>;
}

/** The version that a compaction or a reset made. */
export interface VersionResult {
  readonly version: number;
}

/** Bytes of UTF-8 that one UTF-16 code unit of JSON text takes at most. */
const BYTES_PER_UNIT = 3;
/** Up to so many bytes it is enough to know how many it may be at most: all drivers take more. */
const ROUGHLY = 256 * 1024;

/** The operations on a log, which contexts and conversations share. Input is checked here, and nowhere below. */
abstract class Log<Record extends ConversationRecord> {
  protected readonly parts: OperationParts;
  protected readonly surface: Surface;

  constructor(surface: Surface, parts: OperationParts) {
    this.surface = surface;
    this.parts = parts;
  }

  /** @throws FastpacaError `not_found` */
  abstract get(id: string): Promise<Document<Record>>;

  /**
   * Appends one message, or several with consecutive seqs: all or none.
   * @throws FastpacaError `not_found`, `conflict` (with the present `version`), `tombstoned`,
   * `idempotency_key_reused`, `payload_too_large`, `outcome_unknown`
   */
  async append(id: string, input: AppendInput): Promise<AppendResult> {
    const { message, messages, if_version: ifVersion, idempotency_key: name } = check.append(input);
    if ((message === undefined) === (messages === undefined)) {
      const problem =
        message === undefined ? "is required, or else messages" : "and messages exclude each other";
      throw new FastpacaError("invalid_request", `message ${problem}`, { field: "message" });
    }
    const inputs = messages ?? (message === undefined ? [] : [message]);
    const prepared = this.prepare(inputs, messages === undefined ? undefined : "messages");
    const key =
      name === undefined
        ? undefined
        : { name: checkIdentifier(name, "idempotency_key"), hash: fingerprint(prepared, inputs) };
    const { result } = await this.write(
      id,
      { type: "append", surface: this.surface, messages: prepared, ifVersion, key },
      sizeOf(prepared),
    );
    return appendResult(result);
  }

  /**
   * The newest messages but `offset` (default 0), at most `limit` (1 to 1000, default 100), ascending.
   * @throws FastpacaError `not_found`
   */
  async tail(id: string, input: TailInput = {}): Promise<Document<TailRecord>> {
    return this.parts.reader.tail(id, this.surface, check.tail(input));
  }

  /**
   * At most `limit` (1 to 1000, default 100) messages from seq `from` (default 1) on, ascending.
   * @throws FastpacaError `not_found`
   */
  async replay(id: string, input: ReplayInput = {}): Promise<Document<ReplayRecord>> {
    return this.parts.reader.replay(id, this.surface, check.replay(input));
  }

  /**
   * Subscribes to what happens: the events behind `cursor` (default: the present version), then what follows, without
   * hole or double.
   * @throws FastpacaError `not_found`
   */
  async subscribe(id: string, input: StreamInput = {}): Promise<Subscription> {
    const { cursor, include_messages = true } = check.stream(input);
    checkIdentifier(id, "id");
    return this.parts.feeds.subscribe(id, this.surface, cursor, include_messages);
  }

  /**
   * Changes metadata by a JSON merge patch (RFC 7396).
   * @throws FastpacaError `not_found`, `tombstoned`, `payload_too_large`
   */
  async patchMetadata(id: string, input: PatchMetadataInput): Promise<Document<Record>> {
    const { metadata } = check.patchMetadata(input);
    encodeJson(metadata, "metadata", MAX_DEPTH);
    return this.record(await this.write(id, { type: "patch", surface: this.surface, patch: metadata }));
  }

  /**
   * Makes the conversation read-only, for good; with `purge`, erases it. Idempotent.
   * @throws FastpacaError `not_found`
   */
  async remove(id: string, input: RemoveInput = {}): Promise<void> {
    const { purge = false } = check.remove(input);
    await this.write(id, { type: "delete", surface: this.surface, purge });
  }

  /** @param bytes that the command adds to a commit beside the head, at most */
  protected write(id: string, command: Command, bytes = 0): Promise<Written> {
    checkIdentifier(id, "id");
    return this.parts.writer.execute(id, command, bytes);
  }

  protected record({ result, revision }: Written): Document<Record> {
    return new Document(renderRecord(result.after, this.surface), revision);
  }

  /** @param list how errors call the list that the messages are in, if they are in one */
  protected prepare(inputs: readonly MessageInput[], list: string | undefined): PreparedMessage[] {
    const { maxMessages, estimator } = this.parts;
    if (inputs.length > maxMessages) {
      const field = list ?? "message";
      throw new FastpacaError("payload_too_large", `${field} must be at most ${maxMessages} messages`, {
        field,
      });
    }
    return inputs.map((input, at) =>
      prepareMessage(input, list === undefined ? "message" : `${list}[${at}]`, estimator),
    );
  }
}

/** Conversations: append-only logs of messages. */
export class Conversations extends Log<ConversationRecord> {
  constructor(parts: OperationParts) {
    super("conversation", parts);
  }

  /**
   * Creates the conversation, or changes what is given.
   * @throws FastpacaError `tombstoned`, `payload_too_large`
   */
  async put(id: string, input: PutConversationInput = {}): Promise<PutResult<ConversationRecord>> {
    const { metadata } = check.putConversation(input);
    const written = await this.write(id, { type: "put", metadata: prepared(metadata) });
    return { created: written.result.created === true, document: this.record(written) };
  }

  async get(id: string): Promise<Document<ConversationRecord>> {
    return this.parts.reader.record(id, "conversation");
  }

  /** A page of all conversations, contexts among them, most recently changed first. */
  async list(input: ListInput = {}): Promise<Document<ListRecord>> {
    return this.parts.reader.list(check.list(input));
  }
}

/** Contexts: conversations with a window. */
export class Contexts extends Log<ContextRecord> {
  constructor(parts: OperationParts) {
    super("context", parts);
  }

  /**
   * Creates the context, adds a window to a conversation, or changes what is given.
   * @throws FastpacaError `tombstoned`, `payload_too_large`
   */
  async put(id: string, input: PutContextInput = {}): Promise<PutResult<ContextRecord>> {
    const { metadata, ...config } = check.putContext(input);
    // Refused here rather than when the command is performed, so that it cannot depend on the state.
    if (config.policy !== undefined) normalizePolicy(config.policy);
    const written = await this.write(id, { type: "put", config, metadata: prepared(metadata) });
    return { created: written.result.created === true, document: this.record(written) };
  }

  async get(id: string): Promise<Document<ContextRecord>> {
    return this.parts.reader.record(id, "context");
  }

  /**
   * What goes to the model: the window, or with `budget_tokens` what of it fits that budget.
   * @throws FastpacaError `not_found`; `conflict` when the version is not `if_version`
   */
  async context(id: string, input: ContextInput = {}): Promise<Document<WindowRecord>> {
    return this.parts.reader.context(id, check.context(input));
  }

  /**
   * Replaces everything in the window up to `through_seq` (default: the newest message) by `replacement`.
   * @throws FastpacaError `not_found`, `tombstoned`, `outcome_unknown`; `conflict` when the version is not
   * `if_version`, or a newer compaction won
   */
  async compact(id: string, input: CompactInput): Promise<VersionResult> {
    const { replacement: inputs, through_seq: throughSeq, if_version: ifVersion } = check.compact(input);
    const replacement = this.prepare(inputs, "replacement");
    const { result } = await this.write(
      id,
      { type: "compact", replacement, throughSeq, ifVersion },
      sizeOf(replacement),
    );
    return { version: result.after.version };
  }

  /**
   * Rebuilds the window from the log, as if its messages had just been appended in order.
   * @throws FastpacaError `not_found`, `tombstoned`, `outcome_unknown`
   */
  async reset(id: string): Promise<VersionResult> {
    const { result } = await this.write(id, { type: "reset" });
    return { version: result.after.version };
  }
}

function prepared(metadata: { [key: string]: unknown } | undefined): PreparedMetadata | undefined {
  return metadata && prepareMetadata(metadata);
}

function sizeOf(messages: readonly PreparedMessage[]): number {
  let units = 0;
  for (const { body } of messages) units += body.length;
  if (units * BYTES_PER_UNIT <= ROUGHLY) return units * BYTES_PER_UNIT;
  let bytes = 0;
  for (const { body } of messages) bytes += Buffer.byteLength(body);
  return bytes;
}

function appendResult({ appended, deduplicated }: Written["result"]): AppendResult {
  if (appended === undefined) throw new TypeError("an append has no result");
  const { lastSeq, version, tokens } = appended;
  const result = { seq: lastSeq, version, token_count: tokens, token_estimate: tokens };
  return deduplicated === true ? { ...result, deduplicated } : result;
}

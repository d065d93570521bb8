import { FastpacaError, invalidArgument } from "./errors.js";
import { freshKey, pathOf } from "./identifiers.js";
import { withModelContent } from "./model-message.js";
import { connectorTo } from "./stream-connector.js";
import type { StreamEvent, StreamOptions } from "./stream-events.js";
import { streamOf } from "./stream.js";
import type { Call, Transport } from "./transport.js";
import type {
  AppendOptions,
  AppendResult,
  ConversationRecord,
  MessageInput,
  Metadata,
  ReplayOptions,
  ReplayResult,
  RequestOptions,
  TailOptions,
  TailResult,
} from "./types.js";

/**
 * A handle on one conversation. It holds no state but the id: what other clients do is seen with the next call.
 *
 * All methods reject with a {@link FastpacaError}, or with the reason of an aborted signal. Where nothing else is said
 * they can be repeated without harm, and are, a few times, when the server cannot be reached or sends the client away.
 */
export class Conversation {
  readonly id: string;
  readonly #transport: Transport;
  readonly #path: string;
  readonly #hasWindow: boolean;

  /** @internal */
  constructor(transport: Transport, id: string, collection: "contexts" | "conversations" = "conversations") {
    this.id = id;
    this.#transport = transport;
    this.#path = pathOf(collection, id);
    this.#hasWindow = collection === "contexts";
  }

  /**
   * Appends one message, or several: all or none, one behind the other.
   *
   * Every append carries an idempotency key, so that its retries append nothing twice. After an error of code
   * `network`, `timeout`, `unavailable` or `outcome_unknown` it may still have landed; to try again safely later, give
   * an `idempotencyKey` of your own and repeat the same content under it.
   *
   * @throws FastpacaError `conflict` when the conversation is not at `ifVersion`; `tombstoned`; `not_found`
   */
  async append(
    message: MessageInput | readonly MessageInput[],
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    const { ifVersion, tokenCount, idempotencyKey = freshKey() } = options;
    const body = { ...content(message, tokenCount), if_version: ifVersion, idempotency_key: idempotencyKey };
    const answer = await this.send("/messages", { method: "POST", body, repeatable: true, options });
    return shaped<AppendResult>(answer, "seq", "version");
  }

  /** The newest messages, in chronological order. */
  async tail(options: TailOptions = {}): Promise<TailResult> {
    const { offset, limit } = options;
    const query = { offset, limit };
    const answer = await this.send("/tail", { method: "GET", query, repeatable: true, options });
    return withMessages(answer, "version");
  }

  /** The same as {@link tail}. */
  async getTail(options: TailOptions = {}): Promise<TailResult> {
    return this.tail(options);
  }

  /** Messages from a known seq on, ascending. */
  async replay(options: ReplayOptions = {}): Promise<ReplayResult> {
    const { from, limit } = options;
    const query = { from, limit };
    const answer = await this.send("/messages", { method: "GET", query, repeatable: true, options });
    return withMessages(answer, "version");
  }

  /**
   * What happens, as it happens: `for await (const event of conversation.stream()) …`. Each event exactly once and in
   * order, however often the connection is lost meanwhile. Where events cannot be had any more, a `gap` says so. A
   * conversation that is purged and created again while there is no connection cannot be told from the old one.
   *
   * Connections are opened again with growing random pauses, from the last event on. The iteration ends after
   * `tombstoned`; it rejects when the server refuses for good (`not_found`, `unauthorized` and so on), and with the
   * signal's reason when that is aborted. Leaving the loop closes the connection.
   *
   * A reader may be as slow as it likes: what it has not taken stays on the server. Each message is for itself: in the
   * `content` of one, tool calls are not paired with their results in the next.
   *
   * Without a `cursor`, it begins when the first event is asked for.
   */
  stream(options: StreamOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    const transport = this.#transport;
    const { timeoutMs } = options;
    const path = `${this.#path}/stream`;
    // Asked once: it is the stream that tries again.
    const info = async (signal: AbortSignal) => this.#record({ signal, timeoutMs }, 0);
    const source = () => ({
      name: `GET ${path}`,
      hasWindow: this.#hasWindow,
      version: async (signal: AbortSignal) => (await info(signal)).version,
      connect: connectorTo(transport, path, options, info),
      replay: (from: number, signal: AbortSignal) => this.replay({ from, signal, timeoutMs }),
    });
    return streamOf(source, options, transport.clock);
  }

  /** Its record: version, metadata and so on. */
  async info(options: RequestOptions = {}): Promise<ConversationRecord> {
    return this.#record(options);
  }

  /** Changes metadata by a JSON merge patch: null removes a key, objects are merged, all else replaces. */
  async updateMetadata(patch: Metadata, options: RequestOptions = {}): Promise<ConversationRecord> {
    const body = { metadata: patch };
    const answer = await this.send("/metadata", { method: "PATCH", body, repeatable: true, options });
    return shaped<ConversationRecord>(answer, "id", "version");
  }

  /**
   * Makes it read-only for good. Where it is already, nothing happens.
   *
   * Retried as rarely as {@link purge}: a second run could end a conversation that was created under this id after the
   * first.
   */
  async tombstone(options: RequestOptions = {}): Promise<void> {
    await this.send("", { method: "DELETE", repeatable: false, options });
  }

  /**
   * Erases it with all its messages. The id may then be used again.
   *
   * Retried only where it is certain that nothing was applied: the connection was refused, or the server said
   * `rate_limited` or `unavailable`. Otherwise a second run could erase a conversation that was created under this id
   * after the first. So after `network`, `timeout` and `outcome_unknown`, and `unavailable` from a proxy, it may have
   * been erased. Trying again then does no harm as long as nobody has created it anew.
   */
  async purge(options: RequestOptions = {}): Promise<void> {
    const query = { purge: true };
    await this.send("", { method: "DELETE", query, repeatable: false, options });
  }

  async #record(options: RequestOptions, retries?: number): Promise<ConversationRecord> {
    return shaped<ConversationRecord>(
      await this.send("", { method: "GET", repeatable: true, retries, options }),
      "id",
      "version",
    );
  }

  /** @internal */
  protected async send(
    subpath: string,
    call: Omit<Call, "path">,
  ): Promise<Record<string, unknown> | undefined> {
    return this.#transport.request({ ...call, path: this.#path + subpath });
  }
}

/**
 * An answer as the type that the API documents for it. Checked is only that the named fields are there: enough to
 * notice that something else than Fastpaca answered.
 */
export function shaped<T extends object>(
  answer: Record<string, unknown> | undefined,
  ...fields: readonly (keyof T & string)[]
): T {
  if (answer !== undefined && hasFields<T>(answer, fields)) return answer;
  throw new FastpacaError("invalid_response", `the answer must have ${fields.join(" and ")}`);
}

function hasFields<T>(answer: object, fields: readonly (keyof T & string)[]): answer is T & object {
  return fields.every((field) => Object.hasOwn(answer, field));
}

/** The same for an answer with messages, which are made fit for models. */
export function withMessages<T extends { messages: object[] }>(
  answer: Record<string, unknown> | undefined,
  ...fields: readonly (keyof T & string)[]
): T {
  const result = shaped<T>(answer, "messages", ...fields);
  if (!Array.isArray(result.messages) || !result.messages.every(isObject)) {
    throw new FastpacaError("invalid_response", "the answer's messages must be objects");
  }
  withModelContent(result.messages);
  return result;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function content(message: MessageInput | readonly MessageInput[], tokenCount: number | undefined): object {
  if (isSeveral(message)) {
    if (tokenCount !== undefined) {
      throw invalidArgument("tokenCount is for a single message; give each of several its own token_count");
    }
    return { messages: message };
  }
  return { message: tokenCount === undefined ? message : { ...message, token_count: tokenCount } };
}

/** `Array.isArray` does not narrow readonly arrays. */
function isSeveral(message: MessageInput | readonly MessageInput[]): message is readonly MessageInput[] {
  return Array.isArray(message);
}

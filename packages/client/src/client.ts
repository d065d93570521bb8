import { Context } from "./context.js";
import { Conversation, shaped } from "./conversation.js";
import { FastpacaError, invalidArgument } from "./errors.js";
import { pathOf } from "./identifiers.js";
import type { Clock } from "./pacing.js";
import { checkMilliseconds } from "./time-limit.js";
import { Transport, type Call, type FetchFunction } from "./transport.js";
import type {
  ContextOptions,
  ConversationOptions,
  ConversationRecord,
  DeleteOptions,
  ListOptions,
  ListResult,
  RequestOptions,
} from "./types.js";
import type { BufferLimits } from "./websocket-connection.js";
import type { WebSocketConstructor } from "./websocket.js";

/** How a client reaches its server. */
export interface ClientOptions {
  /** Where the API is, such as `http://localhost:4000/v1`. A trailing slash does no harm. */
  readonly baseUrl: string;
  /** Sent as `Authorization: Bearer …`. Default: none, also where it is empty. */
  readonly apiKey?: string | undefined;
  /** Sent with every request, for a proxy in between. The headers that the API needs win over these. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What sends a request. Default: the global `fetch`. */
  readonly fetch?: FetchFunction | undefined;
  /**
   * What streams are opened with. Default: the global `WebSocket`, as long as no headers are needed, which it cannot
   * send; the one of the `ws` package can.
   */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /** Milliseconds for one attempt, the reading of its answer included. Default 15 000. */
  readonly timeoutMs?: number | undefined;
  /**
   * Milliseconds for a whole call: its attempts and the pauses between them. Default 60 000, and never less than one
   * attempt may take.
   */
  readonly deadlineMs?: number | undefined;
  /** Attempts after the first, 0 or more. Default 4. */
  readonly retries?: number | undefined;
}

/** A Fastpaca server. It holds no connection and needs no closing. All its methods fail as those of its handles do. */
export interface Client {
  /**
   * Creates the context, or changes what is given of its configuration where it exists, and returns a handle on it.
   * Adds a window to a conversation that has none.
   *
   * @throws FastpacaError `tombstoned`: read it through {@link Client.openContext} then
   */
  context(id: string, options?: ContextOptions, requestOptions?: RequestOptions): Promise<Context>;

  /**
   * Creates the conversation, or replaces its metadata where it exists and some are given, and returns a handle on it.
   *
   * @throws FastpacaError `tombstoned`: read it through {@link Client.openConversation} then
   */
  conversation(
    id: string,
    options?: ConversationOptions,
    requestOptions?: RequestOptions,
  ): Promise<Conversation>;

  /** A handle on a context that exists already, tombstoned ones included. Sends nothing. */
  openContext(id: string): Context;

  /** A handle on a conversation that exists already, tombstoned ones included. Sends nothing. */
  openConversation(id: string): Conversation;

  /**
   * Makes a conversation read-only for good. Where it is already, nothing happens. Retried as rarely as
   * {@link Conversation.purge}.
   */
  tombstoneConversation(id: string, options?: RequestOptions): Promise<void>;

  /**
   * Makes a conversation read-only, or with `purge` erases it with all its messages. Retried as rarely as
   * {@link Conversation.purge}.
   */
  deleteConversation(id: string, options?: DeleteOptions): Promise<void>;

  /**
   * Makes a context read-only, or with `purge` erases it with all its messages. Retried as rarely as
   * {@link Conversation.purge}.
   */
  deleteContext(id: string, options?: DeleteOptions): Promise<void>;

  /** One page of conversations, contexts among them, most recently changed first. */
  list(options?: ListOptions): Promise<ListResult>;

  /**
   * All conversations, page by page, most recently changed first. One that does not change meanwhile comes exactly
   * once; one that does may be missed or come again. `limit` is the size of a page.
   */
  listAll(options?: ListOptions): AsyncGenerator<ConversationRecord, void, undefined>;
}

/**
 * A client for the server at `baseUrl`.
 *
 * @throws FastpacaError `invalid_request` when an option is not of the expected form
 */
export function createClient(options: ClientOptions): Client {
  return clientOver(options);
}

/** The same, with another clock, and other limits for what a stream holds back. */
export function clientOver(options: ClientOptions, clock?: Clock, buffer?: BufferLimits): Client {
  const { timeoutMs = 15_000, deadlineMs = 60_000, retries = 4 } = options;
  checkMilliseconds("timeoutMs", timeoutMs);
  checkMilliseconds("deadlineMs", deadlineMs);
  if (!Number.isSafeInteger(retries) || retries < 0) throw invalidArgument("retries must be 0 or more");
  const baseUrl = checkBaseUrl(options.baseUrl);
  const headers = checkHeaders(options);
  const transport = new Transport(
    {
      baseUrl,
      headers,
      fetch: options.fetch,
      timeoutMs,
      deadlineMs,
      retries,
      WebSocket: options.WebSocket,
      buffer,
    },
    clock,
  );

  const put = async (path: string, body: object, options: RequestOptions | undefined) => {
    await transport.request({ method: "PUT", path, body, repeatable: true, options });
  };
  const remove = async (handle: Conversation, { purge = false, ...options }: DeleteOptions = {}) =>
    purge ? handle.purge(options) : handle.tombstone(options);
  const list = async (options: ListOptions = {}): Promise<ListResult> => {
    const query = listQuery(options);
    const answer = await transport.request({
      method: "GET",
      path: "/conversations",
      query,
      repeatable: true,
      options,
    });
    const page = shaped<ListResult>(answer, "conversations");
    if (Array.isArray(page.conversations)) return page;
    throw new FastpacaError("invalid_response", "the answer's conversations must be a list");
  };

  return {
    async context(id, { budget, trigger, policy, metadata } = {}, requestOptions) {
      const body = { token_budget: budget, trigger_ratio: trigger, policy, metadata };
      await put(pathOf("contexts", id), body, requestOptions);
      return new Context(transport, id);
    },
    async conversation(id, { metadata } = {}, requestOptions) {
      await put(pathOf("conversations", id), { metadata }, requestOptions);
      return new Conversation(transport, id);
    },
    openContext: (id) => new Context(transport, id),
    openConversation: (id) => new Conversation(transport, id),
    tombstoneConversation: async (id, options) => new Conversation(transport, id).tombstone(options),
    deleteConversation: async (id, options) => remove(new Conversation(transport, id), options),
    deleteContext: async (id, options) => remove(new Context(transport, id), options),
    list,
    async *listAll(options = {}) {
      let { cursor } = options;
      do {
        const page = await list({ ...options, cursor });
        yield* page.conversations;
        ({ cursor } = page);
      } while (cursor !== undefined);
    },
  };
}

function listQuery({ limit, cursor, metadata = {} }: ListOptions): NonNullable<Call["query"]> {
  const labels = Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]);
  try {
    encodeURIComponent(labels.flat().join());
  } catch (cause) {
    // Half a character would become another one in the URL, and find what nobody asked for.
    throw invalidArgument("metadata must be well-formed Unicode", cause);
  }
  return { limit, cursor, ...Object.fromEntries(labels) };
}

function checkBaseUrl(baseUrl: string): string {
  const expected = "baseUrl must be an absolute URL such as http://localhost:4000/v1";
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch (cause) {
    throw invalidArgument(`${expected}, not ${JSON.stringify(baseUrl)}`, cause);
  }
  // Nothing of the URL in the messages from here on: it may hold a password.
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw invalidArgument(`${expected}: it starts with ${url.protocol} instead of http: or https:`);
  }
  if (url.username !== "" || url.password !== "") {
    throw invalidArgument(`${expected}: it must not hold credentials; use apiKey or headers`);
  }
  if (url.search !== "" || url.hash !== "")
    throw invalidArgument(`${expected}: it must have no query and no fragment`);
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function checkHeaders({ apiKey, headers = {} }: ClientOptions): Record<string, string> {
  // Neither the values nor fetch's own message, which shows them, belong into a log.
  try {
    const all = new Headers(headers);
    if (apiKey !== undefined && apiKey !== "") all.set("authorization", `Bearer ${apiKey}`);
    return Object.fromEntries(all);
  } catch {
    throw invalidArgument("apiKey and headers must be of characters that an HTTP header can hold");
  }
}

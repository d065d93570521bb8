import { FastpacaError, errorFromAnswer, excerpt, invalidArgument, parseObject } from "./errors.js";
import { pauseBefore, retryAfterMs, systemClock, type Clock } from "./pacing.js";
import { checkMilliseconds, describe, withinTime, withoutAnswer } from "./time-limit.js";
import type { RequestOptions } from "./types.js";
import type { BufferLimits } from "./websocket-connection.js";
import type { WebSocketConstructor } from "./websocket.js";

/** How a client reaches its server. */
export interface TransportOptions {
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What sends a request; where absent, the global `fetch` at the time of the call. */
  readonly fetch: FetchFunction | undefined;
  /** Milliseconds for one attempt. */
  readonly timeoutMs: number;
  /** Milliseconds for a call: its attempts and the pauses between them. */
  readonly deadlineMs: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** What opens a WebSocket; where absent, the global one at the time of the call. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /** What a stream may hold back for a slow reader. */
  readonly buffer?: BufferLimits | undefined;
}

/** The part of `fetch` that is used. */
export type FetchFunction = (url: string, init: RequestInit) => Promise<Response>;

/** The media type of Server-Sent Events. */
const EVENT_STREAM = "text/event-stream";

/** One call of the API. */
export interface Call {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** Below the base URL, percent-encoded. */
  readonly path: string;
  /** What is undefined is left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Written as JSON; fields that are undefined are left out. */
  readonly body?: object;
  /**
   * Whether a second run of the call, after a first one of unknown outcome, leaves everything as one run would.
   * Where it does not, only failures that certainly changed nothing are retried.
   */
  readonly repeatable: boolean;
  /** Attempts after the first; where absent, the client's. */
  readonly retries?: number | undefined;
  readonly options?: RequestOptions | undefined;
}

/** An attempt that failed. */
interface Failure {
  readonly error: FastpacaError;
  /** The server certainly changed nothing. */
  readonly unapplied: boolean;
}

/** Sends calls: encoding, timeouts, retries, and what answers mean. */
export class Transport {
  readonly options: TransportOptions;
  readonly clock: Clock;

  constructor(options: TransportOptions, clock: Clock = systemClock) {
    this.options = options;
    this.clock = clock;
  }

  /** Where a call goes. */
  url(path: string, query: Call["query"]): string {
    return this.options.baseUrl + path + encodeQuery(query);
  }

  /**
   * The JSON object that the server answered with; undefined where it answered with no body (204).
   *
   * @throws FastpacaError, or the reason of the caller's signal once that is aborted
   */
  async request(call: Call): Promise<Record<string, unknown> | undefined> {
    const { signal, timeoutMs = this.options.timeoutMs } = call.options ?? {};
    const { retries = this.options.retries } = call;
    checkMilliseconds("timeoutMs", timeoutMs);
    const url = this.url(call.path, call.query);
    const body = call.body && encodeBody(call.body);
    const deadline = this.clock.now() + Math.max(this.options.deadlineMs, timeoutMs);
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      const limitMs = Math.max(1, Math.min(timeoutMs, deadline - this.clock.now()));
      const outcome = await this.#attempt(call, url, body, limitMs, signal);
      if (!("error" in outcome)) return outcome.answer;
      if (!isWorthRetrying(outcome, call) || attempt >= retries) throw outcome.error;
      const pause = pauseBefore(attempt + 1, outcome.error.retryAfterMs, this.clock.random());
      if (this.clock.now() + pause >= deadline) throw outcome.error;
      await this.clock.sleep(pause, signal);
    }
  }

  async #attempt(
    call: Call,
    url: string,
    body: string | undefined,
    limitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<{ answer: Record<string, unknown> | undefined } | Failure> {
    const name = `${call.method} ${call.path}`;
    let response: Response;
    let text: string;
    try {
      [response, text] = await withinTime(limitMs, signal, async (inner) => {
        const response = await this.#send(call.method, url, body, inner);
        return [response, await response.text()]; // Reading to the end is also what frees the connection.
      });
    } catch (error) {
      signal?.throwIfAborted();
      return {
        error: withoutAnswer(name, this.options.baseUrl, limitMs, error),
        unapplied: wasNeverSent(error),
      };
    }
    return readAnswer(name, response, text, this.clock.now());
  }

  /**
   * The response to a GET of Server-Sent Events, whose body goes on for as long as it likes.
   *
   * @param timeoutMs milliseconds in which it must have begun
   * @param connection aborting it ends the response, also while its body is read. Aborted where this rejects.
   * @throws FastpacaError, or the reason that `connection` was aborted with
   */
  async openEvents(
    path: string,
    query: Call["query"],
    timeoutMs: number,
    connection: AbortController,
  ): Promise<Response> {
    const name = `GET ${path}`;
    const { signal } = connection;
    try {
      return await withinTime(timeoutMs, signal, async () => {
        const response = await this.#send("GET", this.url(path, query), undefined, signal, EVENT_STREAM);
        if (signal.aborted) {
          // Too late, by a `fetch` that does not listen to the signal: nobody else would end this response.
          await response.body?.cancel();
          signal.throwIfAborted();
        }
        if (response.ok && response.headers.get("content-type")?.startsWith(EVENT_STREAM)) return response;
        const text = await response.text();
        const outcome = readAnswer(name, response, text, this.clock.now());
        if ("error" in outcome) throw outcome.error;
        const message = `${name}: ${response.status} with something else than events: ${excerpt(text)}`;
        throw new FastpacaError("invalid_response", message, { status: response.status });
      });
    } catch (error) {
      signal.throwIfAborted();
      connection.abort(); // What is left of the response.
      throw FastpacaError.is(error) ? error : withoutAnswer(name, this.options.baseUrl, timeoutMs, error);
    }
  }

  #send(
    method: string,
    url: string,
    body: string | undefined,
    signal: AbortSignal,
    accept = "application/json",
  ): Promise<Response> {
    const init: RequestInit = {
      method,
      headers: {
        ...this.options.headers,
        accept,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      // A redirect that is followed turns a POST into a GET.
      redirect: "manual",
      // Frameworks that cache `fetch` must not cache a log that grows. Some edge runtimes refuse the option instead.
      ...(typeof Request === "function" && "cache" in Request.prototype ? { cache: "no-store" } : {}),
      ...(body === undefined ? {} : { body }),
      signal,
    };
    const { fetch } = this.options;
    return fetch === undefined ? globalThis.fetch(url, init) : fetch(url, init);
  }
}

function readAnswer(
  name: string,
  response: Response,
  text: string,
  now: number,
): { answer: Record<string, unknown> | undefined } | Failure {
  const { status } = response;
  if (response.type === "opaqueredirect" || (status >= 300 && status < 400)) {
    const target = response.headers.get("location") ?? "another address";
    const message = `${name}: redirected to ${target}; set baseUrl to where the server is`;
    return { error: new FastpacaError("invalid_response", message, { status }), unapplied: true };
  }
  if (!response.ok) {
    const error = errorFromAnswer(name, status, text, retryAfterMs(response.headers.get("retry-after"), now));
    return { error, unapplied: status < 500 || isFromFastpaca(error, text) };
  }
  if (status === 204) return { answer: undefined };
  const answer = parseObject(text);
  if (answer !== undefined) return { answer };
  const message = `${name}: ${status} with something else than Fastpaca's JSON: ${excerpt(text)}`;
  return { error: new FastpacaError("invalid_response", message, { status }), unapplied: false };
}

/** Fastpaca's own `unavailable` says that nothing was applied. A proxy's 502, 503 or 504 says nothing. */
function isFromFastpaca(error: FastpacaError, text: string): boolean {
  return error.code === "unavailable" && parseObject(text)?.["error"] === "unavailable";
}

function isWorthRetrying(failure: Failure, call: Call): boolean {
  return failure.error.retryable && (call.repeatable || failure.unapplied);
}

/** Failures to connect, as Node names them. Other runtimes do not tell, and are then taken for a lost answer. */
const NOT_CONNECTED = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"];

function wasNeverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (
    typeof cause === "object" &&
    cause !== null &&
    "code" in cause &&
    typeof cause.code === "string" &&
    NOT_CONNECTED.includes(cause.code)
  );
}

function encodeQuery(query: Call["query"] = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) params.append(key, String(value));
  }
  const text = params.toString();
  return text && `?${text}`;
}

function encodeBody(body: object): string {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw invalidArgument(`cannot be written as JSON: ${describe(cause)}`, cause);
  }
}

import { FastpacaError, errorFromAnswer, excerpt, invalidArgument, parseObject } from "./errors.js";
import { pauseBefore, retryAfterMs, systemClock, type Clock } from "./pacing.js";
import type { RequestOptions } from "./types.js";

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
}

/** The part of `fetch` that is used. */
export type FetchFunction = (url: string, init: RequestInit) => Promise<Response>;

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
  /** Removes something: not finding it, after an attempt of unknown outcome, means that the attempt succeeded. */
  readonly removes?: boolean;
  readonly options?: RequestOptions | undefined;
}

/** An attempt that failed. */
interface Failure {
  readonly error: FastpacaError;
  /** The server certainly changed nothing. */
  readonly unapplied: boolean;
  /** Milliseconds that the server asked to stay away. */
  readonly retryAfterMs?: number | undefined;
}

/** Sends calls: encoding, timeouts, retries, and what answers mean. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #clock: Clock;

  constructor(options: TransportOptions, clock: Clock = systemClock) {
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * The JSON object that the server answered with; undefined where it answered with no body (204).
   *
   * @throws FastpacaError, or the reason of the caller's signal once that is aborted
   */
  async request(call: Call): Promise<Record<string, unknown> | undefined> {
    const { signal, timeoutMs = this.#options.timeoutMs } = call.options ?? {};
    checkMilliseconds("timeoutMs", timeoutMs);
    const url = this.#options.baseUrl + call.path + encodeQuery(call.query);
    const body = call.body && encodeBody(call.body);
    const deadline = this.#clock.now() + Math.max(this.#options.deadlineMs, timeoutMs);
    let uncertain = false;
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      const limitMs = Math.max(1, Math.min(timeoutMs, deadline - this.#clock.now()));
      const outcome = await this.#attempt(call, url, body, limitMs, signal);
      if (!("error" in outcome)) return outcome.answer;
      if (call.removes && uncertain && outcome.error.code === "not_found") return undefined;
      uncertain ||= !outcome.unapplied;
      if (!isWorthRetrying(outcome, call) || attempt >= this.#options.retries) throw outcome.error;
      const pause = pauseBefore(attempt + 1, outcome.retryAfterMs, this.#clock.random());
      if (this.#clock.now() + pause >= deadline) throw outcome.error;
      await this.#clock.sleep(pause, signal);
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
      if (error instanceof AttemptTimeout) {
        const message = `${name}: no complete answer within ${Math.round(limitMs)} ms`;
        return { error: new FastpacaError("timeout", message), unapplied: false };
      }
      const message = `${name}: no complete answer from ${this.#options.baseUrl}: ${describe(error)}`;
      return {
        error: new FastpacaError("network", message, { cause: error }),
        unapplied: wasNeverSent(error),
      };
    }
    return readAnswer(name, response, text, this.#clock.now());
  }

  #send(method: string, url: string, body: string | undefined, signal: AbortSignal): Promise<Response> {
    const init: RequestInit = {
      method,
      headers: {
        ...this.#options.headers,
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      // A redirect that is followed turns a POST into a GET.
      redirect: "manual",
      // Frameworks that cache `fetch` must not cache a log that grows. Some edge runtimes refuse the option instead.
      ...(typeof Request === "function" && "cache" in Request.prototype ? { cache: "no-store" } : {}),
      ...(body === undefined ? {} : { body }),
      signal,
    };
    const { fetch } = this.#options;
    return fetch === undefined ? globalThis.fetch(url, init) : fetch(url, init);
  }
}

/** @throws FastpacaError `invalid_request` unless `value` is a time that timers can measure */
export function checkMilliseconds(name: string, value: number): void {
  // Timers of more than 31 bits fire at once.
  if (!(value > 0 && value < 2 ** 31)) {
    throw invalidArgument(`${name} must be a number of milliseconds, more than 0 and less than 2³¹`);
  }
}

/** Ends an attempt whose time is up. */
class AttemptTimeout extends Error {}

/**
 * What `work` resolves to, unless the time is up or the caller's signal is aborted before; then it rejects at once,
 * even where `work` does not listen to the signal that it is given.
 */
async function withinTime<T>(
  limitMs: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason), { once: true });
  });
  const follow = () => controller.abort(outer?.reason);
  const timer = setTimeout(() => controller.abort(new AttemptTimeout()), limitMs);
  outer?.addEventListener("abort", follow, { once: true });
  try {
    return await Promise.race([work(controller.signal), interrupted]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", follow);
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
    const error = errorFromAnswer(name, status, text);
    return {
      error,
      unapplied: status < 500 || isFromFastpaca(error, text),
      retryAfterMs: retryAfterMs(response.headers.get("retry-after"), now),
    };
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

/** `fetch` says "fetch failed", and why only in the cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!(error.cause instanceof Error)) return error.message;
  const { cause } = error;
  return cause.message || ("code" in cause ? String(cause.code) : error.message);
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

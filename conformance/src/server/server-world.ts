import { randomBytes } from "node:crypto";
import { History } from "../history.js";
import { demand, show, Violation } from "../violation.js";
import { Frames } from "./frames.js";

/** A running server. */
export interface ServerUnderTest {
  /** With `/v1` or without. */
  readonly url: string;
  readonly apiKey?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body; undefined where there is none. Checks compare what they find in it. */
  readonly body: Fields;
}

/** An object of JSON that may hold anything. */
export type Fields = { readonly [name: string]: unknown };

export interface CallOptions {
  readonly lane?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, in place of JSON. */
  readonly raw?: Uint8Array<ArrayBuffer> | string;
}

/** Milliseconds that an answer may take. */
const DEADLINE = 15_000;

/** Statuses, and the codes that they go with. */
const CODES: Readonly<Record<string, number>> = {
  invalid_request: 400,
  unauthorized: 401,
  not_found: 404,
  conflict: 409,
  tombstoned: 410,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_key_reused: 422,
  rate_limited: 429,
  unavailable: 503,
  outcome_unknown: 503,
};

/**
 * A running server as checks use it: every request is recorded, has a deadline, and its answer is held to what all
 * answers have in common. Conversations have names that nobody else uses, and are erased in the end.
 */
export class ServerWorld {
  readonly history = new History();
  readonly #origin: string;
  readonly #key: string | undefined;
  readonly #prefix = `conformance-${randomBytes(6).toString("hex")}`;
  readonly #paths = new Set<string>();
  readonly #streams: Frames[] = [];
  #run = 0;

  constructor({ url, apiKey }: ServerUnderTest) {
    this.#origin = url.replace(/\/+$/, "").replace(/\/v1$/, "");
    this.#key = apiKey;
  }

  begin(): void {
    this.history.clear();
    this.#run += 1;
  }

  async end(): Promise<void> {
    await Promise.all(this.#streams.splice(0).map((stream) => stream.close()));
  }

  /** Erases what the checks made. */
  async dispose(): Promise<void> {
    await this.end();
    for (const path of this.#paths) await this.call("DELETE", `${path}?purge=true`);
  }

  /** A label that only conversations of this run carry. */
  get mark(): string {
    return `${this.#prefix}-${this.#run}`;
  }

  /** Path of a context of this run. */
  context(name = "c"): string {
    return this.#path("contexts", name);
  }

  /** Path of a conversation of this run; the same one as the context of this name. */
  conversation(name = "c"): string {
    return this.#path("conversations", name);
  }

  /** Sends a request. @throws Violation for an answer that no server may give, whatever was asked */
  async call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const { lane = "http", headers = {}, raw } = options;
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const shown = raw === undefined ? body : "(raw)";
    return this.history.record(lane, `${method} ${path}`, shown === undefined ? [] : [shown], async () => {
      const response = await this.#fetch(
        method,
        path,
        {
          ...(sent !== undefined && { "content-type": "application/json" }),
          ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }),
          ...headers,
        },
        sent,
      );
      const text = await response.text();
      const answer = { status: response.status, headers: response.headers, text, body: fieldsOf(text) };
      expectForm(answer, method);
      return answer;
    });
  }

  /** As {@link call}, for what has to succeed. */
  async ok(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const answer = await this.call(method, path, body, options);
    demand(
      answer.status < 300,
      "HTT-1",
      () => `${method} ${path} was refused: ${answer.status} ${answer.text}`,
    );
    return answer;
  }

  /** Opens a stream; closed at the end of the run. @param path with a query */
  async stream(path: string): Promise<Frames> {
    const url = `${this.#origin.replace(/^http/, "ws")}${path}`;
    this.history.note("stream", `open ${path}`);
    const frames = await Frames.open(url, this.#key, (frame) =>
      this.history.note("stream", show(frame, 200)),
    );
    this.#streams.push(frames);
    return frames;
  }

  async #fetch(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array<ArrayBuffer> | string | undefined,
  ): Promise<Response> {
    try {
      return await fetch(`${this.#origin}${path}`, {
        method,
        headers,
        redirect: "manual",
        signal: AbortSignal.timeout(DEADLINE),
        ...(body !== undefined && { body }),
      });
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
      throw new Violation("HTT-3", `${method} ${path} was not answered: ${String(reason)}`, { cause });
    }
  }

  #path(prefix: string, name: string): string {
    const path = `/v1/${prefix}/${encodeURIComponent(`${this.mark}-${name}`)}`;
    this.#paths.add(`/v1/conversations/${encodeURIComponent(`${this.mark}-${name}`)}`);
    return path;
  }
}

function fieldsOf(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What all answers have in common. */
function expectForm({ status, headers, text, body }: Answer, method: string): void {
  demand(
    status < 500 || status === 503,
    "HTT-3",
    () => `the server failed with ${status}: ${text.slice(0, 300)}`,
  );
  if (status === 204 || status === 304 || method === "HEAD") {
    demand(text === "", "HTT-1", () => `an answer ${status} has a body: ${text.slice(0, 300)}`);
    return;
  }
  const type = headers.get("content-type") ?? "";
  demand(/^application\/json\b/.test(type), "HTT-1", () => `an answer ${status} is ${type || "of no type"}`);
  demand(text !== "", "HTT-2", () => `an answer ${status} has an empty body`);
  if (status < 400) return;
  const { error, message } = body;
  demand(
    typeof error === "string" && typeof message === "string" && message !== "",
    "HTT-1",
    () => `a refusal has no code and message: ${text.slice(0, 300)}`,
  );
  demand(CODES[error] === status, "HTT-1", () => `code ${error} came with status ${status}`);
  demand(
    !/^\s*at .*:\d+:\d+|<html/im.test(text),
    "HTT-1",
    () => `a refusal shows the inside of the server: ${text.slice(0, 300)}`,
  );
}

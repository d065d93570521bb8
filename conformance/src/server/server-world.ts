import { randomBytes } from "node:crypto";
import { History } from "../history.js";
import { demand, demandEqual, Violation } from "../violation.js";
import { answerOf, expectForm, type Answer } from "./answer.js";
import type { ServerInvariantId } from "./catalogue.js";
import { openEvents } from "./event-source.js";
import { Frames, type Connection } from "./frames.js";
import { Patience } from "./patience.js";
import { askToUpgrade } from "./upgrade.js";
import { openWebSocket } from "./web-socket.js";

/** A running server. */
export interface ServerUnderTest {
  /** With `/v1` or without. */
  readonly url: string;
  readonly apiKey?: string | undefined;
}

export interface CallOptions {
  readonly lane?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, in place of JSON. */
  readonly raw?: Uint8Array<ArrayBuffer> | string;
  /** Without the API key. */
  readonly anonymous?: boolean;
  /** The answer need not be JSON. */
  readonly plain?: boolean;
}

/** Conversations that are erased at a time. */
const ERASED_AT_ONCE = 8;

/** Where the routes of a server begin. */
export function originOf({ url }: ServerUnderTest): string {
  return url.replace(/\/+$/, "").replace(/\/v1$/, "");
}

/**
 * A running server as checks use it: every request is recorded, has a deadline, and its answer is held to what all
 * answers have in common. Conversations have names that nobody else uses, and are erased in the end.
 */
export class ServerWorld {
  readonly history = new History();
  readonly #origin: string;
  readonly #key: string | undefined;
  readonly #patience: Patience;
  readonly #prefix = `conformance-${randomBytes(6).toString("hex")}`;
  readonly #paths = new Set<string>();
  readonly #streams: Frames[] = [];
  /** What was answered under which tag, for each URL. */
  readonly #tagged = new Map<string, unknown>();
  #run = 0;

  constructor(server: ServerUnderTest, patience = new Patience()) {
    this.#origin = originOf(server);
    this.#key = server.apiKey;
    this.#patience = patience;
  }

  begin(): void {
    this.history.clear();
    this.#tagged.clear();
    this.#run += 1;
  }

  async end(): Promise<void> {
    for (const stream of this.#streams.splice(0)) stream.close();
  }

  /** Erases what the checks made. */
  async dispose(): Promise<void> {
    await this.end();
    const paths = [...this.#paths];
    this.#paths.clear();
    while (paths.length > 0) {
      await Promise.all(
        paths.splice(0, ERASED_AT_ONCE).map((path) => this.call("DELETE", `${path}?purge=true`)),
      );
    }
  }

  /** A label that only conversations of this run carry. */
  get mark(): string {
    return `${this.#prefix}-${this.#run}`;
  }

  /** Id of a conversation of this run. */
  id(name: string): string {
    return `${this.mark}-${name}`;
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
    const { lane = "http", headers = {}, raw, plain = false } = options;
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const shown = raw === undefined ? body : "(raw)";
    const ask = (): Promise<Answer> =>
      this.#fetch(
        method,
        path,
        {
          ...(sent !== undefined && { "content-type": "application/json" }),
          ...(options.anonymous !== true && this.#authorization),
          ...headers,
        },
        sent,
      );
    const answer = await this.#record(lane, `${method} ${path}`, shown === undefined ? [] : [shown], ask);
    if (!plain) expectForm(answer, method);
    if (method === "GET" && answer.status === 200) this.#expectTag(path, answer);
    return answer;
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

  /** As {@link call}, for what has to be answered with a status. */
  async expect(
    status: number,
    invariant: ServerInvariantId,
    method: string,
    path: string,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<Answer> {
    const answer = await this.call(method, path, body, options);
    demand(
      answer.status === status,
      invariant,
      () =>
        `${method} ${path} is answered ${answer.status}, and should be ${status}: ${answer.text.slice(0, 300)}`,
    );
    return answer;
  }

  /** Opens a stream by WebSocket; closed at the end of the run. @param path with a query */
  async stream(path: string, lane = "stream"): Promise<Frames> {
    const url = `${this.#origin.replace(/^http/, "ws")}${path}`;
    return this.#open(lane, path, (frames) => openWebSocket(url, this.#authorization, frames));
  }

  /** Opens a stream of server-sent events; closed at the end of the run. @param path with a query */
  async events(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Frames> {
    const url = `${this.#origin}${path}`;
    return this.#open("events", path, (frames) =>
      openEvents(url, { ...this.#authorization, ...headers }, frames),
    );
  }

  /** Asks for a WebSocket that has to be refused. @returns the answer in place of the upgrade */
  async refusedStream(
    path: string,
    invariant: ServerInvariantId,
    options: Pick<CallOptions, "anonymous" | "headers"> = {},
  ): Promise<Answer> {
    const headers = { ...(options.anonymous !== true && this.#authorization), ...options.headers };
    const answer = await this.#record("stream", `open ${path}`, [], async () => {
      const asked = await this.#answered(`a request to upgrade ${path}`, (milliseconds) =>
        askToUpgrade(`${this.#origin}${path}`, headers, milliseconds),
      );
      demand(asked !== undefined, invariant, () => `a stream of ${path} is opened, and should be refused`);
      return asked;
    });
    expectForm(answer, "GET");
    return answer;
  }

  /** Notes of an answer what a reader wants to see of it. */
  async #record(
    lane: string,
    request: string,
    sent: readonly unknown[],
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    await this.history.record(lane, request, sent, async () => {
      const answer = await ask();
      resolve(answer);
      return { status: answer.status, body: answer.body };
    });
    return promise;
  }

  get #authorization(): Readonly<Record<string, string>> {
    return this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` };
  }

  async #open(lane: string, path: string, connect: (frames: Frames) => Promise<Connection>): Promise<Frames> {
    this.history.note(lane, `open ${path}`);
    const frames = new Frames(this.#patience, (text) => this.history.note(lane, text));
    this.#streams.push(frames);
    return frames.open(connect);
  }

  async #fetch(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array<ArrayBuffer> | string | undefined,
  ): Promise<Answer> {
    return this.#answered(`${method} ${path}`, async (milliseconds) => {
      const response = await fetch(`${this.#origin}${path}`, {
        method,
        headers,
        redirect: "manual",
        signal: AbortSignal.timeout(milliseconds),
        ...(body !== undefined && { body }),
      });
      return answerOf(response.status, response.headers, await response.text());
    });
  }

  /** @throws Violation when no answer comes, or not all of it */
  async #answered<T>(what: string, ask: (milliseconds: number) => Promise<T>): Promise<T> {
    try {
      return await ask(this.#patience.milliseconds);
    } catch (cause) {
      if (cause instanceof Error && cause.name === "TimeoutError") this.#patience.lose();
      const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
      throw new Violation("HTT-3", `${what} was not answered: ${String(reason)}`, { cause });
    }
  }

  /** A tag never comes back with another content. */
  #expectTag(path: string, { headers, body }: Answer): void {
    if (!/^\/v1\/(contexts|conversations)\/./.test(path)) return;
    const tag = headers.get("etag");
    demand(tag !== null && /^"\d+"$/.test(tag), "LOG-3", () => `GET ${path} has the ETag ${tag ?? "(none)"}`);
    const key = `${path} ${tag}`;
    if (this.#tagged.has(key))
      demandEqual(body, this.#tagged.get(key), "LOG-3", `GET ${path} under ETag ${tag}`);
    else this.#tagged.set(key, body);
  }

  #path(prefix: string, name: string): string {
    const id = encodeURIComponent(this.id(name));
    this.#paths.add(`/v1/conversations/${id}`);
    return `/v1/${prefix}/${id}`;
  }
}

import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { WebSocket, type RawData } from "ws";
import type { StreamFrame } from "./log-record.js";

/** How a stream ended: the code of a WebSocket, or whether an event stream ended as it should. */
export type Ending = number | "ended" | "broken";

export interface OpenOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether pings are answered, where they can be. Default: yes. */
  readonly answer?: boolean;
}

/** The answer to a stream that was refused. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;

  constructor(status: number, headers: IncomingHttpHeaders, body: string) {
    super(`refused: ${status} ${body}`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/** Longest that something may take that a test waits for, in milliseconds: after that it counts as hanging. */
const DEADLINE = 20_000;

/** A stream as a client sees it. Disposing of it breaks the connection. */
export class Stream implements Disposable {
  readonly frames: StreamFrame[] = [];
  /** Of server-sent events: the last id behind each frame. */
  readonly ids: (string | undefined)[] = [];
  readonly ended: Promise<Ending>;
  readonly #end: (ending: Ending) => void;
  readonly #destroy: () => void;
  readonly #watchers = new Set<() => void>();
  #ending: Ending | undefined;

  constructor(destroy: () => void) {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = promise;
    this.#end = resolve;
    this.#destroy = destroy;
  }

  /** Of server-sent events: where to resume. */
  get lastId(): string | undefined {
    return this.ids.at(-1);
  }

  /** @param id of a server-sent event that has one */
  take(frame: StreamFrame, id?: string): void {
    this.frames.push(frame);
    this.ids.push(id ?? this.lastId);
    for (const watcher of this.#watchers) watcher();
  }

  finish(ending: Ending): void {
    this.#ending ??= ending;
    this.#end(ending);
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves when the frames are as wanted. @throws when that cannot be any more */
  async until(wanted: (frames: readonly StreamFrame[]) => boolean, what: string): Promise<void> {
    if (wanted(this.frames)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const missed = (why: string): void => {
      const last = JSON.stringify(this.frames.at(-1))?.slice(0, 200);
      reject(new Error(`${why}: ${what}, behind ${this.frames.length} frames, the last ${last}`));
    };
    const watcher = (): void => {
      if (wanted(this.frames)) resolve();
      else if (this.#ending !== undefined) missed(`ended with ${this.#ending}`);
    };
    const timer = setTimeout(() => missed("never"), DEADLINE);
    this.#watchers.add(watcher);
    watcher();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    }
  }

  /** Resolves when there are so many messages. */
  async untilMessages(count: number): Promise<void> {
    let seen = 0;
    let messages = 0;
    await this.until((frames) => {
      for (; seen < frames.length; seen++) if (frames[seen]?.type === "message") messages += 1;
      return messages >= count;
    }, `${count} messages`);
  }

  /** Frames of these types; all but pings where none are named. */
  of(...types: string[]): StreamFrame[] {
    return this.frames.filter(({ type }) => (types.length === 0 ? type !== "ping" : types.includes(type)));
  }

  destroy(): void {
    this.#destroy();
  }

  [Symbol.dispose](): void {
    this.#destroy();
  }
}

export interface Encoding {
  readonly name: string;
  /** How a stream ends when the conversation does, and when the server does. */
  readonly endings: { readonly done: Ending; readonly goingAway: Ending };
  /** Resolves when the stream is there. @throws RefusedError when it was refused; Error when it broke before */
  open(port: number, path: string, options?: OpenOptions): Promise<Stream>;
}

export const WEB_SOCKET: Encoding = {
  name: "WebSocket",
  endings: { done: 1000, goingAway: 1001 },
  open: openWebSocket,
};

export const EVENTS: Encoding = {
  name: "server-sent events",
  endings: { done: "ended", goingAway: "ended" },
  open: openEvents,
};

export const ENCODINGS: readonly Encoding[] = [WEB_SOCKET, EVENTS];

export function openWebSocket(
  port: number,
  path: string,
  { headers = {}, answer = true }: OpenOptions = {},
): Promise<Stream> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers, perMessageDeflate: false });
  const stream = new Stream(() => socket.terminate());
  const { promise, resolve, reject } = Promise.withResolvers<Stream>();
  const timer = setTimeout(() => reject(new Error("the server hangs")), DEADLINE);
  socket.on("open", () => resolve(stream));
  socket.on("unexpected-response", (asking, response) => {
    bodyOf(response).then((body) => {
      reject(new RefusedError(response.statusCode ?? 0, response.headers, body));
      asking.destroy();
    }, reject);
  });
  socket.on("message", (data) => {
    const frame: StreamFrame = JSON.parse(textOf(data));
    if (frame.type === "ping" && answer) socket.send('{"type":"pong"}');
    stream.take(frame);
  });
  socket.on("error", reject);
  socket.on("close", (code) => {
    reject(new Error("the connection broke"));
    stream.finish(code);
  });
  return promise.finally(() => clearTimeout(timer));
}

export function openEvents(port: number, path: string, { headers = {} }: OpenOptions = {}): Promise<Stream> {
  const { promise, resolve, reject } = Promise.withResolvers<Stream>();
  const asking = request({
    port,
    path,
    host: "127.0.0.1",
    headers: { accept: "text/event-stream", ...headers },
    agent: false,
  });
  const timer = setTimeout(() => reject(new Error("the server hangs")), DEADLINE);
  asking.on("error", reject);
  asking.on("close", () => reject(new Error("the connection broke")));
  asking.on("response", (response) => {
    if (response.statusCode !== 200) {
      bodyOf(response).then((body) => {
        reject(new RefusedError(response.statusCode ?? 0, response.headers, body));
      }, reject);
      return;
    }
    const stream = new Stream(() => asking.destroy());
    readEvents(response, stream);
    resolve(stream);
  });
  asking.end();
  return promise.finally(() => clearTimeout(timer));
}

/** Messages come in one piece unless something else is asked for. */
export function textOf(data: RawData): string {
  return Buffer.isBuffer(data) ? data.toString() : "";
}

function readEvents(response: IncomingMessage, stream: Stream): void {
  let received = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    // What has no blank line behind it is no event yet.
    const events = (received + chunk).split("\n\n");
    received = events.pop() ?? "";
    for (const event of events) {
      const fields = new Map(event.split("\n").map((line): [string, string] => splitField(line)));
      const frame: StreamFrame = JSON.parse(fields.get("data") ?? "");
      if (fields.get("event") !== frame.type) throw new Error(`the event is no ${frame.type}: ${event}`);
      stream.take(frame, fields.get("id"));
    }
  });
  response.on("error", () => undefined);
  response.on("close", () => stream.finish(response.complete && received === "" ? "ended" : "broken"));
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(": ");
  return [line.slice(0, colon), line.slice(colon + 2)];
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return body;
}

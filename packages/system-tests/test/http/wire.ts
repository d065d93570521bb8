import { connect, type Socket } from "node:net";

/** An answer as it came over the wire. */
export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Longest that one answer may take, in milliseconds: after that the server counts as hanging. */
const DEADLINE = 20_000;

interface Waiting {
  readonly method: string;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** The connection ended with no byte of the answer, as it may where the server was told to stop. */
export class Disconnected extends Error {
  override readonly name = "Disconnected";
}

/**
 * A connection that sends any bytes, and holds the server to answers that are whole: a status line, a length, as many
 * bytes, and nothing behind them.
 */
export class Wire {
  readonly #port: number;
  #socket: Socket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends bytes that are one request, and returns the answer. Connects anew where the server closed. */
  exchange(bytes: string | Buffer, method: string): Promise<Reply> {
    const [reply] = this.pipeline(bytes, [method]);
    return reply ?? Promise.reject(new Error("no request"));
  }

  /** Sends bytes that are several requests. */
  pipeline(bytes: string | Buffer, methods: readonly string[]): Promise<Reply>[] {
    const replies = methods.map(
      (method) =>
        new Promise<Reply>((resolve, reject) => {
          const timer = setTimeout(() => this.#end(new Error("the server hangs")), DEADLINE);
          const settled = (): void => clearTimeout(timer);
          this.#waiting.push({
            method,
            resolve: (reply) => {
              settled();
              resolve(reply);
            },
            reject: (error) => {
              settled();
              reject(error);
            },
          });
        }),
    );
    this.#connected().write(bytes);
    return replies;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connected(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    this.#received = Buffer.alloc(0);
    const own = (): boolean => this.#socket === socket;
    socket.on("data", (chunk) => {
      if (own()) this.#read(chunk);
    });
    socket.on("error", (cause) => {
      if (own()) this.#end(cause);
    });
    socket.on("close", () => {
      if (own()) this.#end(undefined);
    });
    return socket;
  }

  #read(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    try {
      for (;;) {
        const [waiting] = this.#waiting;
        if (waiting === undefined) {
          if (this.#received.length > 0)
            throw new Error(`bytes that nobody asked for: ${this.#received.toString()}`);
          return;
        }
        const found = readReply(this.#received, waiting.method);
        if (found === undefined) return;
        this.#received = this.#received.subarray(found.length);
        if (found.reply.status < 200) continue;
        this.#waiting.shift();
        if (found.reply.headers.get("connection")?.toLowerCase() === "close" && this.#waiting.length === 0)
          this.close();
        waiting.resolve(found.reply);
        if (this.#socket === undefined) return;
      }
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #end(cause: Error | undefined): void {
    const cut = this.#received.length > 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.close();
    for (const [at, { reject }] of waiting.entries()) {
      if (at === 0 && cut) reject(new Error(`the answer was cut: ${this.#received.toString()}`, { cause }));
      else if (cause !== undefined && !("code" in cause)) reject(cause);
      else reject(new Disconnected("the connection ended", { cause }));
    }
  }
}

/**
 * Sends bytes, and returns all answers until the server ends.
 * @param ends whether the client ends first, as one does that has nothing more to say
 */
export function talk(port: number, bytes: string | Buffer, ends = true): Promise<Reply[]> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const socket = connect({ port, host: "127.0.0.1" });
    const timer = setTimeout(() => socket.destroy(new Error("the server hangs")), DEADLINE);
    socket.on("data", (chunk) => (received = Buffer.concat([received, chunk])));
    socket.on("error", reject);
    socket.on("close", () => {
      clearTimeout(timer);
      try {
        resolve(readReplies(received));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    if (ends) socket.end(bytes);
    else socket.write(bytes);
  });
}

function readReplies(bytes: Buffer): Reply[] {
  const replies: Reply[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const found = readReply(rest, "");
    if (found === undefined) throw new Error(`an answer was cut: ${rest.toString()}`);
    if (found.reply.status >= 200) replies.push(found.reply);
    rest = rest.subarray(found.length);
  }
  return replies;
}

/** The first answer in the bytes; undefined where it is not whole yet. */
function readReply(bytes: Buffer, method: string): { reply: Reply; length: number } | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [line = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not a status line: ${line}`);
  const headers = new Map(lines.map((line): [string, string] => splitHeader(line)));
  const from = end + 4;
  const bodiless = status < 200 || status === 204 || status === 304 || method === "HEAD";
  const length = bodiless ? 0 : Number(headers.get("content-length") ?? NaN);
  if (Number.isNaN(length)) throw new Error(`an answer without a length: ${line}`);
  if (bytes.length < from + length) return undefined;
  return {
    reply: { status, headers, body: bytes.toString("utf8", from, from + length) },
    length: from + length,
  };
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

/** The bytes of a request with a `Content-Length`. */
export function requestBytes(
  method: string,
  target: string,
  headers: readonly (readonly [string, string])[],
  body?: string | Buffer,
): Buffer {
  const content = body === undefined ? undefined : Buffer.from(body);
  const length = content === undefined ? "" : `Content-Length: ${content.length}\r\n`;
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  // Header values are latin1 on the wire, so that tests may send any byte.
  const head = Buffer.from(
    `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${length}${lines}\r\n`,
    "latin1",
  );
  return content === undefined ? head : Buffer.concat([head, content]);
}

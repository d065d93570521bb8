import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";

/** A client that asks for a stream. The first thing done with it decides whether it is let in. */
export interface Peer {
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  /** NaN where none was given. */
  readonly cursor: number;
  readonly kind: "websocket" | "sse";
  /** Answers with an error instead of a stream. */
  refuse(status: number, error: string, headers?: Record<string, string>): void;
  /** Lets it in, without a frame. */
  accept(): void;
  send(...frames: object[]): void;
  /** A frame of any text. */
  sendText(text: string): void;
  /** Bytes as they are on the wire. */
  write(bytes: Uint8Array): void;
  encode(frame: object): Buffer;
  /** Ends the connection without a goodbye, once all that was written is on its way. */
  cut(): void;
  /** Ends the connection in an orderly way. With SSE, there is but one. */
  end(code: number): void;
  /** Reads nothing more, not even a goodbye. */
  deafen(): void;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  /** Resolves with the next text from the client (WebSocket only). */
  heard(): Promise<string>;
}

export type PeerStep = (peer: Peer) => void;

export interface StreamServer extends AsyncDisposable {
  readonly baseUrl: string;
  readonly peers: Peer[];
  /** Other requests, as `METHOD path?query`. */
  readonly calls: string[];
  /** Resolves with the nth peer, counted from 1, as soon as it is there. */
  peer(nth: number): Promise<Peer>;
}

export interface StreamScript {
  /** What is done with the first peer and so on; the last one goes for all further ones. */
  readonly steps: [PeerStep, ...PeerStep[]];
  /** Answers everything but streams. Default: a record at version 0. */
  readonly answer?: (request: URL, response: ServerResponse) => void;
}

/** A server whose streams do what the script says, over either transport. */
export async function streamServer({ steps, answer = record(0) }: StreamScript): Promise<StreamServer> {
  const peers: Peer[] = [];
  const calls: string[] = [];
  const sockets = new Set<Duplex>();
  let waiting: (() => void)[] = [];
  const webSockets = new WebSocketServer({ noServer: true });
  const admit = (peer: Peer) => {
    peers.push(peer);
    for (const wake of waiting) wake();
    waiting = [];
    steps[Math.min(peers.length, steps.length) - 1]?.(peer);
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://server");
    if (request.headers.accept === "text/event-stream") {
      admit(eventPeer(request, response));
      return;
    }
    calls.push(`${request.method} ${url.pathname}${url.search}`);
    answer(url, response);
  });
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (request, socket, head) => admit(socketPeer(webSockets, request, socket, head)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has a port");
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    peers,
    calls,
    async peer(nth) {
      for (;;) {
        const peer = peers[nth - 1];
        if (peer !== undefined) return peer;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers every request with a conversation's record. */
export function record(version: number): (request: URL, response: ServerResponse) => void {
  return (_, response) => answerJson(response, 200, { id: "c", version, metadata: {} });
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function facts(request: IncomingMessage) {
  const url = new URL(request.url ?? "", "http://server");
  const cursor = url.searchParams.get("cursor");
  return { url, headers: request.headers, cursor: cursor === null ? NaN : Number(cursor) };
}

function eventPeer(request: IncomingMessage, response: ServerResponse): Peer {
  const encode = (frame: object) => {
    const { type, version } = frame as { type: string; version?: number };
    const id = version === undefined ? "" : `id: ${version}\n`;
    return Buffer.from(`${id}event: ${type}\ndata: ${JSON.stringify(frame)}\n\n`);
  };
  const accept = () => {
    if (response.headersSent) return;
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    response.flushHeaders();
  };
  const write = (bytes: Uint8Array) => {
    accept();
    response.write(bytes);
  };
  return {
    ...facts(request),
    kind: "sse",
    refuse(status, error, headers = {}) {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify({ error, message: `because of ${error}` }));
    },
    accept,
    send: (...frames) => write(Buffer.concat(frames.map(encode))),
    sendText: (text) => write(Buffer.from(`data: ${text}\n\n`)),
    write,
    encode,
    cut() {
      accept();
      response.write("", () => response.destroy());
    },
    end() {
      accept();
      response.end();
    },
    deafen() {
      accept();
      request.socket.pause();
    },
    closed: new Promise((resolve) => response.on("close", resolve)),
    heard: () => Promise.reject(new Error("nothing is sent to a server of events")),
  };
}

function socketPeer(server: WebSocketServer, request: IncomingMessage, socket: Duplex, head: Buffer): Peer {
  const texts: string[] = [];
  const listeners: ((text: string) => void)[] = [];
  let open: WebSocket | undefined;
  socket.on("error", () => {
    // Written to a client that is gone.
  });
  // Nobody else reads it before it is accepted, and without reading its end is not seen.
  socket.on("end", () => socket.end());
  socket.resume();
  const accept = () => {
    if (open !== undefined) return;
    server.handleUpgrade(request, socket, head, (webSocket) => {
      open = webSocket;
      webSocket.on("error", () => {
        // As above.
      });
      webSocket.on("message", (bytes: Buffer) => {
        const listener = listeners.shift();
        if (listener === undefined) texts.push(bytes.toString());
        else listener(bytes.toString());
      });
    });
  };
  const write = (bytes: Uint8Array) => {
    accept();
    socket.write(bytes);
  };
  const encode = (frame: object) => encodeText(JSON.stringify(frame));
  return {
    ...facts(request),
    kind: "websocket",
    refuse(status, error, headers = {}) {
      const body = JSON.stringify({ error, message: `because of ${error}` });
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: application/json\r\n${lines.join("")}` +
          `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    },
    accept,
    send: (...frames) => write(Buffer.concat(frames.map(encode))),
    sendText: (text) => write(encodeText(text)),
    write,
    encode,
    cut() {
      accept();
      socket.write("", () => socket.destroy());
    },
    end(code) {
      accept();
      open?.close(code);
    },
    deafen() {
      accept();
      open?.pause();
    },
    closed: new Promise((resolve) => socket.on("close", () => resolve())),
    heard: async () => texts.shift() ?? new Promise<string>((resolve) => listeners.push(resolve)),
  };
}

/** A text frame as a server sends it (RFC 6455, 5.2): whole, and not masked. */
function encodeText(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([0x81, length]), payload]);
  const header = length < 2 ** 16 ? Buffer.alloc(4) : Buffer.alloc(10);
  header[0] = 0x81;
  header[1] = header.length === 4 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  else header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

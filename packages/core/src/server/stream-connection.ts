import type { ServerResponse } from "node:http";
import type { WebSocket } from "ws";
import type { Frame } from "../store/frame.js";
import type { Subscription } from "../store/subscription.js";

/** Bytes that may wait in a connection before it is given no more. */
const HIGH_WATER = 256 * 1024;

/** Why a stream ends. The names of the codes are those of the WebSocket protocol; 4408 is the product's own. */
export const CLOSE = { done: 1000, goingAway: 1001, policy: 1008, failed: 1011, silent: 4408 } as const;
export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];

/** One client's end of a stream, whatever the encoding. */
export interface StreamConnection {
  /** On the clock of `performance.now`: when the client was last heard of; Infinity where it never speaks. */
  readonly heardAt: number;
  /** Sends frames; resolves when the connection can take more. Bounded by {@link HIGH_WATER} and these frames. */
  send(frames: readonly Frame[]): Promise<void>;
  /** Sends what keeps the connection open, unless it takes nothing anyway. */
  ping(frame: Frame): void;
  close(code: CloseCode, reason: string): void;
  /** Ends the connection without a word. */
  terminate(): void;
  /** Called once, when the connection is gone, whoever ended it; at once where it is gone already. */
  onClose(closed: () => void): void;
}

export class WebSocketConnection implements StreamConnection {
  readonly #socket: WebSocket;
  heardAt = performance.now();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    const heard = (): void => {
      this.heardAt = performance.now();
    };
    socket.on("ping", heard);
    socket.on("pong", heard);
    socket.on("message", (data, isBinary) => {
      heard();
      if (isBinary || !Buffer.isBuffer(data) || !isPong(data.toString()))
        this.close(CLOSE.policy, 'only {"type":"pong"} is understood');
    });
    // What is wrong with a connection ends it: the socket is closed by the library, with the code that says why.
    socket.on("error", () => undefined);
  }

  send(frames: readonly Frame[]): Promise<void> {
    const socket = this.#socket;
    const last = frames.length - 1;
    for (const [index, frame] of frames.entries()) {
      if (index < last) socket.send(frame.bytes, TEXT);
      else if (socket.bufferedAmount < HIGH_WATER) socket.send(frame.bytes, TEXT);
      else return new Promise((resolve) => socket.send(frame.bytes, TEXT, () => resolve()));
    }
    return Promise.resolve();
  }

  ping(frame: Frame): void {
    if (this.#socket.bufferedAmount < HIGH_WATER) this.#socket.send(frame.bytes, TEXT);
  }

  close(code: CloseCode, reason: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  onClose(closed: () => void): void {
    if (this.#socket.readyState === this.#socket.CLOSED) closed();
    else this.#socket.once("close", closed);
  }
}

const TEXT = { binary: false };

function isPong(text: string): boolean {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === "object" && message !== null && "type" in message && message.type === "pong";
  } catch {
    return false;
  }
}

/** Server-sent events. */
export class EventConnection implements StreamConnection {
  readonly #response: ServerResponse;
  /** An HTTP client does not answer: that it is gone shows when it takes no more, from then on. */
  heardAt = Infinity;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    response.flushHeaders();
    response.on("error", () => undefined);
    // Who ends its side has left: it could only be noticed by writing otherwise.
    const { socket } = response.req;
    if (socket.readableEnded) response.destroy();
    else {
      const left = (): void => void response.destroy();
      socket.once("end", left);
      // The connection may serve other requests behind this one.
      response.once("close", () => socket.off("end", left));
    }
  }

  send(frames: readonly Frame[]): Promise<void> {
    const response = this.#response;
    let room = true;
    for (const frame of frames) room = response.write(frame.eventBytes);
    if (room || response.destroyed) return Promise.resolve();
    this.heardAt = performance.now();
    return new Promise((resolve) => {
      const go = (): void => {
        this.heardAt = Infinity;
        response.off("drain", go);
        response.off("close", go);
        resolve();
      };
      response.on("drain", go);
      response.on("close", go);
    });
  }

  ping(frame: Frame): void {
    if (!this.#response.writableNeedDrain) this.#response.write(frame.eventBytes);
  }

  close(): void {
    if (this.#response.writableNeedDrain) this.#response.destroy();
    else this.#response.end();
  }

  terminate(): void {
    this.#response.destroy();
  }

  onClose(closed: () => void): void {
    if (this.#response.closed || this.#response.destroyed) closed();
    else this.#response.once("close", closed);
  }
}

/** Hands a subscription's frames to a connection, until one of them ends. */
export async function pump(subscription: Subscription, connection: StreamConnection): Promise<CloseCode> {
  for (;;) {
    const frames = await subscription.next();
    if (frames.length === 0) return CLOSE.goingAway;
    await connection.send(frames);
    if (frames.at(-1)?.type === "tombstoned") return CLOSE.done;
  }
}

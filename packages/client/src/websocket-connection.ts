import { FastpacaError, invalidArgument } from "./errors.js";
import { watchSilence, type ConnectionOptions, type StreamConnection } from "./stream-connection.js";
import type { StreamEvent } from "./stream-events.js";
import { notAFrame, readFrame } from "./stream-frame.js";
import { describe, withinTime, withoutAnswer } from "./time-limit.js";
import type { WebSocketConstructor, WebSocketEvent, WebSocketLike } from "./websocket.js";

/** Where a WebSocket leads, and how it is opened. */
export interface WebSocketTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly WebSocket: WebSocketConstructor;
  readonly buffer?: BufferLimits | undefined;
}

/**
 * What is held back for a reader that is slower than the server. A WebSocket cannot be told to pause; so beyond this
 * it is closed, and what follows is read again from the server's log later.
 */
export interface BufferLimits {
  readonly events: number;
  /** UTF-16 code units of the events' text. Two events are accepted however long they are. */
  readonly length: number;
}

const BUFFER: BufferLimits = { events: 1000, length: 4 * 1024 * 1024 };

/**
 * Events accepted whatever their length. One could be an event that the stream knows already, sent again after a
 * reconnect: the second one is what makes sure that each connection brings the stream further.
 */
const ALWAYS_ACCEPTED = 2;

/** Milliseconds that a peer has to answer a goodbye. */
const LONGEST_GOODBYE = 1000;

/** Close codes that mean that this side is at fault, so that trying again would end the same way. */
const FINAL_CODES: readonly (number | undefined)[] = [1002, 1003, 1007, 1008, 1009];

/**
 * Opens a WebSocket.
 *
 * @param signal ends the connection at any time
 * @throws FastpacaError when it cannot be opened. Why the server refused remains unknown: browsers do not tell.
 */
export async function openWebSocket(
  target: WebSocketTarget,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<StreamConnection> {
  const { name, timeoutMs } = options;
  signal.throwIfAborted();
  const connection = new WebSocketConnection(target, options, signal);
  try {
    await withinTime(timeoutMs, signal, () => connection.opened);
    return connection;
  } catch (error) {
    connection.close();
    signal.throwIfAborted();
    throw FastpacaError.is(error) ? error : withoutAnswer(name, new URL(target.url).origin, timeoutMs, error);
  }
}

class WebSocketConnection implements StreamConnection {
  /** Resolves when the WebSocket is open, rejects when it ends before. */
  readonly opened: Promise<void>;
  readonly #name: string;
  readonly #limits: BufferLimits;
  readonly #socket: WebSocketLike;
  /** Aborted when the connection ends. */
  readonly #life = new AbortController();
  /** Ends the WebSocket if its peer does not answer the goodbye. */
  #impatience: ReturnType<typeof setTimeout> | undefined;
  readonly #waiting: { event: StreamEvent; length: number }[] = [];
  #waitingLength = 0;
  #heardAt: number;
  #isOpen = false;
  /** The WebSocket itself is closed. */
  #isGone = false;
  /** Set at the end: with an error where the connection is lost, without where this side ended it. */
  #end: { readonly error?: unknown } | undefined;
  /** Why the connection broke, as the runtime says: `close` comes next. */
  #trouble = "";
  /** Wakes who waits in {@link next}. */
  #wake = () => {};

  constructor(target: WebSocketTarget, { name, clock }: ConnectionOptions, signal: AbortSignal) {
    this.#name = name;
    this.#limits = target.buffer ?? BUFFER;
    this.#heardAt = clock.now();
    const { url, headers, WebSocket } = target;
    try {
      this.#socket =
        Object.keys(headers).length === 0
          ? new WebSocket(url)
          : new WebSocket(url, [], { headers: { ...headers } });
    } catch (cause) {
      throw invalidArgument(`${name}: the WebSocket cannot be created: ${describe(cause)}`, cause);
    }
    // The listeners stay until the socket is gone: the `ws` package throws errors that nobody listens to.
    const socket = this.#socket;
    this.opened = new Promise((resolve, reject) => {
      socket.addEventListener("open", () => {
        this.#isOpen = true;
        this.#heardAt = clock.now();
        resolve();
      });
      this.#life.signal.addEventListener(
        "abort",
        () => reject(this.#end?.error ?? new Error("closed by this side")),
        { once: true },
      );
    });
    socket.addEventListener("message", ({ data }) => {
      this.#heardAt = clock.now();
      this.#receive(data);
    });
    socket.addEventListener("error", ({ message }) => {
      this.#trouble = message ?? "";
      // Not all runtimes close what was never open.
      if (!this.#isOpen) this.#finish({ error: this.#lost("the WebSocket could not be opened") });
    });
    socket.addEventListener("close", (event) => {
      this.#isGone = true;
      clearTimeout(this.#impatience);
      this.#finish({ error: this.#closed(event) });
    });

    const close = () => this.close();
    signal.addEventListener("abort", close, { once: true });
    this.#life.signal.addEventListener("abort", () => signal.removeEventListener("abort", close), {
      once: true,
    });
    watchSilence(
      clock,
      () => this.#heardAt,
      this.#life.signal,
      () => {
        this.#finish({ error: new FastpacaError("timeout", `${name}: the server has fallen silent`) });
        if (socket.terminate === undefined) socket.close();
        else socket.terminate(); // A peer that is gone answers no goodbye.
      },
    );
  }

  async next(): Promise<StreamEvent | undefined> {
    for (;;) {
      const first = this.#waiting.shift();
      if (first !== undefined) {
        this.#waitingLength -= first.length;
        return first.event;
      }
      if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#finish({});
    this.#waiting.length = 0;
    this.#leave();
  }

  /** Says goodbye, and ends the connection all the same where that is not answered and the WebSocket can do it. */
  #leave(): void {
    const socket = this.#socket;
    socket.close(1000);
    if (socket.terminate !== undefined && !this.#isGone)
      this.#impatience ??= setTimeout(() => socket.terminate?.(), LONGEST_GOODBYE);
  }

  #receive(data: unknown): void {
    if (this.#end !== undefined) return;
    try {
      if (typeof data !== "string") throw notAFrame(this.#name, "a binary message");
      const frame = readFrame(this.#name, data);
      if (frame?.type === "ping") this.#socket.send('{"type":"pong"}');
      else if (frame !== undefined) this.#keep(frame, data.length);
    } catch (error) {
      this.#finish({ error });
      this.#leave();
    }
  }

  #keep(event: StreamEvent, length: number): void {
    const { events } = this.#limits;
    const isTooMuch = this.#waiting.length >= events || this.#waitingLength + length > this.#limits.length;
    if (isTooMuch && this.#waiting.length >= ALWAYS_ACCEPTED) {
      this.#finish({});
      this.#leave();
      return;
    }
    this.#waiting.push({ event, length });
    this.#waitingLength += length;
    this.#wake();
  }

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#life.abort();
    this.#wake();
  }

  #closed({ code, reason = "" }: WebSocketEvent): FastpacaError {
    if (!this.#isOpen) return this.#lost("the WebSocket could not be opened");
    const how = `the WebSocket was closed with ${code ?? "no code"}${reason && ` (${reason})`}`;
    if (!FINAL_CODES.includes(code)) return this.#lost(how);
    return new FastpacaError("invalid_response", `${this.#name}: ${how}`);
  }

  #lost(how: string): FastpacaError {
    const why = this.#trouble && `: ${this.#trouble}`;
    return new FastpacaError("network", `${this.#name}: ${how}${why}`);
  }
}

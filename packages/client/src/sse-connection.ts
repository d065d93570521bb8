import { FastpacaError } from "./errors.js";
import { SseParser } from "./sse-parser.js";
import { watchSilence, type ConnectionOptions, type StreamConnection } from "./stream-connection.js";
import type { StreamEvent } from "./stream-events.js";
import { notAFrame, readFrame } from "./stream-frame.js";
import { describe } from "./time-limit.js";
import type { Call, Transport } from "./transport.js";

/**
 * Opens a response of Server-Sent Events. It is read only as fast as its events are taken.
 *
 * @param signal ends the connection at any time
 * @throws FastpacaError when the server cannot be reached, or refuses
 */
export async function openEventSource(
  transport: Transport,
  path: string,
  query: Call["query"],
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<StreamConnection> {
  signal.throwIfAborted();
  const life = new AbortController();
  const follow = () => life.abort(signal.reason);
  signal.addEventListener("abort", follow, { once: true });
  life.signal.addEventListener("abort", () => signal.removeEventListener("abort", follow), { once: true });
  const { body } = await transport.openEvents(path, query, options.timeoutMs, life);
  if (body !== null) return new SseConnection(body.getReader(), options, life);
  life.abort();
  throw new FastpacaError("invalid_response", `${options.name}: an answer without a body`);
}

class SseConnection implements StreamConnection {
  readonly #name: string;
  readonly #now: () => number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #life: AbortController;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #parser = new SseParser();
  /** What a piece of the response has held that is not taken yet. */
  #waiting: readonly string[] = [];
  #taken = 0;
  /** Since when a piece of the response is waited for; undefined where none is wanted. */
  #readingSince: number | undefined;
  #isSilent = false;

  constructor(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    { name, clock }: ConnectionOptions,
    life: AbortController,
  ) {
    this.#name = name;
    this.#now = () => clock.now();
    this.#reader = reader;
    this.#life = life;
    if (life.signal.aborted) this.#release();
    else life.signal.addEventListener("abort", () => this.#release(), { once: true });
    const heardAt = () => this.#readingSince ?? clock.now();
    watchSilence(clock, heardAt, life.signal, () => {
      this.#isSilent = true;
      this.close();
    });
  }

  async next(): Promise<StreamEvent | undefined> {
    for (;;) {
      const text = this.#waiting[this.#taken++];
      if (text === undefined) {
        this.#waiting = this.#parser.push(await this.#read());
        this.#taken = 0;
        continue;
      }
      const frame = readFrame(this.#name, text);
      if (frame !== undefined && frame.type !== "ping") return frame;
    }
  }

  close(): void {
    this.#life.abort();
  }

  async #read(): Promise<string> {
    this.#readingSince = this.#now();
    let chunk: Uint8Array | undefined;
    try {
      ({ value: chunk } = await this.#reader.read());
    } catch (cause) {
      throw this.#lost(`the response broke off: ${describe(cause)}`, cause);
    } finally {
      this.#readingSince = undefined;
    }
    if (chunk === undefined) throw this.#lost("the response has ended");
    try {
      return this.#decoder.decode(chunk, { stream: true });
    } catch {
      throw notAFrame(this.#name, "bytes that are not UTF-8");
    }
  }

  #lost(how: string, cause?: unknown): FastpacaError {
    if (this.#isSilent) return new FastpacaError("timeout", `${this.#name}: the server has fallen silent`);
    return new FastpacaError("network", `${this.#name}: ${how}`, { cause });
  }

  /** Ends the body, also where `fetch` does not listen to the signal. */
  #release(): void {
    this.#reader.cancel().catch(() => {
      // It has broken off before: just as well.
    });
  }
}

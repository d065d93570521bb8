import type { ServerInvariantId } from "./catalogue.js";
import { isFields } from "./answer.js";
import type { Patience } from "./patience.js";
import { show, Violation } from "../violation.js";

/** One frame of a stream: JSON with a type. */
export interface StreamFrame {
  readonly type: string;
  readonly version?: unknown;
  readonly seq?: unknown;
  readonly [field: string]: unknown;
}

/** What a stream comes over. */
export interface Connection {
  readonly send: (text: string) => void;
  readonly close: () => void;
}

/** The frames of one stream, in the order in which they came, held to what all frames have in common. */
export class Frames {
  readonly #patience: Patience;
  readonly #heard: (text: string) => void;
  readonly #waiting: StreamFrame[] = [];
  #connection: Connection | undefined;
  #wake: () => void = () => undefined;
  #version = 0;
  #broken: Violation | undefined;
  #ended: { readonly code: number | undefined } | undefined;

  /** @param heard is told of everything that comes */
  constructor(patience: Patience, heard: (text: string) => void) {
    this.#patience = patience;
    this.#heard = heard;
  }

  /** Resolves when the stream is open. @throws Violation */
  async open(connect: (frames: Frames) => Promise<Connection>): Promise<this> {
    this.#connection = await connect(this);
    return this;
  }

  /** Waits for something of the stream. @throws Violation when it does not come in time */
  async within<T>(problem: string, awaited: Promise<T>, invariant: ServerInvariantId = "STR-1"): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const { milliseconds } = this.#patience;
    const timer = setTimeout(() => {
      this.#patience.lose();
      reject(new Violation(invariant, `${problem} within ${milliseconds / 1000} s; ${this.#state}`));
    }, milliseconds);
    try {
      return await Promise.race([awaited, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes what came. */
  take(text: string): void {
    try {
      const frame = this.#read(text);
      if (frame.type === "ping") {
        this.#connection?.send('{"type":"pong"}');
        return;
      }
      this.#heard(text.slice(0, 300));
      this.#waiting.push(frame);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.break(error);
    }
    this.#wake();
  }

  /** What comes is wrong: whoever asks for a frame is told. */
  break(violation: Violation): void {
    this.#broken ??= violation;
    this.#wake();
  }

  /** @param code that it was closed with; undefined where there are none */
  end(code: number | undefined): void {
    this.#heard(`ended${code === undefined ? "" : ` with ${code}`}`);
    this.#ended ??= { code };
    this.#wake();
  }

  /** Says something to the server. */
  say(text: string): void {
    this.#connection?.send(text);
  }

  /** The next frame. @param due what is broken when none comes. @throws Violation */
  async next(due: ServerInvariantId = "STR-1"): Promise<StreamFrame> {
    await this.#until("no frame came that was due", () => this.#waiting.length > 0, due);
    const frame = this.#waiting.shift();
    if (frame !== undefined) return frame;
    throw this.#broken ?? new Violation(due, `${this.#state}, and a frame was due`);
  }

  /** Frames up to and with the first that `last` accepts. */
  async through(last: (frame: StreamFrame) => boolean): Promise<StreamFrame[]> {
    const frames: StreamFrame[] = [];
    for (;;) {
      const frame = await this.next();
      frames.push(frame);
      if (last(frame)) return frames;
    }
  }

  /** The code that the server closes with. @throws Violation when it does not, or says something before */
  async closed(invariant: ServerInvariantId): Promise<number | undefined> {
    await this.#until("the stream was not closed", () => this.#waiting.length > 0, invariant);
    const [frame] = this.#waiting;
    if (this.#broken !== undefined) throw this.#broken;
    if (frame !== undefined) throw new Violation(invariant, `${show(frame, 200)} came behind the last frame`);
    return this.#ended?.code;
  }

  close(): void {
    this.#connection?.close();
  }

  get #state(): string {
    if (this.#ended === undefined) return "the stream is open";
    const { code } = this.#ended;
    return code === undefined ? "the stream ended" : `the stream was closed with ${code}`;
  }

  async #until(problem: string, holds: () => boolean, invariant: ServerInvariantId): Promise<void> {
    const done = (): boolean => holds() || this.#ended !== undefined || this.#broken !== undefined;
    if (done()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = () => {
      if (done()) resolve();
    };
    await this.within(problem, promise, invariant);
  }

  #read(text: string): StreamFrame {
    const frame = parsed(text);
    if (!isFrame(frame)) throw new Violation("STR-1", `${text.slice(0, 200)} is no frame`);
    const { type, version } = frame;
    if (type === "gap") this.#version = 0;
    if (!["message", "context", "compaction", "reset"].includes(type)) return frame;
    if (typeof version !== "number" || !Number.isSafeInteger(version)) {
      throw new Violation("STR-1", `${text.slice(0, 200)} has no version`);
    }
    // A context frame has the version of the event that it follows; all others have one of their own.
    if (version < this.#version || (version === this.#version && type !== "context")) {
      throw new Violation(
        "STR-1",
        `a ${type} frame of version ${version} came behind one of ${this.#version}`,
      );
    }
    this.#version = version;
    return frame;
  }
}

function isFrame(value: unknown): value is StreamFrame {
  return isFields(value) && typeof value["type"] === "string";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

import { Violation } from "../violation.js";

/** One frame of a stream: JSON with a type. */
export interface StreamFrame {
  readonly type: string;
  readonly version?: number;
  readonly seq?: number;
  readonly [field: string]: unknown;
}

/** Milliseconds that a frame may take which is due. */
const DEADLINE = 15_000;

/** The frames of one stream, in the order in which they came. Answers pings by itself. */
export class Frames {
  readonly #socket: WebSocket;
  readonly #waiting: StreamFrame[] = [];
  #wake: () => void = () => undefined;
  #code: number | undefined;

  private constructor(socket: WebSocket, onFrame: (frame: StreamFrame) => void) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const frame: StreamFrame = JSON.parse(String(data));
      if (frame.type === "ping") {
        socket.send('{"type":"pong"}');
        return;
      }
      onFrame(frame);
      this.#waiting.push(frame);
      this.#wake();
    });
    socket.addEventListener("close", ({ code }) => {
      this.#code = code;
      this.#wake();
    });
  }

  static async open(
    url: string,
    key: string | undefined,
    onFrame: (frame: StreamFrame) => void,
  ): Promise<Frames> {
    // Node's own WebSocket takes headers in the place of protocols.
    const options: object = key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } };
    const socket: WebSocket = Reflect.construct(WebSocket, [url, options]);
    const frames = new Frames(socket, onFrame);
    await within("the stream was not opened", (done, refuse) => {
      socket.addEventListener("open", () => done());
      socket.addEventListener("error", () => refuse("the stream was refused"));
    });
    return frames;
  }

  /** The next frame. @throws Violation when none comes */
  async next(): Promise<StreamFrame> {
    await this.#until("no frame came that was due", () => this.#waiting.length > 0);
    const frame = this.#waiting.shift();
    if (frame === undefined)
      throw new Violation("STR-1", `the stream ended with ${this.#code} instead of a frame`);
    return frame;
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

  /** The code that the server closes with. @throws Violation when it does not */
  async closed(): Promise<number> {
    await this.#until("the stream was not closed", () => this.#code !== undefined);
    return this.#code ?? 0;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed();
  }

  async #until(problem: string, holds: () => boolean): Promise<void> {
    if (holds() || this.#code !== undefined) return;
    await within(problem, (done) => {
      this.#wake = () => {
        if (holds() || this.#code !== undefined) done();
      };
    });
  }
}

async function within(
  problem: string,
  start: (done: () => void, refuse: (reason: string) => void) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const refuse = (reason: string): void => reject(new Violation("STR-1", reason));
  const timer = setTimeout(() => refuse(`${problem} within ${DEADLINE / 1000} s`), DEADLINE);
  start(resolve, refuse);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** What is left to be seen of the frame that is under way. */
interface Progress {
  /** Bytes of an incomplete frame header. */
  header: Buffer;
  /** Bytes of payload still to come. */
  payload: number;
}

/**
 * A WebSocket client that does as little as can be done: it counts frames, and looks into them only if it is told to.
 * Many of them should not be what limits a benchmark.
 */
export class RawSubscriber {
  frames = 0;
  readonly #socket: Socket;
  readonly #onFrame: ((payload: string) => void) | undefined;
  readonly #progress: Progress = { header: Buffer.alloc(0), payload: 0 };
  #text = "";

  private constructor(socket: Socket, onFrame: ((payload: string) => void) | undefined) {
    this.#socket = socket;
    this.#onFrame = onFrame;
  }

  /** @param onFrame is given each frame's text */
  static async open(url: URL, onFrame?: (payload: string) => void): Promise<RawSubscriber> {
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, "connect");
    const key = randomBytes(16).toString("base64");
    socket.write(
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: Upgrade\r\n` +
        `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    const [answer]: Buffer[] = await once(socket, "data");
    const head = answer?.toString("latin1") ?? "";
    const end = head.indexOf("\r\n\r\n");
    if (!head.startsWith("HTTP/1.1 101") || answer === undefined || end === -1)
      throw new Error(`refused: ${head}`);
    const subscriber = new RawSubscriber(socket, onFrame);
    subscriber.#read(answer.subarray(end + 4));
    socket.on("data", (data) => subscriber.#read(Buffer.isBuffer(data) ? data : Buffer.from(data)));
    return subscriber;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(data: Buffer): void {
    const progress = this.#progress;
    let at = 0;
    while (at < data.length) {
      if (progress.payload > 0) {
        const end = Math.min(data.length, at + progress.payload);
        if (this.#onFrame !== undefined) this.#text += data.toString("utf8", at, end);
        progress.payload -= end - at;
        at = end;
        if (progress.payload === 0) this.#finish();
        continue;
      }
      const header =
        progress.header.length === 0
          ? data.subarray(at, at + 10)
          : Buffer.concat([progress.header, data.subarray(at, at + 10)]).subarray(0, 10);
      const size = headerSize(header);
      if (size === undefined) {
        progress.header = Buffer.from(header);
        return;
      }
      at += size.header - progress.header.length;
      progress.header = Buffer.alloc(0);
      progress.payload = size.payload;
    }
  }

  #finish(): void {
    this.frames += 1;
    this.#onFrame?.(this.#text);
    this.#text = "";
  }
}

/** Frames of a server are not masked. Undefined while the header is incomplete. */
function headerSize(header: Buffer): { header: number; payload: number } | undefined {
  const short = header[1];
  if (short === undefined) return undefined;
  if (short < 126) return { header: 2, payload: short };
  if (short === 126) return header.length < 4 ? undefined : { header: 4, payload: header.readUInt16BE(2) };
  return header.length < 10 ? undefined : { header: 10, payload: Number(header.readBigUInt64BE(2)) };
}

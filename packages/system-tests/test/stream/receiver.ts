import type { Socket } from "node:net";

/** Reads what a stream has sent, by hand, from a socket that has not been read: the versions of its messages. */
export class Receiver {
  readonly #socket: Socket;
  #versions: number[] = [];
  /** The end of what was read, which may hold half of what is looked for. */
  #rest = "";

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Resolves when there are so many. */
  async versions(count: number): Promise<readonly number[]> {
    for await (const chunk of this.#socket) {
      const text = this.#rest + (Buffer.isBuffer(chunk) ? chunk.toString("latin1") : "");
      let end = 0;
      // Both encodings hold frames as they are, and no message of these tests looks like the start of one.
      for (const match of text.matchAll(/\{"type":"message","version":(\d+),/g)) {
        this.#versions.push(Number(match[1]));
        end = match.index + match[0].length;
      }
      this.#rest = text.slice(Math.max(end, text.length - 64));
      if (this.#versions.length >= count) break;
    }
    return this.#versions;
  }
}

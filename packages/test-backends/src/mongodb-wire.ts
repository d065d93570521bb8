import type { Socket } from "node:net";

/** MongoDB's server code without a network: takes a message, answers with a document. */
export interface Engine {
  roundTrip(message: Buffer): Promise<RoundTrip>;
}

export interface RoundTrip {
  readonly requestId: number;
  /** The client does not want an answer. */
  readonly moreToCome: boolean;
  /** The client asked in the old form, as it does when it says hello, and wants the answer in the old form. */
  readonly legacy: boolean;
  readonly response: Buffer;
}

/** Length, id of the message, id of the message it answers, kind. */
const HEADER = 16;
const OP_REPLY = 1;
const OP_MSG = 2013;

/**
 * Speaks MongoDB's wire protocol on one connection. Messages are answered one after the other, in their order. A
 * message of many megabytes comes in hundreds of pieces, which are put together once, when the last one is there.
 */
export function serveWire(engine: Engine, socket: Socket): void {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let wanted = HEADER;
  let answered: Promise<void> = Promise.resolve();
  const end = (): void => void socket.destroy();
  socket.setNoDelay(true);
  socket.on("error", end);
  socket.on("data", (piece: Buffer) => {
    pieces.push(piece);
    bytes += piece.length;
    while (bytes >= wanted) {
      const all = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
      const length = all.readInt32LE(0);
      if (length < HEADER) return end();
      if (all.length < length) {
        pieces = [all];
        wanted = length;
        return;
      }
      const message = all.subarray(0, length);
      answered = answered.then(() => answer(engine, socket, message)).catch(end);
      pieces = [all.subarray(length)];
      bytes = all.length - length;
      wanted = HEADER;
    }
  });
}

async function answer(engine: Engine, socket: Socket, message: Buffer): Promise<void> {
  const { requestId, moreToCome, legacy, response } = await engine.roundTrip(message);
  if (moreToCome || socket.destroyed) return;
  // Between header and document: flags, cursor, start and count in the old form, flags and the kind of section now.
  const front = Buffer.alloc(HEADER + (legacy ? 20 : 5));
  front.writeInt32LE(front.length + response.length, 0);
  front.writeInt32LE(requestId, 8);
  front.writeInt32LE(legacy ? OP_REPLY : OP_MSG, 12);
  if (legacy) front.writeInt32LE(1, HEADER + 16);
  socket.cork();
  socket.write(front);
  socket.write(response);
  socket.uncork();
}

import { createConnection, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** What becomes of a message from the client. */
export type Verdict =
  | "pass"
  /** The server never sees it: the connection breaks before. */
  | "cut"
  /** The server gets it, the client never hears what came of it. */
  | "cut behind"
  /** Nobody hears anything any more, on a connection that stays. */
  | "swallow";

/** A proxy before a MongoDB server that judges each message, by its bytes, as it passes. */
export async function wireProxy(
  target: string,
  judge: (message: Buffer) => Verdict | Promise<Verdict>,
): Promise<string> {
  const { hostname, port, pathname, search } = new URL(target);
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = createConnection({ host: hostname, port: Number(port) });
    let deaf = false;
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", end);
    }
    server.on("data", (reply) => deaf || client.write(reply));
    const deliver = async (message: Buffer): Promise<void> => {
      const verdict = await judge(message);
      if (verdict === "pass") server.write(message);
      else if (verdict === "cut") end();
      else if (verdict === "cut behind") {
        deaf = true;
        // The server has done it when it answers.
        server.once("data", end);
        server.write(message);
      }
    };
    let pending = Buffer.alloc(0);
    let delivered = Promise.resolve();
    client.on("data", (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 4 && pending.length >= pending.readInt32LE(0)) {
        const message = pending.subarray(0, pending.readInt32LE(0));
        pending = pending.subarray(message.length);
        delivered = delivered.then(() => deliver(message)).catch(end);
      }
    });
  });
  await new Promise<void>((listening) => proxy.listen(0, "127.0.0.1", listening));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => proxy.close(closed));
  });
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `mongodb://127.0.0.1:${address.port}${pathname}${search}`;
}

/** Whether a message is an insert into a collection. */
export function insertsInto(message: Buffer, collection: string): boolean {
  return isCommandOn(message, "insert", collection);
}

/** Whether a message is an update of a collection. */
export function updates(message: Buffer, collection: string): boolean {
  return isCommandOn(message, "update", collection);
}

/** Whether a message is a search in a collection. */
export function finds(message: Buffer, collection: string): boolean {
  return isCommandOn(message, "find", collection);
}

/** Whether a message asks for what follows in a cursor. */
export function asksForMore(message: Buffer): boolean {
  return message.includes("\u0012getMore\0");
}

function isCommandOn(message: Buffer, command: string, collection: string): boolean {
  const name = Buffer.from(`${command}\0____${collection}\0`);
  name.writeInt32LE(collection.length + 1, command.length + 1);
  return message.includes(name);
}

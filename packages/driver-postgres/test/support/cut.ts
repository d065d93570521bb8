import { connect, createServer, type Socket } from "node:net";

/** A line to a server that can be cut. */
export interface Line {
  readonly port: number;
  /** From now on the server's answers do not come through; once some were held back, `held` resolves. */
  holdAnswers(): { readonly held: Promise<void> };
  /** Nothing comes through any more on the connections that there are, and nobody is told. */
  silence(): void;
  /** Breaks all connections. */
  cut(): void;
  close(): Promise<void>;
}

export async function lineTo(host: string, port: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let holding: (() => void) | undefined;
  // A silent end does not even close.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host, allowHalfOpen: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("end", () => other.end());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.on("data", (data) => far.write(data));
    far.on("data", (data) => {
      if (holding === undefined) near.write(data);
      else holding();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    holdAnswers: () => ({ held: new Promise((resolve) => (holding = resolve)) }),
    silence: () => {
      for (const socket of sockets) {
        for (const event of ["data", "end", "close"]) socket.removeAllListeners(event);
        socket.resume();
      }
    },
    cut: () => {
      cut();
      holding = undefined;
    },
    close: () => {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

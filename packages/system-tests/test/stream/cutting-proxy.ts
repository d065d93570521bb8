import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * A port that leads to another one, and lets through a number of bytes of what comes back; then both ends break. The
 * numbers are used one for each connection; behind the last one, everything passes.
 */
export class CuttingProxy implements AsyncDisposable {
  readonly port: number;
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async to(target: number, lengths: readonly number[]): Promise<CuttingProxy> {
    const open = new Set<Socket>();
    let connections = 0;
    const server = createServer((near) => {
      let left = lengths[connections++] ?? Infinity;
      const far = connect({ port: target, host: "127.0.0.1" });
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        open.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          open.delete(socket);
          other.destroy();
        });
      }
      near.on("data", (chunk: Buffer) => far.write(chunk));
      far.on("data", (chunk: Buffer) => {
        const passed = chunk.subarray(0, left);
        left -= passed.length;
        near.write(passed);
        if (left > 0) return;
        near.destroySoon();
        far.resetAndDestroy();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    // A server that listens on an address has one that is no path.
    const { port } = server.address() as AddressInfo;
    return new CuttingProxy(port, async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

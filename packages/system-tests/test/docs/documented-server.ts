/** Servers for documents. */
import { createServer } from "@fastpaca/core/server";
import { createStore, type Driver } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { Child } from "./child.js";
import { ROOT } from "./markdown.js";

/** A server of this process. */
export interface LocalServer extends AsyncDisposable {
  /** With `/v1`. */
  readonly url: string;
}

export async function localServer(driver: Driver = openMemory()): Promise<LocalServer> {
  const store = createStore({ driver });
  const app = await createServer({ store });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    url: `${address}/v1`,
    async [Symbol.asyncDispose]() {
      await app.close();
      await store.close();
    },
  };
}

/** A port of this machine on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

/**
 * Runs a command of the documents that starts a server; resolves with the port that it listens on.
 * @param store a URL; undefined: where the documents say that it is
 */
export async function startByCommand(command: string, store?: string): Promise<number> {
  const port = await freePort();
  const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-docs-"));
  // Registered first, so done last: by then the server is gone.
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const env = {
    FASTPACA_HOST: "127.0.0.1",
    FASTPACA_PORT: String(port),
    FASTPACA_DATA_DIR: path.join(directory, "data"),
    ...(store !== undefined && { FASTPACA_STORE: store }),
  };
  const child = new Child("bash", ["-c", command], { cwd: ROOT, env });
  await child.line(/listening on http:\/\/127\.0\.0\.1:\d+\/v1/);
  return port;
}

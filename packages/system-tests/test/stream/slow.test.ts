import { fork, type ChildProcess } from "node:child_process";
import { connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { Client } from "../http/client.js";
import { requestBytes } from "../http/wire.js";
import { EVENTS, WEB_SOCKET, type Encoding, type Stream } from "./encodings.js";
import { Receiver } from "./receiver.js";

const PATH = "/v1/contexts/c";
/** Appends, and what each of them is long, in characters. */
interface Load {
  readonly appends: number;
  readonly length: number;
}
const MANY: Load = { appends: 10_000, length: 10_000 };
/** About as large as a request may be. */
const LARGE: Load = { appends: 150, length: 900_000 };
const CLIENTS = 16;
/** What a client that does not read may cost the server, in bytes. */
const MOST = 32 * 1024 * 1024;

/** A server as a process of its own, on which nothing else is measured. */
class Measured implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(): Promise<Measured> {
    const child = fork(new URL("served-process.ts", import.meta.url), {
      execArgv: ["--expose-gc", "--experimental-strip-types", "--no-warnings"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const { port } = await messageOf<{ port: number }>(child);
    return new Measured(child, port);
  }

  /** What is in use behind a collection of the garbage. */
  async bytes(): Promise<number> {
    const answer = messageOf<{ bytes: number }>(this.#child);
    this.#child.send("measure");
    return (await answer).bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode } = this.#child;
    if (exitCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await exited;
  }
}

function messageOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error("the server ended"));
    child.once("exit", onExit);
    // The child is this test's own, and says nothing else.
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message as T);
    });
  });
}

/** A client that asks for a stream and does not read it, until it is told to. */
async function openPaused(port: number, encoding: Encoding): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  const headers: [string, string][] =
    encoding === EVENTS
      ? [["Accept", "text/event-stream"]]
      : [
          ["Connection", "Upgrade"],
          ["Upgrade", "websocket"],
          ["Sec-WebSocket-Version", "13"],
          ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
        ];
  socket.write(requestBytes("GET", `${PATH}/stream?cursor=0`, headers));
  await new Promise<void>((resolve, reject) => {
    socket.once("readable", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** Appends everything, while a fast reader receives it; how much more memory is in use then. */
async function run(server: Measured, { appends, length }: Load, fast?: Stream): Promise<number> {
  const before = await server.bytes();
  const clients = Array.from({ length: CLIENTS }, () => new Client(`http://127.0.0.1:${server.port}`));
  try {
    await Promise.all(
      clients.map(async (client, who) => {
        for (let n = who; n < appends; n += CLIENTS) {
          const parts = [{ type: "text", text: `${n} `.padEnd(length, "x") }];
          const answer = await client.post(`${PATH}/messages`, {
            message: { role: "user", parts, token_count: 1 },
          });
          expect(answer.status).toBe(201);
        }
      }),
    );
    await fast?.untilMessages(appends);
    return (await server.bytes()) - before;
  } finally {
    for (const client of clients) client.close();
  }
}

async function prepare(server: Measured): Promise<void> {
  const client = new Client(`http://127.0.0.1:${server.port}`);
  await client.put(PATH, { policy: { strategy: "last_n", config: { limit: 10 } } });
  client.close();
}

function expectAll(versions: readonly (number | undefined)[], { appends }: Load): void {
  expect(versions).toHaveLength(appends);
  expect(versions.every((version, at) => version === at + 1)).toBe(true);
}

describe("a client that does not read", { timeout: 120_000 }, () => {
  test("costs a fixed amount of memory, slows nobody, and gets everything when it reads", async () => {
    const grown: { [name: string]: number } = {};
    for (const slow of [undefined, WEB_SOCKET, EVENTS]) {
      await using server = await Measured.start();
      await prepare(server);
      const paused = slow && (await openPaused(server.port, slow));
      try {
        using fast = await WEB_SOCKET.open(server.port, `${PATH}/stream?cursor=0`);
        grown[slow?.name ?? "nobody"] = await run(server, MANY, fast);
        expectAll(
          fast.of("message").map(({ version }) => version),
          MANY,
        );
        if (paused !== undefined) expectAll(await new Receiver(paused).versions(MANY.appends), MANY);
      } finally {
        paused?.destroy();
      }
    }
    report(grown);
    for (const [name, bytes] of Object.entries(grown)) {
      expect(bytes - (grown["nobody"] ?? NaN), name).toBeLessThan(MOST);
    }
  });

  test("costs no more where messages are large", async () => {
    const grown: { [name: string]: number } = {};
    for (const slow of [[], [WEB_SOCKET, EVENTS]]) {
      await using server = await Measured.start();
      await prepare(server);
      const paused: Socket[] = [];
      try {
        for (const encoding of slow) paused.push(await openPaused(server.port, encoding));
        using fast = slow.length === 0 ? undefined : await WEB_SOCKET.open(server.port, `${PATH}/stream`);
        grown[slow.length === 0 ? "nobody" : "both"] = await run(server, LARGE, fast);
        for (const socket of paused) expectAll(await new Receiver(socket).versions(LARGE.appends), LARGE);
      } finally {
        for (const socket of paused) socket.destroy();
      }
    }
    report(grown);
    expect((grown["both"] ?? NaN) - (grown["nobody"] ?? NaN)).toBeLessThan(MOST);
  });
});

function report(grown: { readonly [name: string]: number }): void {
  const megabytes = Object.entries(grown).map(([name, bytes]) => [name, Math.round(bytes / 1024 / 1024)]);
  console.info(`memory in MB beside ${JSON.stringify(Object.fromEntries(megabytes))}`);
}

import { connect } from "node:net";
import { createStore } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { openMemory } from "@fastpaca/driver-memory";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { overriding, shared } from "../drivers.js";
import { elapse } from "../elapse.js";
import { say, type Appended } from "../http/client.js";
import { Client } from "../http/client.js";
import { startServer } from "../http/command.js";
import { requestBytes, Wire } from "../http/wire.js";
import { ENCODINGS, openWebSocket, type Stream } from "./encodings.js";

const PATH = "/v1/contexts/busy";
const CLIENTS = 32;

describe("on SIGTERM the command", { timeout: 60_000 }, () => {
  test("tells its streams of everything that was acknowledged, ends them, and exits with 0", async () => {
    await using server = await startServer();
    await using closing = new AsyncDisposableStack();
    const clients = Array.from({ length: CLIENTS }, () => {
      const client = new Client(`http://127.0.0.1:${server.port}`);
      closing.defer(() => client.close());
      return client;
    });
    await clients[0]?.put(PATH);
    const streams: Stream[] = [];
    for (const encoding of ENCODINGS) {
      for (const query of ["", "?cursor=0", "?include_messages=false"]) {
        const stream = closing.use(await encoding.open(server.port, `${PATH}/stream${query}`));
        if (query !== "?include_messages=false") streams.push(stream);
        void stream.ended.then((ending) => endings.push([encoding.endings.goingAway, ending]));
      }
    }
    const endings: unknown[][] = [];
    const acknowledged = new Map<number, string>();
    const enough = Promise.withResolvers<void>();
    const appending = clients.map(async (client, who) => {
      for (let turn = 0; ; turn++) {
        const text = `${who}-${turn}`;
        const answer = await client.post(`${PATH}/messages`, { message: say(text) }).catch(() => undefined);
        if (answer === undefined || answer.status === 503) return;
        expect(answer.status).toBe(201);
        acknowledged.set(answer.json<Appended>().version, text);
        if (acknowledged.size === 20 * CLIENTS) enough.resolve();
      }
    });
    await enough.promise;
    // Somebody comes late, and has much to read.
    const late = closing.use(await openWebSocket(server.port, `${PATH}/stream?cursor=0`));
    server.signal("SIGTERM");
    await Promise.all(appending);
    const { code, stdout } = await server.exited;
    expect(code, stdout).toBe(0);

    expect(await late.ended).toBe(1001);
    for (const stream of [...streams, late]) {
      await stream.ended;
      const told = stream.of("message");
      expect(told.map(({ version }) => version)).toEqual(told.map((_, at) => at + 1));
      const texts = new Map(
        told.map(({ version = 0, message }) => [version, JSON.stringify(message?.["parts"])]),
      );
      for (const [version, text] of acknowledged) expect(texts.get(version)).toContain(`"${text}"`);
    }
    expect(endings).toHaveLength(6);
    for (const [expected, ending] of endings) expect(ending).toBe(expected);
  });

  test("waits for no client that does not read", async () => {
    await using server = await startServer();
    using client = disposable(new Client(`http://127.0.0.1:${server.port}`));
    await client.put(PATH);
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    socket.write(requestBytes("GET", `${PATH}/stream?cursor=0`, [["Accept", "text/event-stream"]]));
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    const large = Array.from({ length: 9 }, () => say("x".repeat(100_000)));
    for (let turn = 0; turn < 10; turn++) await client.post(`${PATH}/messages`, { messages: large });
    server.signal("SIGTERM");
    const { code, stdout } = await server.exited;
    socket.destroy();
    expect(code, stdout).toBe(0);
  });

  test.each([
    ["which was refused", "/v1/contexts/nowhere/stream", {}],
    ["which was no stream", "/health/live", {}],
    ["whose handshake was wrong", `${PATH}/stream`, { "Sec-WebSocket-Key": "short" }],
  ])("waits for no client that leaves its end of an upgrade open, %s", async (_name, target, headers) => {
    await using server = await startServer();
    using client = disposable(new Client(`http://127.0.0.1:${server.port}`));
    await client.put(PATH);
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    try {
      socket.on("error", () => undefined);
      const upgrade = {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ...headers,
      };
      socket.write(requestBytes("GET", target, Object.entries(upgrade)));
      socket.resume();
      await new Promise((resolve) => socket.once("end", resolve));
      server.signal("SIGTERM");
      const { code, stdout } = await server.exited;
      expect(code, stdout).toBe(0);
    } finally {
      socket.destroy();
    }
  });

  test("refuses streams from then on", async () => {
    await using server = await startServer();
    using client = disposable(new Client(`http://127.0.0.1:${server.port}`));
    await client.put(PATH);
    // A client that does not read keeps the server open for a while, and a connection that is there goes on asking.
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    const asking = new Wire(server.port);
    try {
      await asking.exchange(requestBytes("GET", "/health/live", []), "GET");
      socket.write(requestBytes("GET", `${PATH}/stream?cursor=0`, [["Accept", "text/event-stream"]]));
      await new Promise((resolve) => socket.once("data", resolve));
      socket.pause();
      const large = Array.from({ length: 9 }, () => say("x".repeat(100_000)));
      for (let turn = 0; turn < 10; turn++) await client.post(`${PATH}/messages`, { messages: large });
      server.signal("SIGTERM");
      expect(await untilRefused(asking)).toBe(503);
    } finally {
      socket.destroy();
      asking.close();
    }
    const { code, stdout } = await server.exited;
    expect(code, stdout).toBe(0);
  });
});

/** Asks for a stream, in a way that has no other answer than a refusal, until that is of the shutdown. */
async function untilRefused(wire: Wire): Promise<number> {
  for (;;) {
    const { status } = await wire.exchange(requestBytes("GET", `${PATH}/stream`, []), "GET");
    if (status !== 400) return status;
  }
}

function disposable(client: Client): Client & Disposable {
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

test(
  "a stream that was about to open when the server closes is refused, and holds nobody up",
  { timeout: 60_000 },
  async () => {
    const memory = openMemory();
    let asked: (() => void) | undefined;
    const answer = Promise.withResolvers<void>();
    const driver = overriding(memory, {
      heads: async (ids) => {
        if (asked !== undefined) {
          asked();
          await answer.promise;
        }
        return memory.heads(ids);
      },
    });
    const store = createStore({ driver: shared(driver) });
    await store.conversations.put("a");
    const app = await createServer({ store });
    const port = Number(new URL(await app.listen({ port: 0 })).port);
    const reading = new Promise<void>((resolve) => (asked = resolve));
    const opening = openWebSocket(port, "/v1/conversations/a/stream").then(
      () => "opened",
      () => "refused",
    );
    await reading;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const closed = app.close();
    // Longer than the server waits for requests that are under way.
    await elapse(14_500);
    vi.useRealTimers();
    answer.resolve();
    await closed;
    expect(await opening).toBe("refused");
    await store.close();
  },
);

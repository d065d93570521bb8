import { EventEmitter } from "node:events";
import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import { describe, expect, test } from "vitest";
import { shared } from "../drivers.js";
import { BACKENDS } from "../http/backends.js";
import { say } from "../http/client.js";
import { startServer } from "../http/command.js";
import { expectRefusal, expectWell } from "../http/contract.js";
import { serve, type Serving } from "../http/serve.js";
import { requestBytes, Wire } from "../http/wire.js";
import { ENCODINGS, openEvents, openWebSocket, textOf, type Stream } from "./encodings.js";
import { Gate } from "./gate.js";

const PATH = "/v1/contexts/c";
const STREAM = `${PATH}/stream`;
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

function upgrade(headers: Readonly<Record<string, string>> = {}): [string, string][] {
  return Object.entries({
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    ...headers,
  }).filter(([, value]) => value !== "");
}

/** Others who watch, whatever one client does: they go on receiving. */
class Bystanders implements Disposable {
  readonly #server: Serving;
  readonly #streams: readonly Stream[];

  private constructor(server: Serving, streams: readonly Stream[]) {
    this.#server = server;
    this.#streams = streams;
  }

  static async of(server: Serving): Promise<Bystanders> {
    await server.connect().put(PATH);
    const open = [openWebSocket, openEvents].map((open) => open(server.port, STREAM));
    return new Bystanders(server, await Promise.all(open));
  }

  async expectWell(): Promise<void> {
    const client = this.#server.connect();
    for (const stream of this.#streams) {
      const before = stream.of("message").length;
      expect((await client.post(`${PATH}/messages`, { message: say("well?") })).status).toBe(201);
      await stream.untilMessages(before + 1);
    }
    expect((await client.get("/metrics")).text).toMatch(/^fastpaca_streams 2$/m);
  }

  [Symbol.dispose](): void {
    for (const stream of this.#streams) stream.destroy();
  }
}

test.each(BACKENDS)("event streams over $name leave nothing behind on their connection", async (backend) => {
  await using server = await serve(backend);
  const client = server.connect();
  await client.put(PATH);
  await client.delete(PATH);
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  try {
    // One more than the listeners of a kind that Node takes for no leak.
    for (let time = 0; time <= EventEmitter.defaultMaxListeners; time++) {
      const { text } = await client.get(`${STREAM}?cursor=0`, { accept: "text/event-stream" });
      expect(text).toContain("event: tombstoned");
    }
  } finally {
    process.off("warning", warned);
  }
  expect(warnings).toEqual([]);
});

describe.each(BACKENDS)("over $name what a client sends on a WebSocket", (backend) => {
  const masked = (first: number, second: number, ...rest: number[]): Buffer =>
    Buffer.from([first, 0x80 | second, 0, 0, 0, 0, ...rest]);
  const text = (content: string): Buffer => masked(0x81, content.length, ...Buffer.from(content));

  test.each([
    ["a word", text("hello"), 1008],
    ["another type", text('{"type":"ping"}'), 1008],
    ["JSON that is no object", text('"pong"'), 1008],
    ["null", text("null"), 1008],
    ["a list", text('[{"type":"pong"}]'), 1008],
    ["nothing", text(""), 1008],
    ["a binary pong", masked(0x82, 15, ...Buffer.from('{"type":"pong"}')), 1008],
    ["a frame that is not masked", Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 1002],
    ["an unknown opcode", masked(0x83, 0), 1002],
    ["a reserved bit", masked(0xc1, 0), 1002],
    ["a continuation of nothing", masked(0x80, 0), 1002],
    ["a ping in pieces", masked(0x09, 0), 1002],
    ["a ping that is too long", masked(0x89, 126, 0, 126), 1002],
    ["text that is no UTF-8", masked(0x81, 1, 0xff), 1007],
    [
      "4097 bytes",
      Buffer.concat([Buffer.from([0x81, 0xfe, 0x10, 0x01, 0, 0, 0, 0]), Buffer.alloc(4097, " ")]),
      1009,
    ],
    ["the head of 2 GB", Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]), 1009],
    ["4097 bytes in pieces", piecesOf(4097), 1009],
  ])("ends its own stream alone: %s", async (_name, bytes, code) => {
    await using server = await serve(backend);
    using bystanders = await Bystanders.of(server);
    const { socket, raw, closed } = await openRaw(server.port);
    try {
      raw.write(bytes);
      expect(await closed).toBe(code);
    } finally {
      socket.terminate();
    }
    await bystanders.expectWell();
  });

  test.each([
    ["a pong", text('{"type":"pong"}')],
    ["a pong with more", text('{ "at": 1, "type" : "pong" }')],
    [
      "4096 bytes of pong",
      Buffer.concat([
        Buffer.from([0x81, 0xfe, 0x10, 0x00, 0, 0, 0, 0]),
        Buffer.from('{"type":"pong"}'.padEnd(4096)),
      ]),
    ],
    ["a ping of the protocol", masked(0x89, 0)],
    ["a pong of the protocol", masked(0x8a, 0)],
    [
      "a pong in pieces",
      Buffer.concat([
        masked(0x01, 7, ...Buffer.from('{"type"')),
        masked(0x89, 0),
        masked(0x80, 8, ...Buffer.from(':"pong"}')),
      ]),
    ],
  ])("leaves the stream open: %s", async (_name, bytes) => {
    await using server = await serve(backend);
    const client = server.connect();
    await client.put(PATH);
    const { socket, raw } = await openRaw(server.port);
    try {
      const told = new Promise((resolve) => socket.once("message", (data) => resolve(textOf(data))));
      raw.write(bytes);
      // What the client sent is read before the answer to what it sends then.
      const ponged = new Promise((resolve) =>
        socket.on("pong", (data) => data.toString() === "read" && resolve(true)),
      );
      socket.ping("read");
      await ponged;
      await client.post(`${PATH}/messages`, { message: say("one") });
      expect(await told).toContain('"type":"message"');
      expect(socket.readyState).toBe(WebSocket.OPEN);
    } finally {
      socket.terminate();
    }
  });
});

describe.each(BACKENDS)("over $name a request that upgrades", (backend) => {
  test.each([
    ["without a key", { "Sec-WebSocket-Key": "" }, 400],
    ["with a key that is none", { "Sec-WebSocket-Key": "short" }, 400],
    ["of an old version", { "Sec-WebSocket-Version": "7" }, 400],
    ["without a version", { "Sec-WebSocket-Version": "" }, 400],
    ["with an unreadable protocol", { "Sec-WebSocket-Protocol": "a,,b" }, 400],
  ])("%s is refused", async (_name, headers, status) => {
    await using server = await serve(backend);
    using bystanders = await Bystanders.of(server);
    const wire = new Wire(server.port);
    const reply = await wire.exchange(requestBytes("GET", STREAM, upgrade(headers)), "GET");
    wire.close();
    expect(expectRefusal(status, JSON.parse(reply.body)).field).toBe("upgrade");
    expect(reply.status).toBe(status);
    await bystanders.expectWell();
  });

  test.each([
    ["GET", PATH, upgrade(), 200],
    ["GET", "/health/live", upgrade(), 200],
    ["GET", "/nowhere", upgrade(), 404],
    ["GET", "/v1/contexts/nowhere/stream", upgrade(), 404],
    ["GET", `${STREAM}?cursor=x`, upgrade(), 400],
    ["GET", "/v1/contexts/%ff/stream", upgrade(), 400],
    ["GET", PATH, upgrade({ Upgrade: "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__" }), 200],
    ["GET", STREAM, upgrade({ Upgrade: "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__" }), 400],
    ["GET", STREAM, upgrade({ Upgrade: "websockets" }), 400],
    ["POST", STREAM, upgrade(), 404],
    ["HEAD", STREAM, upgrade(), 404],
    ["DELETE", "/v1/contexts/nowhere", upgrade(), 404],
  ])("by %s to %s is answered as any other", async (method, target, headers, status) => {
    await using server = await serve(backend);
    using bystanders = await Bystanders.of(server);
    const wire = new Wire(server.port);
    const reply = await wire.exchange(requestBytes(method, target, headers), method);
    wire.close();
    expect(reply.status).toBe(status);
    if (status >= 400 && method !== "HEAD") expectRefusal(status, JSON.parse(reply.body));
    await bystanders.expectWell();
  });

  test("and appends is an append", async () => {
    await using server = await serve(backend);
    using bystanders = await Bystanders.of(server);
    const wire = new Wire(server.port);
    const body = JSON.stringify({ message: say("one") });
    const headers = [...upgrade(), ["Content-Type", "application/json"]] as const;
    const reply = await wire.exchange(requestBytes("POST", `${PATH}/messages`, headers, body), "POST");
    wire.close();
    expect(reply.status).toBe(201);
    await bystanders.expectWell();
  });
});

describe("the command goes on serving", { timeout: 60_000 }, () => {
  test.each([1, 2, 5])("when an upgrade comes right behind %d other requests", async (count) => {
    await using server = await startServer();
    await expectWell(server.port);
    const requests = Array.from({ length: count }, () => requestBytes("GET", "/v1/contexts/well", []));
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    socket.on("error", () => undefined).resume();
    socket.write(Buffer.concat([...requests, requestBytes("GET", "/v1/contexts/well/stream", upgrade())]));
    await expectWell(server.port);
    socket.destroy();
    await expectWell(server.port);
  });
});

describe.each(BACKENDS)("over $name a client that leaves before its stream is there", (backend) => {
  test.each([
    ["a WebSocket, with a reset", upgrade(), (socket: Socket) => socket.resetAndDestroy()],
    ["a WebSocket", upgrade(), (socket: Socket) => socket.destroy()],
    ["events, with a reset", [["Accept", "text/event-stream"]], (socket: Socket) => socket.resetAndDestroy()],
    ["events", [["Accept", "text/event-stream"]], (socket: Socket) => socket.destroy()],
  ] as const)("takes no room for good: %s", async (_name, headers, leave) => {
    const gate = new Gate();
    await using server = await serve(backend, {
      server: { maxStreams: 1 },
      wrap: (driver) => gate.behind(shared(driver), "heads"),
    });
    const client = server.connect();
    await client.put(PATH);
    gate.shut();
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    socket.write(requestBytes("GET", STREAM, headers));
    await gate.arrived;
    leave(socket);
    await served(server.port);
    gate.open();
    let streams = "";
    for (let looks = 0; looks < 200 && !/^fastpaca_streams 0$/m.test(streams); looks++)
      streams = (await client.get("/metrics")).text;
    expect(streams).toMatch(/^fastpaca_streams 0$/m);
    using stream = await openEvents(server.port, STREAM);
    expect(stream.frames).toEqual([]);
  });
});

describe.each(BACKENDS)("over $name of several streams that are asked for at once", (backend) => {
  test.each(ENCODINGS)("as many are opened as there is room for: $name", async (encoding) => {
    const gate = new Gate();
    await using server = await serve(backend, {
      server: { maxStreams: 2 },
      wrap: (driver) => gate.behind(shared(driver), "heads"),
    });
    await server.connect().put(PATH);
    gate.shut();
    const asked = Array.from({ length: 4 }, () => encoding.open(server.port, STREAM));
    const answers = Promise.allSettled(asked);
    await gate.arrived;
    await served(server.port);
    gate.open();
    const streams = (await answers).flatMap((answer) =>
      answer.status === "fulfilled" ? [answer.value] : [],
    );
    expect(streams).toHaveLength(2);
    for (const stream of streams) stream.destroy();
  });
});

/** Connections are served in turn, so an answer on a later one says that the server knows of earlier ones. */
async function served(port: number): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    const wire = new Wire(port);
    await wire.exchange(requestBytes("GET", "/health/live", []), "GET");
    wire.close();
  }
}

/** One text message in two fragments, of so many bytes together. */
function piecesOf(length: number): Buffer {
  const first = Buffer.concat([Buffer.from([0x01, 0xfe, 0x08, 0x00, 0, 0, 0, 0]), Buffer.alloc(2048, " ")]);
  const rest = length - 2048;
  const head = Buffer.from([0x80, 0xfe, rest >> 8, rest & 0xff, 0, 0, 0, 0]);
  return Buffer.concat([first, head, Buffer.alloc(rest, " ")]);
}

interface Raw {
  readonly socket: WebSocket;
  /** What the WebSocket travels over. */
  readonly raw: Socket;
  readonly closed: Promise<number>;
}

async function openRaw(port: number): Promise<Raw> {
  const raw = connect({ port, host: "127.0.0.1" });
  const socket = new WebSocket(`ws://127.0.0.1:${port}${STREAM}`, { createConnection: () => raw });
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  await new Promise((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  return { socket, raw, closed };
}

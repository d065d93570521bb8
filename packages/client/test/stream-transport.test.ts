import { afterEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import { WebSocket } from "ws";
import { clientOver } from "../src/client.js";
import {
  createClient,
  type Client,
  type ClientOptions,
  type ContextStreamEvent,
  type Message,
  type StreamEvent,
  type StreamOptions,
  type WebSocketConstructor,
} from "../src/index.js";
import { streamClock } from "./stream-clock.js";
import { answerJson, record, streamServer, type PeerStep } from "./stream-server.js";

const tombstoned = { type: "tombstoned", version: 0 };
const goodbye: PeerStep = (peer) => peer.send(tombstoned);
const reset = (version: number) => ({ type: "reset", version });

async function all(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const list: StreamEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

afterEach(() => vi.unstubAllGlobals());

describe("the transport", () => {
  const ownFetch: ClientOptions["fetch"] = (url, init) => fetch(url, init);
  const cases: [name: string, Partial<ClientOptions>, StreamOptions["transport"], "websocket" | "sse"][] = [
    ["by default", {}, undefined, "websocket"],
    ["that is asked for", {}, "sse", "sse"],
    ["with an API key", { apiKey: "k" }, undefined, "sse"],
    ["with headers", { headers: { "x-a": "b" } }, undefined, "sse"],
    ["with a fetch of one's own", { fetch: ownFetch }, undefined, "sse"],
    ["with a fetch of one's own, all the same", { fetch: ownFetch }, "websocket", "websocket"],
    ["with a WebSocket and an API key", { apiKey: "k", WebSocket }, undefined, "websocket"],
    ["with a WebSocket and a fetch", { fetch: ownFetch, WebSocket }, undefined, "websocket"],
    ["with a WebSocket, but not asked for", { apiKey: "k", WebSocket }, "sse", "sse"],
    [
      "with the runtime's own and an API key",
      { apiKey: "k", WebSocket: globalThis.WebSocket },
      undefined,
      "sse",
    ],
  ];
  test.each(cases)("%s", async (_, options, transport, kind) => {
    await using server = await streamServer({ steps: [goodbye] });
    const { apiKey, headers } = options;
    const context = createClient({ baseUrl: server.baseUrl, ...options }).openContext("c");
    expect(await all(context.stream({ cursor: 0, transport }))).toEqual([tombstoned]);
    expect(server.peers.map(({ kind }) => kind)).toEqual([kind]);
    expect(server.peers[0]?.headers).toMatchObject({
      ...headers,
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    });
  });

  test("where the runtime has no WebSocket", async () => {
    vi.stubGlobal("WebSocket", undefined);
    await using server = await streamServer({ steps: [goodbye] });
    const context = createClient({ baseUrl: server.baseUrl }).openContext("c");
    await all(context.stream({ cursor: 0 }));
    expect(server.peers[0]?.kind).toBe("sse");
    const demanded = context.stream({ transport: "websocket" }).next();
    await expect(demanded).rejects.toMatchObject({ code: "invalid_request", status: undefined });
    expect(server.calls).toEqual([]);
  });

  test("a WebSocket that would lose the API key is refused where it is asked for", async () => {
    const context = createClient({ baseUrl: "http://127.0.0.1:9/v1", apiKey: "secret" }).openContext("c");
    const next = context.stream({ transport: "websocket" }).next();
    await expect(next).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("over WebSockets", () => {
  function open(baseUrl: string, more: Partial<ClientOptions> = {}): ReturnType<Client["openContext"]> {
    return clientOver({ baseUrl, WebSocket, ...more }, streamClock()).openContext("c");
  }

  test.each([1002, 1003, 1007, 1008, 1009])("close code %i ends the iteration", async (code) => {
    const step: PeerStep = (peer) => {
      peer.send(reset(1));
      peer.end(code);
    };
    await using server = await streamServer({ steps: [step] });
    const events = open(server.baseUrl).stream({ cursor: 0 });
    await events.next();
    await expect(events.next()).rejects.toMatchObject({
      code: "invalid_response",
      message: `GET /contexts/c/stream: the WebSocket was closed with ${code}`,
    });
  });

  test("a binary message ends the iteration", async () => {
    const step: PeerStep = (peer) => peer.write(Uint8Array.of(0x82, 1, 65));
    await using server = await streamServer({ steps: [step] });
    const next = open(server.baseUrl).stream({ cursor: 0 }).next();
    await expect(next).rejects.toMatchObject({ code: "invalid_response" });
  });

  test("a WebSocket that cannot be created ends the iteration", async () => {
    const Refusing: WebSocketConstructor = class extends WebSocket {
      constructor(url: string) {
        super(url, "not a protocol");
      }
    };
    await using server = await streamServer({ steps: [goodbye] });
    const next = open(server.baseUrl, { WebSocket: Refusing }).stream({ cursor: 0 }).next();
    await expect(next).rejects.toMatchObject({ code: "invalid_request", status: undefined });
  });

  test("who serves plain requests, but no WebSockets, is asked again and again", async () => {
    const refuse: PeerStep = (peer) => peer.refuse(404, "not_found");
    await using server = await streamServer({ steps: [refuse, refuse, goodbye], answer: record(3) });
    expect(await all(open(server.baseUrl).stream({ cursor: 0 }))).toEqual([tombstoned]);
    expect(server.calls).toEqual(["GET /v1/contexts/c", "GET /v1/contexts/c"]);
  });

  test("a deadline ends the question why it was refused", async () => {
    const refuse: PeerStep = (peer) => peer.refuse(503, "unavailable");
    await using server = await streamServer({ steps: [refuse], answer: () => {} });
    const next = open(server.baseUrl).stream({ cursor: 0, deadlineMs: 100 }).next();
    await expect(next).rejects.toMatchObject({
      code: "timeout",
      message: "GET /contexts/c/stream: given up after 100 ms in vain",
    });
    expect(server.calls).toEqual(["GET /v1/contexts/c"]);
  });

  test("who is sent away is asked why once for each attempt", async () => {
    const refuse: PeerStep = (peer) => peer.refuse(503, "unavailable");
    await using server = await streamServer({
      steps: [refuse, refuse, goodbye],
      answer: (_, response) => answerJson(response, 503, { error: "unavailable", message: "no" }),
    });
    expect(await all(open(server.baseUrl).stream({ cursor: 0 }))).toEqual([tombstoned]);
    expect(server.calls).toEqual(["GET /v1/contexts/c", "GET /v1/contexts/c"]);
  });

  test.each<[string, (events: AsyncGenerator<StreamEvent>) => Promise<unknown>]>([
    ["who leaves", (events) => events.return(undefined)],
    ["who fails", (events) => events.throw(new Error("enough")).catch(() => undefined)],
  ])("a peer that answers no goodbye is left all the same, by one %s", async (_, leave) => {
    const gone: Promise<unknown>[] = [];
    const Watched: WebSocketConstructor = class extends WebSocket {
      constructor(url: string) {
        super(url);
        gone.push(new Promise((resolve) => this.on("close", resolve)));
      }
    };
    const step: PeerStep = (peer) => {
      peer.send(reset(1));
      peer.deafen();
    };
    await using server = await streamServer({ steps: [step] });
    const events = open(server.baseUrl, { WebSocket: Watched }).stream({ cursor: 0 });
    await events.next();
    await leave(events);
    await Promise.all(gone);
    expect(gone.length).toBe(1);
  });

  test("a WebSocket that tells of its failure once", async () => {
    const Failing: WebSocketConstructor = class {
      addEventListener(type: string, listener: (event: { type: string; message: string }) => void): void {
        if (type === "error") setImmediate(() => listener({ type, message: "no way through" }));
      }
      send(): void {}
      close(): void {}
    };
    await using server = await streamServer({ steps: [goodbye] });
    const events = open(server.baseUrl, { WebSocket: Failing }).stream({ cursor: 0, deadlineMs: 100 });
    await expect(events.next()).rejects.toMatchObject({
      code: "network",
      message: "GET /contexts/c/stream: the WebSocket could not be opened: no way through",
    });
  });

  test("a reader who keeps pace stays on one connection", async () => {
    const event = (version: number) => ({ ...reset(version), filler: "x".repeat(400) });
    const three = (from: number) => [event(from), event(from + 1), event(from + 2)];
    await using server = await streamServer({ steps: [(peer) => peer.send(...three(1))] });
    const options = { baseUrl: server.baseUrl, WebSocket };
    const client = clientOver(options, streamClock(), { events: 3, length: 1500 });
    const events = client.openConversation("c").stream({ cursor: 0 });
    for (let version = 1; version <= 30; version++) {
      expect(await events.next()).toMatchObject({ value: reset(version) });
      if (version % 3 === 0) server.peers[0]?.send(...three(version + 1));
    }
    expect(server.peers.length).toBe(1);
    await events.return();
  });

  test.each([
    ["many", 3000, 0, 1000],
    ["long", 40, 1024 * 1024, 4],
    ["very long", 8, 9 * 1024 * 1024, 2],
  ])("a slow reader of %s events has only some of them held back", async (_, count, length, most) => {
    const filler = "x".repeat(length);
    const event = (version: number) => ({ ...reset(version), filler });
    const serve: PeerStep = (peer) => {
      for (let version = peer.cursor + 1; version <= count; version++) peer.send(event(version));
      peer.send(tombstoned);
    };
    await using server = await streamServer({ steps: [serve] });
    const clock = streamClock();
    const client = clientOver({ baseUrl: server.baseUrl, WebSocket }, clock);
    const events = client.openConversation("c").stream({ cursor: 0 });
    expect(await events.next()).toMatchObject({ value: { version: 1 } });
    await server.peers[0]?.closed; // Not before more had arrived than is held back.
    expect(clock.watches()).toBe(0);
    const rest = await all(events);
    expect(rest.map((event) => "version" in event && event.version)).toEqual([
      ...Array.from({ length: count - 1 }, (_, index) => index + 2),
      0,
    ]);
    // What had been held back is what was not asked for again.
    expect(server.peers[1]?.cursor).toBeGreaterThanOrEqual(2);
    expect(server.peers[1]?.cursor).toBeLessThanOrEqual(1 + most);
    expect(clock.pauses).toEqual([]);
  });
});

describe("over events", () => {
  const response = (body: ReadableStream<Uint8Array> | string | null, type = "text/event-stream") =>
    new Response(body, { headers: { "content-type": type } });
  const bytesOf = (frame: object) => new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`);

  function open(fetch: NonNullable<ClientOptions["fetch"]>, options: Partial<ClientOptions> = {}) {
    return clientOver({ baseUrl: "http://127.0.0.1:9/v1", fetch, ...options }, streamClock()).openContext(
      "c",
    );
  }

  test("no more is read than the reader takes", async () => {
    let pulls = 0;
    const endless = () =>
      new ReadableStream<Uint8Array>(
        { pull: (controller) => controller.enqueue(bytesOf(reset(++pulls))) },
        { highWaterMark: 0 },
      );
    const events = open(async () => response(endless())).stream({ cursor: 0 });
    for (let version = 1; version <= 5; version++) {
      expect(await events.next()).toMatchObject({ value: reset(version) });
      await turns();
      expect(pulls).toBe(version);
    }
    await events.return();
  });

  test("a reader who takes long is not a server that is silent", async () => {
    const clock = streamClock();
    await using server = await streamServer({ steps: [(peer) => peer.send(reset(1))] });
    const client = clientOver({ baseUrl: server.baseUrl }, clock);
    const events = client.openConversation("c").stream({ cursor: 0, transport: "sse" });
    await events.next();
    clock.advance(75_000);
    await turns();
    server.peers[0]?.send(reset(2));
    expect(await events.next()).toMatchObject({ value: reset(2) });
    expect(server.peers.length).toBe(1);
    await events.return();
  });

  test("a fetch that does not listen to its signal has its response ended all the same", async () => {
    let cancelled = 0;
    const body = () =>
      new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(bytesOf(reset(1))),
        cancel: () => void cancelled++,
      });
    const events = open(async () => response(body())).stream({ cursor: 0 });
    await events.next();
    const next = events.next();
    await events.return();
    expect([await next, cancelled]).toEqual([{ done: true, value: undefined }, 1]);

    const answers: ((response: Response) => void)[] = [];
    const late = open(() => new Promise((resolve) => answers.push(resolve))).stream({ cursor: 0 });
    const waiting = late.next();
    await turns();
    await late.return();
    answers[0]?.(response(body()));
    await turns();
    expect([await waiting, cancelled]).toEqual([{ done: true, value: undefined }, 2]);
  });

  test("a character cut in two is put together", async () => {
    const bytes = bytesOf({ ...reset(1), note: "🙂" });
    const body = () =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        },
      });
    const events = open(async () => response(body())).stream({ cursor: 0 });
    expect(await events.next()).toEqual({ done: false, value: { ...reset(1), note: "🙂" } });
    await events.return();
  });

  test.each<[string, () => Response]>([
    ["a page", () => response("<html>", "text/html")],
    ["JSON", () => response("{}", "application/json")],
    ["no body", () => response(null)],
    ["bytes that are not UTF-8", () => response(new Blob([Uint8Array.of(0xff, 0xfe, 0x0a)]).stream())],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "/elsewhere" } })],
  ])("%s ends the iteration", async (_, answer) => {
    const next = open(async () => answer())
      .stream({ cursor: 0 })
      .next();
    await expect(next).rejects.toMatchObject({ code: "invalid_response" });
  });
});

test("types", async () => {
  const context = createClient({ baseUrl: "http://127.0.0.1:9/v1", WebSocket }).openContext("c");
  const conversation = createClient({
    baseUrl: "http://127.0.0.1:9/v1",
    WebSocket: globalThis.WebSocket,
  }).openConversation("c");
  expectTypeOf(context.stream).toEqualTypeOf(conversation.stream);
  const events = context.stream();
  expectTypeOf(events).toEqualTypeOf<AsyncGenerator<StreamEvent, void, undefined>>();
  expectTypeOf<StreamEvent["type"]>().toEqualTypeOf<
    "message" | "context" | "compaction" | "reset" | "gap" | "tombstoned"
  >();
  expectTypeOf<Extract<StreamEvent, { type: "message" }>["message"]>().toEqualTypeOf<Message>();
  expectTypeOf<Extract<StreamEvent, { needs_compaction: boolean }>>().toEqualTypeOf<ContextStreamEvent>();
  // @ts-expect-error There is no such transport.
  context.stream({ transport: "carrier pigeon" });
  // @ts-expect-error A cursor is a version.
  context.stream({ cursor: "5" });
  await events.return();
});

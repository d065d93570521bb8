import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { BACKENDS, type Backend } from "../http/backends.js";
import { say } from "../http/client.js";
import { expectRefusal } from "../http/contract.js";
import { serve, type ServeOptions, type Serving } from "../http/serve.js";
import {
  ENCODINGS,
  EVENTS,
  openEvents,
  openWebSocket,
  RefusedError,
  WEB_SOCKET,
  type Encoding,
} from "./encodings.js";

const PATH = "/v1/contexts/c";
const STREAM = `${PATH}/stream`;
const CASES = BACKENDS.flatMap((backend) =>
  ENCODINGS.map((encoding) => [`${encoding.name} over ${backend.name}`, backend, encoding] as const),
);

/** A server with a context of two messages, and a conversation without a window. */
async function prepared(backend: Backend, options?: ServeOptions): Promise<Serving> {
  const server = await serve(backend, options);
  const client = server.connect({ authorization: "Bearer right" });
  await client.put(PATH);
  await client.post(`${PATH}/messages`, { messages: [say("one"), say("two")] });
  await client.put("/v1/conversations/plain");
  await client.put("/v1/contexts/gone");
  await client.delete("/v1/contexts/gone?purge=true");
  return server;
}

/** How the server refuses a stream. */
async function refusal(
  { port }: Serving,
  encoding: Encoding,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<RefusedError> {
  try {
    using _ = await encoding.open(port, path, { headers });
  } catch (error) {
    if (error instanceof RefusedError) return error;
    throw error;
  }
  throw new Error(`${path} was not refused`);
}

describe.each(CASES)("a stream by %s is refused", (_name, backend, encoding) => {
  test.each([
    ["cursor=-1", "cursor"],
    ["cursor=", "cursor"],
    ["cursor=1.5", "cursor"],
    ["cursor=one", "cursor"],
    ["cursor=1e3", "cursor"],
    ["cursor=%201", "cursor"],
    ["cursor=1&cursor=2", "cursor"],
    ["cursor=9007199254740992", "cursor"],
    ["cursor=99999999999999999999", "cursor"],
    ["include_messages=yes", "include_messages"],
    ["include_messages=", "include_messages"],
    ["include_messages=1", "include_messages"],
    ["cursor.a=1", "cursor.a"],
    ["from=1", "from"],
    ["__proto__=1", "__proto__"],
  ])("with %s, naming the field", async (query, field) => {
    await using server = await prepared(backend);
    for (const prefix of ["contexts", "conversations"]) {
      const { status, body } = await refusal(server, encoding, `/v1/${prefix}/c/stream?${query}`);
      expect(expectRefusal(400, JSON.parse(body))).toMatchObject({ error: "invalid_request", field });
      expect(status).toBe(400);
    }
  });

  test.each([
    ["/v1/contexts/nowhere/stream"],
    ["/v1/conversations/nowhere/stream"],
    ["/v1/contexts/plain/stream"],
    ["/v1/contexts/gone/stream?cursor=0"],
    ["/v1/conversations/gone/stream"],
    ["/v1/contexts/c/streams"],
    ["/v1/contexts/c/stream/"],
    ["/v1/nothing/c/stream"],
  ])("where there is none: %s", async (path) => {
    await using server = await prepared(backend);
    const { status, body } = await refusal(server, encoding, path);
    expect(expectRefusal(404, JSON.parse(body)).error).toBe("not_found");
    expect(status).toBe(404);
  });

  test.each([
    ["%ff", 400],
    ["a%00b", 400],
    ["x".repeat(256), 400],
  ])("with an id that is none: %s", async (id, expected) => {
    await using server = await prepared(backend);
    const { status, body } = await refusal(server, encoding, `/v1/contexts/${id}/stream`);
    expect(expectRefusal(expected, JSON.parse(body)).field).toBe("id");
    expect(status).toBe(expected);
  });

  test("without the right key", async () => {
    await using server = await prepared(backend, { server: { apiKeys: ["right", "other"] } });
    for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic right" }]) {
      for (const path of [STREAM, `${STREAM}?cursor=x`, "/v1/contexts/nowhere/stream", "/nowhere"]) {
        const { status, body } = await refusal(server, encoding, path, headers);
        expect(expectRefusal(401, JSON.parse(body))).toMatchObject({
          error: "unauthorized",
          field: "authorization",
        });
        expect(status).toBe(401);
      }
    }
    using stream = await encoding.open(server.port, `${STREAM}?cursor=1`, {
      headers: { authorization: "Bearer right" },
    });
    await stream.untilMessages(1);
  });

  test("while there are as many as there may be, and let in when one has left", async () => {
    await using server = await prepared(backend, { server: { maxStreams: 2 } });
    const streams = await Promise.all([1, 2].map(() => encoding.open(server.port, STREAM)));
    const { status, body, headers } = await refusal(server, encoding, STREAM);
    expect(expectRefusal(503, JSON.parse(body)).error).toBe("unavailable");
    expect([status, headers["retry-after"]]).toEqual([503, "1"]);
    // What is refused for another reason, or is no stream, takes no room.
    expect((await refusal(server, encoding, "/v1/contexts/nowhere/stream")).status).toBe(404);
    expect((await server.connect().get(PATH)).status).toBe(200);

    streams[0]?.destroy();
    await untilStreams(server, 1);
    using next = await encoding.open(server.port, `${STREAM}?cursor=0`);
    await next.untilMessages(2);
    for (const stream of streams) stream.destroy();
    next.destroy();
    await untilStreams(server, 0);
  });
});

describe.each(BACKENDS)("a request for events over $name", (backend) => {
  test.each([[undefined], ["application/json"], ["*/*"], ["text/html, */*;q=0.8"]])(
    "that does not accept them is refused: %s",
    async (accept) => {
      await using server = await prepared(backend);
      const answer = await server.connect().get(STREAM, accept === undefined ? {} : { accept });
      expect(answer.status).toBe(400);
      expect(expectRefusal(400, answer.json())).toMatchObject({ error: "invalid_request", field: "accept" });
    },
  );

  test.each(["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("by %s is none", async (method) => {
    await using server = await prepared(backend);
    const answer = await server.connect().send(method, STREAM, undefined, { accept: "text/event-stream" });
    expect(answer.status).toBe(404);
    if (method === "HEAD") expect(answer.text).toBe("");
    else expect(expectRefusal(404, answer.json()).error).toBe("not_found");
  });

  test("is answered with headers that keep it from being stored or held up", async () => {
    await using server = await prepared(backend);
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    const asking = request(`${server.url}${STREAM}`, {
      headers: { accept: "text/event-stream;q=1" },
      agent: false,
    });
    asking.on("response", (response) => resolve(response.headers)).on("error", reject);
    asking.end();
    const headers = await promise;
    asking.destroy();
    expect(headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
    });
  });

  test.each([
    ["1", "?cursor=0", ["two"]],
    ["0", "?cursor=2", ["one", "two"]],
    ["1", "", ["two"]],
    ["", "?cursor=1", ["two"]],
    ["1", "?cursor=wrong", ["two"]],
  ])("resumes behind Last-Event-ID %j rather than %j", async (id, query, texts) => {
    await using server = await prepared(backend);
    using stream = await openEvents(server.port, `${STREAM}${query}`, { headers: { "last-event-id": id } });
    await stream.untilMessages(texts.length);
    const told = stream.of("message").map(({ message }) => message?.["parts"]);
    expect(told).toEqual(texts.map((text) => [{ type: "text", text }]));
  });

  test.each(["x", "-1", "1, 2", "1.0", "9007199254740992", "null"])(
    "is refused with Last-Event-ID %j",
    async (id) => {
      await using server = await prepared(backend);
      const { status, body } = await refusal(server, EVENTS, `${STREAM}?cursor=1`, { "last-event-id": id });
      expect(expectRefusal(400, JSON.parse(body)).field).toBe("last-event-id");
      expect(status).toBe(400);
    },
  );

  test("and a WebSocket show the same frames", async () => {
    await using server = await prepared(backend);
    const client = server.connect();
    await client.post(`${PATH}/compact`, { replacement: [say("summary")] });
    await client.put(PATH, { token_budget: 3 });
    await client.post(`${PATH}/reset`, {});
    await client.delete(PATH);
    for (const query of ["?cursor=0", "?cursor=2&include_messages=false", "?cursor=99", ""]) {
      using events = await openEvents(server.port, STREAM + query);
      using socket = await openWebSocket(server.port, STREAM + query);
      expect([await events.ended, await socket.ended]).toEqual([
        EVENTS.endings.done,
        WEB_SOCKET.endings.done,
      ]);
      expect(events.frames).toEqual(socket.frames);
    }
  });
});

/** Resolves when the server counts so many streams: that a client has left, it learns in its own time. */
async function untilStreams(server: Serving, count: number): Promise<void> {
  const client = server.connect();
  for (let looks = 0; looks < 1000; looks++) {
    const { text } = await client.get("/metrics", { authorization: "Bearer right" });
    if (new RegExp(`^fastpaca_streams ${count}$`, "m").test(text)) return;
  }
  throw new Error(`there are never ${count} streams`);
}

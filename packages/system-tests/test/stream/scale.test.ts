import { describe, expect, test } from "vitest";
import { BACKENDS } from "../http/backends.js";
import { say, type Appended, type Client } from "../http/client.js";
import { serve, type Serving } from "../http/serve.js";
import { ENCODINGS, openEvents, openWebSocket, RefusedError, type Stream } from "./encodings.js";

/** As many as a server serves unless it is told otherwise. */
const MOST = 512;
const STREAMS = 500;
const CLIENTS = 64;
const EACH = 20;
const APPENDS = CLIENTS * EACH;

/** Opens streams, some at a time, half of them by each encoding. */
async function openAll(server: Serving, count: number, path: (at: number) => string): Promise<Stream[]> {
  const streams: Stream[] = [];
  while (streams.length < count) {
    const batch = Array.from(
      { length: Math.min(50, count - streams.length) },
      (_, at) => streams.length + at,
    );
    const opening = batch.map((at) => (at % 2 === 0 ? openWebSocket : openEvents)(server.port, path(at)));
    streams.push(...(await Promise.all(opening)));
  }
  return streams;
}

/** Appends from all clients at once; the versions of each text. */
async function appendAll(
  clients: readonly Client[],
  path: (n: number) => string,
): Promise<Map<string, number>> {
  const versions = new Map<string, number>();
  await Promise.all(
    clients.map(async (client, who) => {
      for (let turn = 0; turn < EACH; turn++) {
        const n = who * EACH + turn;
        const answer = await client.post(`${path(n)}/messages`, { message: say(String(n)) });
        expect(answer.status).toBe(201);
        versions.set(`${path(n)} ${n}`, answer.json<Appended>().version);
      }
    }),
  );
  return versions;
}

/** The texts of a stream's messages, which are there without hole or double. */
function textsOf(stream: Stream, first: number): string[] {
  const messages = stream.of("message");
  expect(messages.map(({ version }) => version)).toEqual(messages.map((_, at) => first + at));
  return messages.map(({ message }) => {
    const parts = message?.["parts"];
    const part: unknown = Array.isArray(parts) ? parts[0] : undefined;
    return typeof part === "object" && part !== null && "text" in part ? String(part.text) : "";
  });
}

describe.each(BACKENDS)("over $name", { timeout: 60_000 }, (backend) => {
  test(`${STREAMS} streams of one context show what ${CLIENTS} clients append, in one order`, async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/one";
    const [first, ...clients] = server.clients(CLIENTS + 1);
    await first?.put(path);
    const streams = await openAll(server, STREAMS, () => `${path}/stream`);
    try {
      const versions = await appendAll(clients, () => path);
      await Promise.all(streams.map((stream) => stream.untilMessages(APPENDS)));
      await Promise.all(
        streams.map((stream) =>
          stream.until(
            (frames) => frames.some(({ type, version }) => type === "context" && version === APPENDS),
            "the state",
          ),
        ),
      );
      const [texts] = streams.map((stream) => textsOf(stream, 1));
      for (const stream of streams) {
        expect(textsOf(stream, 1)).toEqual(texts);
        const states = stream.of("context").map(({ version }) => version ?? 0);
        expect(states).toEqual([...new Set(states)].sort((a, b) => a - b));
      }
      for (const [at, text] of (texts ?? []).entries()) expect(versions.get(`${path} ${text}`)).toBe(at + 1);
    } finally {
      for (const stream of streams) stream.destroy();
    }
  });

  test(`${STREAMS} conversations show each what is appended to it`, async () => {
    await using server = await serve(backend);
    const path = (at: number): string => `/v1/conversations/many-${at % STREAMS}`;
    const clients = server.clients(CLIENTS);
    await Promise.all(
      clients.map(async (client, who) => {
        for (let at = who; at < STREAMS; at += CLIENTS) await client.put(path(at));
      }),
    );
    const streams = await openAll(server, STREAMS, (at) => `${path(at)}/stream?cursor=0`);
    try {
      const versions = await appendAll(clients, path);
      for (const [at, stream] of streams.entries()) {
        const own = Array.from({ length: APPENDS }, (_, n) => n).filter((n) => n % STREAMS === at);
        await stream.untilMessages(own.length);
        const texts = textsOf(stream, 1);
        expect(texts.toSorted()).toEqual(own.map(String).toSorted());
        for (const [place, text] of texts.entries())
          expect(versions.get(`${path(at)} ${text}`)).toBe(place + 1);
      }
    } finally {
      for (const stream of streams) stream.destroy();
    }
  });

  test(`the ${MOST + 1}th stream is refused until another one has ended`, async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/one";
    const client = server.connect();
    await client.put(path);
    const streams = await openAll(server, MOST, () => `${path}/stream`);
    try {
      for (const encoding of ENCODINGS) {
        const refused = await encoding.open(server.port, `${path}/stream`).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(refused).toBeInstanceOf(RefusedError);
        expect(refused).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
      }
      expect((await client.get("/metrics")).text).toMatch(new RegExp(`^fastpaca_streams ${MOST}$`, "m"));
      streams.pop()?.destroy();
      for (let looks = 0; looks < 200; looks++) {
        if (/^fastpaca_streams 511$/m.test((await client.get("/metrics")).text)) break;
      }
      streams.push(await openWebSocket(server.port, `${path}/stream`));
      await client.post(`${path}/messages`, { message: say("all") });
      await Promise.all(streams.map((stream) => stream.untilMessages(1)));
    } finally {
      for (const stream of streams) stream.destroy();
    }
  });
});

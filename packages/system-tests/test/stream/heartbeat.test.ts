import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BACKENDS } from "../http/backends.js";
import { say } from "../http/client.js";
import { serve, type Serving } from "../http/serve.js";
import { openEvents, openWebSocket, type Stream } from "./encodings.js";

const PATH = "/v1/contexts/c";
const STREAM = `${PATH}/stream`;
const HEARTBEAT = 30_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  // A clock that shows 0 has not started.
  vi.advanceTimersByTime(1000);
});
afterEach(() => {
  vi.useRealTimers();
});

/** Answers to what was asked before have arrived, as what came back on the same server says. */
async function roundTrip(server: Serving): Promise<void> {
  const client = server.connect();
  for (let turn = 0; turn < 5; turn++) await client.get("/health/live");
}

function pings(stream: Stream): number {
  return stream.of("ping").length;
}

describe.each(BACKENDS)("over $name", (backend) => {
  test("a stream is pinged every 30 seconds, and not before", async () => {
    await using server = await serve(backend);
    await server.connect().put(PATH);
    using socket = await openWebSocket(server.port, STREAM);
    using events = await openEvents(server.port, STREAM);
    for (let beat = 1; beat <= 10; beat++) {
      vi.advanceTimersByTime(HEARTBEAT - 1);
      await roundTrip(server);
      expect([pings(socket), pings(events)]).toEqual([beat - 1, beat - 1]);
      vi.advanceTimersByTime(1);
      for (const stream of [socket, events]) await stream.until(() => pings(stream) === beat, `ping ${beat}`);
      await roundTrip(server);
    }
    expect(socket.frames[0]).toEqual({ type: "ping" });
    expect(events.lastId, "a ping is no place to resume").toBeUndefined();
  });

  test("a client that is silent for 90 seconds is closed, others stay", async () => {
    await using server = await serve(backend);
    const client = server.connect();
    await client.put(PATH);
    using silent = await openWebSocket(server.port, STREAM, { answer: false });
    using answering = await openWebSocket(server.port, STREAM);
    using events = await openEvents(server.port, STREAM);
    for (let beat = 1; beat <= 2; beat++) {
      vi.advanceTimersByTime(HEARTBEAT);
      for (const stream of [silent, answering])
        await stream.until(() => pings(stream) === beat, `ping ${beat}`);
      await roundTrip(server);
    }
    vi.advanceTimersByTime(HEARTBEAT - 1);
    await client.post(`${PATH}/messages`, { message: say("still there") });
    await silent.untilMessages(1);
    // Looks happen with the heartbeats, so at the latest with the one behind the limit.
    vi.advanceTimersByTime(HEARTBEAT);
    expect(await silent.ended).toBe(4408);
    for (let beat = 0; beat < 6; beat++) {
      vi.advanceTimersByTime(HEARTBEAT);
      await roundTrip(server);
    }
    await client.post(`${PATH}/messages`, { message: say("on and on") });
    await Promise.all([answering.untilMessages(2), events.untilMessages(2)]);
    expect((await client.get("/metrics")).text).toMatch(/^fastpaca_streams 2$/m);
  });

  test("a client that was silent for less than 90 seconds has 90 seconds again", async () => {
    await using server = await serve(backend);
    await server.connect().put(PATH);
    using keeping = await openWebSocket(server.port, STREAM);
    // Opened later than the beat began.
    vi.advanceTimersByTime(HEARTBEAT - 1);
    using silent = await openWebSocket(server.port, STREAM, { answer: false });
    for (let passed = 0; passed < 89_999; passed += HEARTBEAT) {
      vi.advanceTimersByTime(Math.min(HEARTBEAT, 89_999 - passed));
      await roundTrip(server);
    }
    await silent.until(() => pings(silent) >= 3, "the pings");
    vi.advanceTimersByTime(HEARTBEAT + 1);
    expect(await silent.ended).toBe(4408);
    await keeping.until(() => pings(keeping) >= 4, "the pings");
  });
});

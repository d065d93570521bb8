import { getEventListeners } from "node:events";
import type { ServerResponse } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { clientOver } from "../src/client.js";
import type { Context, Conversation, StreamEvent, StreamOptions } from "../src/index.js";
import { connectorTo } from "../src/stream-connector.js";
import { Transport } from "../src/transport.js";
import { streamClock, type StreamClock } from "./stream-clock.js";
import {
  answerJson,
  record,
  streamServer,
  type Peer,
  type PeerStep,
  type StreamServer,
} from "./stream-server.js";
import { transports } from "./stream-transports.js";

const tombstoned = { type: "tombstoned", version: 0 };

function logged(version: number, seq = version, text = `text ${version}`) {
  return { role: "user", parts: [{ type: "text", text }], seq, version, token_count: 1 };
}

function message(version: number, seq = version, text?: string) {
  return { type: "message", version, seq, message: logged(version, seq, text) };
}

function state(version: number) {
  return { type: "context", version, needs_compaction: false, used_tokens: 10 * version };
}

const goodbye: PeerStep = (peer) => {
  peer.send(tombstoned);
  peer.end(1000);
};

async function all(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const list: StreamEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

/** Lets everything happen that needs no more than a few turns of the event loop. */
async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe.each(transports)("$name", ({ kind, client, stream }) => {
  function open(server: StreamServer, clock: StreamClock = streamClock(), more = {}): Context {
    return clientOver({ baseUrl: server.baseUrl, ...client, ...more }, clock).openContext("c");
  }
  const from = (cursor: number, more: StreamOptions = {}): StreamOptions => ({ ...stream, cursor, ...more });

  describe("what is asked for", () => {
    const cases: [string, (c: Conversation) => AsyncIterable<StreamEvent>, path: string][] = [
      ["a cursor", (c) => c.stream(from(0)), "/v1/contexts/c/stream?cursor=0"],
      [
        "no messages",
        (c) => c.stream(from(5, { includeMessages: false })),
        "/v1/contexts/c/stream?cursor=5&include_messages=false",
      ],
      ["messages", (c) => c.stream(from(5, { includeMessages: true })), "/v1/contexts/c/stream?cursor=5"],
    ];
    test.each(cases)("%s", async (_, call, path) => {
      await using server = await streamServer({ steps: [goodbye] });
      expect(await all(call(open(server)))).toEqual([tombstoned]);
      expect(server.peers.map(({ url, kind }) => [url.pathname + url.search, kind])).toEqual([[path, kind]]);
      expect(server.calls).toEqual([]);
    });

    test("a conversation's", async () => {
      await using server = await streamServer({ steps: [goodbye] });
      const conversation = clientOver({ baseUrl: server.baseUrl, ...client }).openConversation("a/ü");
      await all(conversation.stream(from(0)));
      expect(server.peers[0]?.url.pathname).toBe("/v1/conversations/a%2F%C3%BC/stream");
    });

    test("nothing before the first event is asked for", async () => {
      await using server = await streamServer({ steps: [goodbye] });
      const events = open(server).stream(from(0));
      await turns();
      expect(server.peers.length).toBe(0);
      await events.return();
      expect(await events.next()).toEqual({ done: true, value: undefined });
      expect(server.peers.length).toBe(0);
    });
  });

  test("events arrive as they were sent, messages with their content", async () => {
    const sent = [
      message(1),
      { ...state(1), needs_compaction: true },
      { type: "compaction", version: 2, range: { from_seq: 1, to_seq: 1 } },
      state(2),
      { type: "reset", version: 3 },
      state(3),
      state(4),
      { type: "sent by newer servers", version: 5 },
      { type: "ping" },
      message(5, 2, "größer 🙂 \ud800 \u0000 \r\n\u2028"),
      tombstoned,
    ];
    await using server = await streamServer({ steps: [(peer) => peer.send(...sent)] });
    const events = await all(open(server).stream(from(0)));
    expect(events).toEqual([...sent.slice(0, 7), ...sent.slice(9)]);
    const [first] = events;
    if (first?.type !== "message") throw new Error("a message");
    expect(first.message.content).toEqual([{ type: "text", text: "text 1" }]);
    expect(Object.keys(first.message)).not.toContain("content");
  });

  test("an event of 20 MiB", async () => {
    const text = "ü".repeat(10 * 1024 * 1024);
    const step: PeerStep = (peer) => peer.send(message(1, 1, text), message(2, 2, text), tombstoned);
    await using server = await streamServer({ steps: [step] });
    const events = await all(open(server).stream(from(0)));
    expect(events.map((event) => (event.type === "message" ? event.message.parts : event))).toEqual([
      [{ type: "text", text }],
      [{ type: "text", text }],
      tombstoned,
    ]);
  });

  test("events cut into single bytes", async () => {
    const step: PeerStep = (peer) => {
      void (async () => {
        for (const byte of peer.encode(message(1, 1, "🙂"))) {
          peer.write(Uint8Array.of(byte));
          await turns(1);
        }
        peer.send(tombstoned);
      })();
    };
    await using server = await streamServer({ steps: [step] });
    expect(await all(open(server).stream(from(0)))).toEqual([message(1, 1, "🙂"), tombstoned]);
  });

  describe("after a lost connection", () => {
    const ways: [string, (peer: Peer) => void][] = [
      ["cut", (peer) => peer.cut()],
      ["a shutdown", (peer) => peer.end(1001)],
      ["the end of an idle client", (peer) => peer.end(4408)],
      ["an end without a tombstone", (peer) => peer.end(1000)],
    ];
    test.each(ways)("(%s) goes on from the last event", async (_, end) => {
      const first: PeerStep = (peer) => {
        peer.send(message(6), state(6));
        end(peer);
      };
      const second: PeerStep = (peer) => peer.send(message(6), message(7), message(7), state(7), tombstoned);
      await using server = await streamServer({ steps: [first, second] });
      const clock = streamClock();
      expect(await all(open(server, clock).stream(from(5)))).toEqual([
        message(6),
        state(6),
        message(7),
        state(7),
        tombstoned,
      ]);
      expect(server.peers.map(({ cursor }) => cursor)).toEqual([5, 6]);
      expect(clock.pauses).toEqual([100]);
    });

    test("asks for the last event again where the state after it is due", async () => {
      const first: PeerStep = (peer) => {
        peer.send(message(6));
        peer.cut();
      };
      const second: PeerStep = (peer) => peer.send(message(6), state(6), tombstoned);
      await using server = await streamServer({ steps: [first, second] });
      expect(await all(open(server).stream(from(5)))).toEqual([message(6), state(6), tombstoned]);
      expect(server.peers.map(({ cursor }) => cursor)).toEqual([5, 5]);
    });

    test("does not ask for it again where there are no states", async () => {
      const first: PeerStep = (peer) => {
        peer.send(message(6));
        peer.cut();
      };
      await using server = await streamServer({ steps: [first, goodbye] });
      const conversation = clientOver({ baseUrl: server.baseUrl, ...client }, streamClock()).openConversation(
        "c",
      );
      await all(conversation.stream(from(5)));
      expect(server.peers.map(({ cursor }) => cursor)).toEqual([5, 6]);
    });

    test("does not tell a state again", async () => {
      const first: PeerStep = (peer) => {
        peer.send(message(6), state(6));
        peer.cut();
      };
      const second: PeerStep = (peer) => peer.send(state(5), state(6), state(7), state(7), tombstoned);
      await using server = await streamServer({ steps: [first, second] });
      expect(await all(open(server).stream(from(5)))).toEqual([message(6), state(6), state(7), tombstoned]);
    });

    test("tells the state at the cursor, where the server does", async () => {
      const step: PeerStep = (peer) => peer.send(state(4), state(5), tombstoned);
      await using server = await streamServer({ steps: [step] });
      expect(await all(open(server).stream(from(5)))).toEqual([state(5), tombstoned]);
    });

    test("no gap where only the event was trimmed that it asked for again", async () => {
      const first: PeerStep = (peer) => {
        peer.send(message(6));
        peer.cut();
      };
      const second: PeerStep = (peer) =>
        peer.send({ type: "gap", expected: 6, actual: 7 }, message(7), state(7), tombstoned);
      await using server = await streamServer({ steps: [first, second] });
      expect(await all(open(server).stream(from(5)))).toEqual([message(6), message(7), state(7), tombstoned]);
      expect(server.calls).toEqual([]);
    });

    test("pauses grow, and begin anew after an event", async () => {
      const down: PeerStep = (peer) => peer.cut();
      const one: PeerStep = (peer) => {
        peer.send(state(6));
        peer.cut();
      };
      await using server = await streamServer({ steps: [down, down, down, one, down, goodbye] });
      const clock = streamClock();
      await all(open(server, clock).stream(from(5)));
      expect(clock.pauses).toEqual([100, 200, 400, 100, 200]);
    });

    test("pauses begin anew after a connection that held for a while, though nothing came", async () => {
      const down: PeerStep = (peer) => peer.cut();
      const steps: [PeerStep, ...PeerStep[]] = [down, down, (peer) => peer.accept(), goodbye];
      await using server = await streamServer({ steps });
      const clock = streamClock();
      const events = all(open(server, clock).stream(from(5)));
      const third = await server.peer(3);
      await turns();
      while (clock.watches() === 0) await turns(1);
      await turns();
      clock.advance(10_000);
      third.cut();
      expect(await events).toEqual([tombstoned]);
      expect(clock.pauses).toEqual([100, 200, 100]);
    });

    test("gives up after its deadline, where it has one, with the latest error", async () => {
      await using server = await streamServer({ steps: [(peer) => peer.cut()] });
      const clock = streamClock();
      const events = all(open(server, clock).stream(from(5, { deadlineMs: 1000 })));
      await expect(events).rejects.toMatchObject({ code: "network" });
      expect(clock.pauses).toEqual([100, 200, 400]);
    });

    test("has a deadline over all attempts, and ends the one that is under way", async () => {
      const busy = { error: "unavailable", message: "no" };
      const refuse: PeerStep = (peer) => peer.refuse(503, "unavailable", { "retry-after": "20" });
      await using server = await streamServer({
        steps: [refuse, () => {}],
        answer: (_, response) => answerJson(response, 503, busy, { "retry-after": "20" }),
      });
      const clock = streamClock();
      const next = open(server, clock)
        .stream(from(5, { deadlineMs: 20_150 }))
        .next();
      await expect(next).rejects.toMatchObject({
        code: "timeout",
        message: "GET /contexts/c/stream: given up after 20150 ms in vain",
        cause: { code: "unavailable" },
      });
      expect(clock.pauses).toEqual([20_100]);
      await server.peers[1]?.closed;
    });

    test.each<[string, StreamOptions, PeerStep]>([
      ["connects", from(5), () => {}],
      ["asks for the version", stream, goodbye],
      ["replays", from(5), (peer) => peer.send({ type: "gap", expected: 6, actual: 9 })],
    ])("is ended by its deadline while it %s without end", async (_, options, step) => {
      await using server = await streamServer({ steps: [step], answer: () => {} });
      const events = open(server).stream({ ...options, deadlineMs: 100 });
      await expect(events.next()).rejects.toMatchObject({
        code: "timeout",
        message: "GET /contexts/c/stream: given up after 100 ms in vain",
      });
      expect(await events.next()).toEqual({ done: true, value: undefined });
      for (const peer of server.peers) await peer.closed;
    });

    test("does not count the time with a connection against its deadline", async () => {
      const down: PeerStep = (peer) => peer.cut();
      const quiet: PeerStep = (peer) => peer.accept();
      await using server = await streamServer({ steps: [down, down, quiet, goodbye] });
      const clock = streamClock();
      const events = all(open(server, clock).stream(from(5, { deadlineMs: 1000 })));
      const third = await server.peer(3);
      while (clock.watches() === 0) await turns(1);
      await turns();
      clock.advance(9000);
      third.cut();
      expect(await events).toEqual([tombstoned]);
      expect(clock.pauses).toEqual([100, 200, 400]);
    });

    test("its deadline begins anew when its first connection is lost", async () => {
      const clock = streamClock();
      const late: PeerStep = (peer) => {
        clock.advance(950);
        peer.cut();
      };
      await using server = await streamServer({ steps: [late, goodbye] });
      const events = open(server, clock).stream(from(5, { deadlineMs: 1000 }));
      expect(await all(events)).toEqual([tombstoned]);
      expect(clock.pauses).toEqual([100]);
    });

    test("its deadline begins anew with each event", async () => {
      const clock = streamClock();
      let calls = 0;
      await using server = await streamServer({
        steps: [(peer) => peer.send({ type: "gap", expected: 6, actual: 9 }), goodbye],
        answer: (_, response) => {
          clock.advance(450);
          if (++calls === 1) answerJson(response, 200, { messages: [logged(6)], version: 9, first_seq: 1 });
          else answerJson(response, 503, { error: "unavailable", message: "no" });
        },
      });
      const context = open(server, clock, { retries: 0 });
      const events = context.stream(from(5, { deadlineMs: 600 }));
      expect(await all(events)).toEqual([message(6), tombstoned]);
      expect(clock.pauses).toEqual([100]);
    });

    test("gives up where replays fail, however long its connections hold meanwhile", async () => {
      const clock = streamClock();
      await using server = await streamServer({
        steps: [(peer) => peer.send({ type: "gap", expected: 6, actual: 9 })],
        answer: (_, response) => {
          clock.advance(10_000);
          answerJson(response, 503, { error: "unavailable", message: "no" });
        },
      });
      const context = open(server, clock, { retries: 0 });
      const next = context.stream(from(5, { deadlineMs: 25_000 })).next();
      await expect(next).rejects.toMatchObject({ code: "unavailable" });
      expect(clock.pauses).toEqual([100, 200]);
    });

    test("leaves no timer behind that could end a connection", async () => {
      const started = vi.spyOn(globalThis, "setTimeout");
      const cleared = vi.spyOn(globalThis, "clearTimeout");
      try {
        await using server = await streamServer({ steps: [goodbye], answer: record(5) });
        await all(open(server).stream({ ...stream, deadlineMs: 12_345 }));
        const timers = started.mock.results
          .filter((_, call) => started.mock.calls[call]?.[1] === 12_345)
          .map(({ value }) => value);
        expect(timers).toHaveLength(1);
        for (const timer of timers) expect(cleared).toHaveBeenCalledWith(timer);
      } finally {
        vi.restoreAllMocks();
      }
    });

    test("without a cursor, nothing between the attempts is lost", async () => {
      const down: PeerStep = (peer) => peer.cut();
      await using server = await streamServer({ steps: [down, goodbye], answer: record(41) });
      await all(open(server).stream(stream));
      expect(server.peers.map(({ cursor }) => cursor)).toEqual([41, 41]);
      expect(server.calls).toEqual(["GET /v1/contexts/c"]);
    });
  });

  describe("refusals", () => {
    test.each([
      [400, "invalid_request"],
      [401, "unauthorized"],
      [404, "not_found"],
      [410, "tombstoned"],
      [500, "internal"],
    ])("%i ends the iteration", async (status, code) => {
      const steps: [PeerStep] = [(peer) => peer.refuse(status, code)];
      await using server = await streamServer({
        steps,
        answer: (_, response) => answerJson(response, status, { error: code, message: "no" }),
      });
      for (const options of [stream, from(3)]) {
        const events = open(server).stream(options);
        await expect(events.next()).rejects.toMatchObject({ name: "FastpacaError", code, status });
        expect(await events.next()).toEqual({ done: true, value: undefined });
      }
    });

    test("503 and 429 are waited for, as long as the server asks where that can be seen", async () => {
      const steps: [PeerStep, ...PeerStep[]] = [
        (peer) => peer.refuse(503, "unavailable", { "retry-after": "7" }),
        (peer) => peer.refuse(429, "rate_limited"),
        goodbye,
      ];
      await using server = await streamServer({ steps });
      const clock = streamClock();
      expect(await all(open(server, clock).stream(from(3)))).toEqual([tombstoned]);
      expect(clock.pauses).toEqual(kind === "sse" ? [7100, 200] : [100, 200]);
    });

    test("a server that is down is waited for", async () => {
      const gone = await streamServer({ steps: [goodbye] });
      await gone[Symbol.asyncDispose]();
      const clock = streamClock({ held: true });
      const stop = new AbortController();
      const events = open(gone, clock).stream(from(3, { signal: stop.signal }));
      const next = events.next();
      while (clock.pauses.length === 0) await turns(1);
      stop.abort(new Error("enough"));
      await expect(next).rejects.toThrow("enough");
    });

    test("a server that never answers is given up in time", async () => {
      let first: Peer | undefined;
      const steps: [PeerStep, ...PeerStep[]] = [
        (peer) => (first = peer),
        (peer) => void first?.closed.then(() => goodbye(peer)),
      ];
      await using server = await streamServer({ steps });
      const clock = streamClock();
      expect(await all(open(server, clock).stream(from(3, { timeoutMs: 100 })))).toEqual([tombstoned]);
      expect(clock.pauses).toEqual([100]);
    });

    test.each([-1, 1.5, NaN])("cursor %d is refused here", async (cursor) => {
      await using server = await streamServer({ steps: [goodbye] });
      const next = open(server).stream(from(cursor)).next();
      await expect(next).rejects.toMatchObject({ code: "invalid_request", status: undefined });
      expect(server.peers.length).toBe(0);
    });
  });

  test.each([
    ["no JSON", "<html>"],
    ["no object", "[]"],
    ["no type", '{"version":1}'],
    ["no version", '{"type":"reset"}'],
    ["a version that is none", '{"type":"reset","version":-1}'],
    ["a message that is none", '{"type":"message","version":1,"seq":1,"message":[]}'],
    ["half a context", '{"type":"context","version":1,"used_tokens":3}'],
    ["half a range", '{"type":"compaction","version":1,"range":{"from_seq":1}}'],
    ["half a gap", '{"type":"gap","expected":1}'],
  ])("a frame with %s ends the iteration, after what came before", async (_, text) => {
    const step: PeerStep = (peer) => {
      peer.send(message(1));
      peer.sendText(text);
    };
    await using server = await streamServer({ steps: [step] });
    const events = open(server).stream(from(0));
    expect(await events.next()).toMatchObject({ value: message(1) });
    await expect(events.next()).rejects.toMatchObject({ code: "invalid_response" });
    await server.peers[0]?.closed;
    expect(server.peers.length).toBe(1);
  });

  describe("gaps", () => {
    const gap = (expected: number, actual: number) => ({ type: "gap", expected, actual });

    function replaying(...versions: number[]): (request: URL, response: ServerResponse) => void {
      return (request, response) => {
        const first = Number(request.searchParams.get("from"));
        const messages = versions.filter((seq) => seq >= first).map((seq) => logged(seq));
        answerJson(response, 200, { messages: messages.slice(0, 2), version: 99, first_seq: versions[0] });
      };
    }

    test.each<[string, kept: number[], actual: number, received: object[]]>([
      ["nothing is kept before", [9, 10], 9, [gap(4, 9)]],
      ["everything is kept", [1, 2, 3, 4, 5, 6, 7, 8, 9], 9, [4, 5, 6, 7, 8].map((v) => message(v))],
      ["the end is kept", [7, 8, 9], 9, [gap(4, 7), message(7), message(8)]],
      ["the beginning is kept", [4, 5, 9], 9, [message(4), message(5), gap(6, 9)]],
      ["no messages are kept", [], 9, [gap(4, 9)]],
      ["more was trimmed meanwhile", [12, 13], 9, [gap(4, 9)]],
    ])("where %s", async (_, kept, actual, received) => {
      const step: PeerStep = (peer) => peer.send(gap(4, actual), message(9), state(9), tombstoned);
      await using server = await streamServer({ steps: [step], answer: replaying(...kept) });
      expect(await all(open(server).stream(from(3)))).toEqual([
        ...received,
        message(9),
        state(9),
        tombstoned,
      ]);
    });

    test("after one, it is asked for what comes behind", async () => {
      const first: PeerStep = (peer) => {
        peer.send(gap(4, 9));
        peer.cut();
      };
      await using server = await streamServer({ steps: [first, goodbye], answer: replaying() });
      expect(await all(open(server).stream(from(3)))).toEqual([gap(4, 9), tombstoned]);
      expect(server.peers.map(({ cursor }) => cursor)).toEqual([3, 8]);
    });

    test("who wants no messages, replays none", async () => {
      const step: PeerStep = (peer) => peer.send(gap(4, 9), state(9), tombstoned);
      await using server = await streamServer({ steps: [step], answer: replaying(8, 9) });
      const events = open(server).stream(from(3, { includeMessages: false }));
      expect(await all(events)).toEqual([gap(4, 9), state(9), tombstoned]);
      expect(server.calls).toEqual([]);
    });

    test("a replay that fails is tried again with the stream", async () => {
      let calls = 0;
      const step: PeerStep = (peer) => peer.send(gap(4, 9), message(9), tombstoned);
      await using server = await streamServer({
        steps: [step],
        answer: (request, response) => {
          if (++calls === 2) answerJson(response, 503, { error: "unavailable", message: "no" });
          else replaying(4, 5, 6)(request, response);
        },
      });
      const events = open(server, streamClock(), { retries: 0 }).stream(from(3));
      expect(await all(events)).toEqual([
        message(4),
        message(5),
        message(6),
        gap(7, 9),
        message(9),
        tombstoned,
      ]);
      expect(server.peers.map(({ cursor }) => cursor)).toEqual([3, 4]);
    });

    test("a cursor ahead of the store goes back to where that is", async () => {
      const first: PeerStep = (peer) => {
        peer.send(gap(31, 5), message(6), state(6));
        peer.cut();
      };
      const second: PeerStep = (peer) => peer.send(message(7), tombstoned);
      await using server = await streamServer({ steps: [first, second] });
      expect(await all(open(server).stream(from(30)))).toEqual([
        gap(31, 5),
        message(6),
        state(6),
        message(7),
        tombstoned,
      ]);
      expect(server.peers.map(({ cursor }) => cursor)).toEqual([30, 6]);
      expect(server.calls).toEqual([]);
    });
  });

  describe("an end", () => {
    const quiet: PeerStep = (peer) => peer.send(message(1));

    test("break closes the connection", async () => {
      await using server = await streamServer({ steps: [quiet] });
      const clock = streamClock();
      for await (const event of open(server, clock).stream(from(0))) {
        expect(event).toEqual(message(1));
        break;
      }
      await server.peers[0]?.closed;
      expect([clock.watches(), server.peers.length]).toEqual([0, 1]);
    });

    test("return() ends an event that is waited for", async () => {
      await using server = await streamServer({ steps: [quiet] });
      const clock = streamClock();
      const events = open(server, clock).stream(from(0));
      await events.next();
      const next = events.next();
      await turns();
      expect(await events.return()).toEqual({ done: true, value: undefined });
      expect(await next).toEqual({ done: true, value: undefined });
      await server.peers[0]?.closed;
      expect(clock.watches()).toBe(0);
    });

    test("throw() closes the connection", async () => {
      await using server = await streamServer({ steps: [quiet] });
      const events = open(server).stream(from(0));
      await events.next();
      await expect(events.throw(new Error("thrown in"))).rejects.toThrow("thrown in");
      await server.peers[0]?.closed;
    });

    test("disposing of it", async () => {
      await using server = await streamServer({ steps: [quiet] });
      {
        await using events = open(server).stream(from(0));
        await events.next();
      }
      await server.peers[0]?.closed;
    });

    test("closing a connection of many leaves no listener behind", async () => {
      await using server = await streamServer({ steps: [quiet] });
      const transport = new Transport(
        {
          baseUrl: server.baseUrl,
          headers: {},
          fetch: undefined,
          timeoutMs: 5000,
          deadlineMs: 5000,
          retries: 0,
          WebSocket: client.WebSocket,
        },
        streamClock(),
      );
      const connect = connectorTo(transport, "/contexts/c/stream", stream, async () => {});
      const { signal } = new AbortController();
      for (let i = 0; i < 3; i++) {
        const connection = await connect(0, signal);
        expect(await connection.next()).toEqual(message(1));
        expect(getEventListeners(signal, "abort").length).toBeGreaterThan(0);
        connection.close();
        connection.close();
        expect(getEventListeners(signal, "abort")).toEqual([]);
      }
    });

    test("the tombstone leaves nothing behind", async () => {
      await using server = await streamServer({ steps: [goodbye] });
      const clock = streamClock();
      const { signal } = new AbortController();
      await all(open(server, clock).stream(from(0, { signal })));
      await server.peers[0]?.closed;
      expect([clock.watches(), getEventListeners(signal, "abort").length]).toEqual([0, 0]);
    });
  });

  describe("abort", () => {
    const reason = new Error("no longer wanted");
    const phases: Record<
      string,
      { steps: PeerStep[]; held?: boolean; options?: StreamOptions; until: string }
    > = {
      "before the first event is asked for": { steps: [goodbye], until: "nothing" },
      "while the version is asked for": { steps: [goodbye], options: stream, until: "call" },
      "while it connects": { steps: [() => {}], until: "peer" },
      "while it waits for the first event": { steps: [(peer) => peer.accept()], until: "peer" },
      "in a pause": { steps: [(peer) => peer.cut()], held: true, until: "pause" },
      "in a replay": {
        steps: [(peer) => peer.send({ type: "gap", expected: 1, actual: 9 })],
        until: "call",
      },
    };
    test.each(Object.entries(phases))("%s", async (_, { steps, held = false, options, until }) => {
      let called = () => {};
      const call = new Promise<void>((resolve) => (called = resolve));
      const hangs = options === stream || until === "call";
      await using server = await streamServer({
        steps: [steps[0] ?? goodbye],
        answer: (request, response) => (hangs ? called() : record(0)(request, response)),
      });
      const clock = streamClock({ held });
      const stop = new AbortController();
      const { signal } = stop;
      const events = open(server, clock).stream({ ...(options ?? from(0)), signal });
      if (until === "nothing") stop.abort(reason);
      const next = events.next();
      const outcome = expect(next).rejects.toBe(reason);
      if (until === "peer") await server.peer(1);
      if (until === "call") await call;
      if (until === "pause") while (clock.pauses.length === 0) await turns(1);
      await turns();
      stop.abort(reason);
      await outcome;
      expect(await events.next()).toEqual({ done: true, value: undefined });
      for (const peer of server.peers) await peer.closed;
      expect([clock.watches(), getEventListeners(signal, "abort").length]).toEqual([0, 0]);
    });

    test("while events lie ready, and the reader is busy", async () => {
      const step: PeerStep = (peer) => peer.send(message(1), message(2));
      await using server = await streamServer({ steps: [step] });
      const stop = new AbortController();
      const events = open(server).stream(from(0, { signal: stop.signal }));
      await events.next();
      stop.abort(reason);
      await server.peers[0]?.closed;
      await expect(events.next()).rejects.toBe(reason);
      expect(getEventListeners(stop.signal, "abort").length).toBe(0);
    });
  });

  test("connections that carry one event each bring the stream further", async () => {
    const step: PeerStep = (peer) => {
      peer.send(peer.cursor < 4 ? message(peer.cursor + 1) : tombstoned);
      peer.cut();
    };
    await using server = await streamServer({ steps: [step] });
    const events = await all(open(server).stream(from(0)));
    expect(events).toEqual([...[1, 2, 3, 4].map((version) => message(version)), tombstoned]);
    // Each event is asked for twice more, because of the state that belongs to it.
    const cursors = server.peers.map(({ cursor }) => cursor);
    expect(cursors).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]);
  });

  test("a state that was left out is told once the conversation is quiet", async () => {
    let connections = 0;
    const step: PeerStep = (peer) => {
      const { cursor } = peer;
      connections++;
      if (cursor === 1) {
        peer.accept(); // Nothing happens.
        return;
      }
      peer.send(message(1));
      if (connections > 3) peer.send(state(1), tombstoned);
      else peer.cut();
    };
    await using server = await streamServer({ steps: [step] });
    const clock = streamClock();
    const events = open(server, clock).stream(from(0));
    expect(await events.next()).toMatchObject({ value: message(1) });
    const next = events.next();
    await server.peer(4);
    // One for the silence of the server, one for the quiet of the conversation.
    while (clock.watches() < 2) await turns(1);
    clock.advance(60_000);
    expect(await next).toMatchObject({ value: state(1) });
    expect(await events.next()).toMatchObject({ value: tombstoned });
    expect(server.peers.map(({ cursor }) => cursor)).toEqual([0, 0, 0, 1, 0]);
    expect(await events.next()).toMatchObject({ done: true });
    expect(clock.watches()).toBe(0);
  });

  test("a connection that told something newer than what was left out is kept", async () => {
    const step: PeerStep = (peer) => {
      if (peer.cursor === 1) peer.send(message(2), state(2));
      else {
        peer.send(message(1));
        peer.cut();
      }
    };
    await using server = await streamServer({ steps: [step] });
    const clock = streamClock();
    const events = open(server, clock).stream(from(0));
    const told = [await events.next(), await events.next(), await events.next()].map(({ value }) => value);
    expect(told).toEqual([message(1), message(2), state(2)]);
    const next = events.next();
    await turns();
    clock.advance(60_000);
    await turns();
    expect(server.peers.map(({ cursor }) => cursor)).toEqual([0, 0, 0, 1]);
    server.peers[3]?.send(tombstoned);
    expect(await next).toMatchObject({ value: tombstoned });
  });

  test("a server that falls silent is given up", async () => {
    const first: PeerStep = (peer) => peer.send(message(1), state(1));
    await using server = await streamServer({ steps: [first, goodbye] });
    const clock = streamClock();
    const events = open(server, clock).stream(from(0));
    await events.next();
    await events.next();
    const next = events.next();
    await turns();
    clock.advance(75_000);
    expect(await next).toEqual({ done: false, value: tombstoned });
    await server.peers[0]?.closed;
    expect(server.peers.map(({ cursor }) => cursor)).toEqual([0, 1]);
  });

  test("a ping is a sign of life", async () => {
    await using server = await streamServer({ steps: [(peer) => peer.send(message(1))] });
    const clock = streamClock();
    const events = open(server, clock).stream(from(0));
    await events.next();
    const next = events.next();
    const peer = await server.peer(1);
    await turns();
    clock.advance(70_000);
    const { looks } = clock;
    const before = looks();
    peer.send({ type: "ping" });
    while (looks() === before) await turns(1);
    if (kind === "websocket") expect(JSON.parse(await peer.heard())).toEqual({ type: "pong" });
    clock.advance(5000);
    await turns();
    expect([clock.watches(), server.peers.length]).toEqual([1, 1]);
    peer.send(tombstoned);
    expect(await next).toMatchObject({ value: tombstoned });
  });
});

import { getEventListeners } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { clientOver } from "../src/client.js";
import { FastpacaError, type Client } from "../src/index.js";
import { systemClock } from "../src/pacing.js";
import { recordingClock } from "./recording-clock.js";
import {
  dropHalfway,
  dropUnanswered,
  dropUnread,
  failure,
  halfAnswer,
  json,
  noContent,
  scriptedServer,
  silence,
  text,
  type Step,
} from "./scripted-server.js";

const message = { role: "user", parts: [{ type: "text", text: "hi" }] };
const done = json(200, { id: "c", seq: 1, version: 1, messages: [], conversations: [] });
const html = "<html><body>\n<h1>Bad gateway</h1></body></html>";

const repeatable: Record<string, (client: Client) => Promise<unknown>> = {
  append: (c) => c.openContext("c").append(message),
  context: (c) => c.context("c"),
  conversation: (c) => c.conversation("c"),
  tail: (c) => c.openContext("c").tail(),
  window: (c) => c.openContext("c").context(),
  info: (c) => c.openContext("c").info(),
  updateMetadata: (c) => c.openContext("c").updateMetadata({}),
  list: (c) => c.list(),
};
const once: Record<string, (client: Client) => Promise<unknown>> = {
  compact: (c) => c.openContext("c").compact([message], { ifVersion: 3, throughSeq: 3 }),
  reset: (c) => c.openContext("c").reset(),
  tombstone: (c) => c.openContext("c").tombstone(),
  purge: (c) => c.openContext("c").purge(),
  tombstoneConversation: (c) => c.tombstoneConversation("c"),
  deleteConversation: (c) => c.deleteConversation("c", { purge: true }),
  deleteContext: (c) => c.deleteContext("c", { purge: true }),
};

interface Trouble {
  readonly step: Step;
  readonly code: string;
  /** Attempts out of two: of calls that can be repeated, and of those that cannot. */
  readonly attempts: [repeatable: 1 | 2, once: 1 | 2];
}
const troubles: Record<string, Trouble> = {
  "400": { step: failure(400, "invalid_request"), code: "invalid_request", attempts: [1, 1] },
  "401": { step: failure(401, "unauthorized"), code: "unauthorized", attempts: [1, 1] },
  "404": { step: failure(404, "not_found"), code: "not_found", attempts: [1, 1] },
  "409": { step: failure(409, "conflict"), code: "conflict", attempts: [1, 1] },
  "410": { step: failure(410, "tombstoned"), code: "tombstoned", attempts: [1, 1] },
  "413": { step: failure(413, "payload_too_large"), code: "payload_too_large", attempts: [1, 1] },
  "415": { step: failure(415, "unsupported_media_type"), code: "unsupported_media_type", attempts: [1, 1] },
  "422": { step: failure(422, "idempotency_key_reused"), code: "idempotency_key_reused", attempts: [1, 1] },
  "429": { step: failure(429, "rate_limited"), code: "rate_limited", attempts: [2, 2] },
  "429 from a proxy": { step: text(429, html), code: "rate_limited", attempts: [2, 2] },
  "500": { step: failure(500, "internal"), code: "internal", attempts: [1, 1] },
  "503 unavailable": { step: failure(503, "unavailable"), code: "unavailable", attempts: [2, 2] },
  "503 outcome_unknown": { step: failure(503, "outcome_unknown"), code: "outcome_unknown", attempts: [2, 1] },
  "502 from a proxy": { step: text(502, html), code: "unavailable", attempts: [2, 1] },
  "503 from a proxy": { step: text(503, html), code: "unavailable", attempts: [2, 1] },
  "504 from a proxy": { step: text(504, ""), code: "unavailable", attempts: [2, 1] },
  "413 from a proxy": { step: text(413, html), code: "payload_too_large", attempts: [1, 1] },
  "404 from a proxy": { step: text(404, html), code: "invalid_response", attempts: [1, 1] },
  "200 from a proxy": { step: text(200, html), code: "invalid_response", attempts: [1, 1] },
  "200 with a list": { step: json(200, []), code: "invalid_response", attempts: [1, 1] },
  "an unknown code": { step: failure(400, "no_such_code"), code: "invalid_response", attempts: [1, 1] },
  redirect: { step: text(302, "", { location: "/elsewhere" }), code: "invalid_response", attempts: [1, 1] },
  "dropped unread": { step: dropUnread, code: "network", attempts: [2, 1] },
  "dropped unanswered": { step: dropUnanswered, code: "network", attempts: [2, 1] },
  "dropped halfway": { step: dropHalfway, code: "network", attempts: [2, 1] },
};

describe.each(Object.entries(troubles))("%s", (_, { step, code, attempts: [many, few] }) => {
  const calls = [
    ...Object.entries(repeatable).map(([name, call]) => ({ name, call, attempts: many })),
    ...Object.entries(once).map(([name, call]) => ({ name, call, attempts: few })),
  ];

  test.each(calls)("$name: $attempts attempts", async ({ call, attempts }) => {
    await using server = await scriptedServer(step, done);
    const client = clientOver({ baseUrl: server.baseUrl }, recordingClock());
    if (attempts === 1) await expect(call(client)).rejects.toMatchObject({ name: "FastpacaError", code });
    else await call(client);
    expect(server.requests()).toBe(attempts);
  });

  test("in the end, its own code", async () => {
    await using server = await scriptedServer(step);
    const client = clientOver({ baseUrl: server.baseUrl, retries: 2 }, recordingClock());
    const error: unknown = await client
      .openContext("c")
      .append(message)
      .catch((error: unknown) => error);
    expect(FastpacaError.is(error) && { code: error.code, retryable: error.retryable }).toEqual({
      code,
      retryable: many === 2,
    });
    expect(server.requests()).toBe(many === 2 ? 3 : 1);
  });
});

describe("timeouts", () => {
  test.each([
    ["no answer", silence],
    ["half an answer", halfAnswer],
  ])("%s: repeated where that does no harm", async (_, step) => {
    await using server = await scriptedServer(step, done);
    const client = clientOver({ baseUrl: server.baseUrl, timeoutMs: 100 }, recordingClock());
    expect(await client.openContext("c").append(message)).toMatchObject({ seq: 1 });
    expect(server.requests()).toBe(2);
  });

  test("a compaction that timed out is not repeated", async () => {
    await using server = await scriptedServer(silence, done);
    const client = clientOver({ baseUrl: server.baseUrl }, recordingClock());
    const compaction = client.openContext("c").compact([message], { timeoutMs: 50 });
    await expect(compaction).rejects.toMatchObject({ code: "timeout", status: undefined, retryable: true });
    expect(server.requests()).toBe(1);
  });

  test("holds even where fetch does not listen to its signal", async () => {
    const fetch = () => new Promise<Response>(() => {});
    const client = clientOver({ baseUrl: "http://h/v1", fetch, timeoutMs: 5, retries: 1 }, recordingClock());
    await expect(client.openContext("c").info()).rejects.toMatchObject({ code: "timeout" });
  });

  test("of a call must be a time", async () => {
    const client = clientOver({ baseUrl: "http://h/v1" });
    const call = client.openContext("c").info({ timeoutMs: Number.POSITIVE_INFINITY });
    await expect(call).rejects.toMatchObject({ code: "invalid_request" });
  });
});

test("a refused connection is repeated by every call: nothing was sent", async () => {
  let closed: string;
  {
    await using server = await scriptedServer(done);
    closed = server.baseUrl;
  }
  await using server = await scriptedServer(done);
  let calls = 0;
  const client = clientOver(
    {
      baseUrl: closed,
      fetch: (url, init) => fetch(calls++ % 2 === 0 ? url : url.replace(closed, server.baseUrl), init),
    },
    recordingClock(),
  );
  await client.openContext("c").compact([message]);
  await client.openContext("c").append(message);
  await client.openContext("c").tombstone();
  await client.openContext("c").purge();
  expect(calls).toBe(8);
  expect(server.seen).toHaveLength(4);
});

test("a network error says where and why", async () => {
  let closed: string;
  {
    await using server = await scriptedServer(done);
    closed = server.baseUrl;
  }
  const client = clientOver({ baseUrl: closed, retries: 0 });
  const error: unknown = await client
    .openContext("c")
    .info()
    .catch((error: unknown) => error);
  expect(error).toMatchObject({ code: "network", cause: expect.any(TypeError) });
  expect(String(error)).toContain(`GET /contexts/c: no complete answer from ${closed}: connect ECONNREFUSED`);
});

test("an append keeps its key and its content across retries", async () => {
  await using server = await scriptedServer(
    dropUnanswered,
    failure(429, "rate_limited"),
    failure(503, "unavailable"),
    failure(503, "outcome_unknown"),
    json(201, { seq: 7, version: 8, deduplicated: true }),
  );
  const client = clientOver({ baseUrl: server.baseUrl }, recordingClock());
  const mutable = { role: "user", parts: [{ type: "text", text: "as it was" }] };
  const appended = client.openContext("c").append(mutable);
  mutable.role = "changed meanwhile";
  expect(await appended).toEqual({ seq: 7, version: 8, deduplicated: true });
  const bodies = server.seen.map(({ text }) => text);
  expect(bodies).toHaveLength(5);
  expect(new Set(bodies).size).toBe(1);
  expect(bodies[0]).toContain("as it was");
  expect(bodies[0]).toMatch(/"idempotency_key":"[0-9a-f-]{36}"/);
});

describe("a removal", () => {
  const removals: [string, (client: Client) => Promise<void>][] = [
    ["purge", (c) => c.openContext("c").purge()],
    ["tombstone", (c) => c.openContext("c").tombstone()],
  ];

  test.each(removals)("(%s) whose answer is lost does nothing to the next life", async (_, call) => {
    let life = ["of the first life"];
    const remove: Step = (response, request) => {
      life = [];
      noContent(response, request);
    };
    const removeAndBeginAnew: Step = (response) => {
      life = ["of the next life"];
      response.destroy();
    };
    await using server = await scriptedServer(removeAndBeginAnew, remove);
    const client = clientOver({ baseUrl: server.baseUrl }, recordingClock());
    await expect(call(client)).rejects.toMatchObject({ code: "network" });
    expect(life).toEqual(["of the next life"]);
  });

  test.each(removals)("(%s) that finds nothing says so", async (_, call) => {
    await using server = await scriptedServer(failure(503, "unavailable"), failure(404, "not_found"));
    const client = clientOver({ baseUrl: server.baseUrl }, recordingClock());
    await expect(call(client)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("pauses", () => {
  test("grow exponentially, with full jitter, and end with the attempts", async () => {
    await using server = await scriptedServer(failure(503, "unavailable"));
    const clock = recordingClock({ random: 0.5 });
    const client = clientOver({ baseUrl: server.baseUrl, retries: 8 }, clock);
    await expect(client.openContext("c").info()).rejects.toMatchObject({ code: "unavailable" });
    expect(clock.pauses).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  test("five attempts by default", async () => {
    await using server = await scriptedServer(dropUnanswered);
    const client = clientOver({ baseUrl: server.baseUrl }, recordingClock());
    await expect(client.openContext("c").info()).rejects.toMatchObject({ code: "network" });
    expect(server.requests()).toBe(5);
  });

  const now = Date.UTC(2025, 0, 1, 12, 0, 0);
  test.each([
    ["7", 7000],
    ["0", 0],
    ["3600", 30_000],
    ["Wed, 01 Jan 2025 12:00:05 GMT", 5000],
    ["Wed, 01 Jan 2025 11:00:00 GMT", 0],
    ["soon", 0],
    ["-5", 0],
  ])("Retry-After %s", async (header, expected) => {
    await using server = await scriptedServer(failure(429, "rate_limited", { "retry-after": header }), done);
    const clock = recordingClock({ random: 0, now });
    await clientOver({ baseUrl: server.baseUrl }, clock).openContext("c").compact([]);
    expect(clock.pauses).toEqual([expected]);
  });

  test("those who were sent away together do not come back together", async () => {
    await using server = await scriptedServer(failure(429, "rate_limited", { "retry-after": "1" }), done);
    const clock = recordingClock({ random: 0.5 });
    await clientOver({ baseUrl: server.baseUrl }, clock).openContext("c").info();
    expect(clock.pauses).toEqual([1100]);
  });

  test("the deadline ends a call that has attempts left", async () => {
    await using server = await scriptedServer(failure(429, "rate_limited", { "retry-after": "3" }));
    const clock = recordingClock({ random: 0 });
    const client = clientOver(
      { baseUrl: server.baseUrl, timeoutMs: 1000, deadlineMs: 10_000, retries: 99 },
      clock,
    );
    await expect(client.openContext("c").info()).rejects.toMatchObject({ code: "rate_limited", status: 429 });
    expect(clock.pauses).toEqual([3000, 3000, 3000]);
  });

  test("the last attempt has only the time that is left", async () => {
    await using server = await scriptedServer(failure(429, "rate_limited", { "retry-after": "1" }), silence);
    const clock = recordingClock({ random: 0 });
    const client = clientOver({ baseUrl: server.baseUrl, timeoutMs: 1000, deadlineMs: 1050 }, clock);
    await expect(client.openContext("c").compact([])).rejects.toThrow("within 50 ms");
  });
});

describe("an aborted call rejects with the signal's reason", () => {
  const reason = new Error("changed my mind");

  test("before anything is sent", async () => {
    await using server = await scriptedServer(done);
    const client = clientOver({ baseUrl: server.baseUrl });
    const signal = AbortSignal.abort(reason);
    await expect(client.openContext("c").append(message, { signal })).rejects.toBe(reason);
    await expect(client.context("c", {}, { signal })).rejects.toBe(reason);
    expect(server.requests()).toBe(0);
  });

  test.each([
    ["while the server is silent", silence],
    ["while the answer arrives", halfAnswer],
  ])("%s", async (_, step) => {
    const controller = new AbortController();
    await using server = await scriptedServer((response, request) => {
      step(response, request);
      controller.abort(reason);
    });
    const client = clientOver({ baseUrl: server.baseUrl, retries: 0 });
    await expect(client.openContext("c").tail({ signal: controller.signal })).rejects.toBe(reason);
    expect(server.requests()).toBe(1);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  test("during a pause", async () => {
    const controller = new AbortController();
    await using server = await scriptedServer(failure(429, "rate_limited", { "retry-after": "30" }));
    const client = clientOver(
      { baseUrl: server.baseUrl },
      {
        ...systemClock,
        sleep: (ms, signal) => {
          const pause = systemClock.sleep(ms, signal);
          controller.abort(reason);
          return pause;
        },
      },
    );
    await expect(client.openContext("c").tail({ signal: controller.signal })).rejects.toBe(reason);
    expect(server.requests()).toBe(1);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  test("with the default reason, as fetch does", async () => {
    const client = clientOver({ baseUrl: "http://h/v1" });
    const call = client.openContext("c").info({ signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("nothing is left behind", () => {
  test("no listener on a signal that lives on, no timer", async () => {
    const { signal } = new AbortController();
    await using server = await scriptedServer(
      failure(503, "unavailable"),
      dropUnanswered,
      done,
      failure(404, "not_found"),
    );
    const started = vi.spyOn(globalThis, "setTimeout");
    const cleared = vi.spyOn(globalThis, "clearTimeout");
    const timers = () =>
      started.mock.results
        .filter((_, call) => started.mock.calls[call]?.[1] === 12_345)
        .map(({ value }) => value);
    try {
      const client = clientOver({ baseUrl: server.baseUrl, timeoutMs: 12_345 }, recordingClock());
      await client.openContext("c").append(message, { signal });
      await expect(client.openContext("c").info({ signal })).rejects.toThrow();
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
      expect(timers()).toHaveLength(4);
      for (const timer of timers()) expect(cleared).toHaveBeenCalledWith(timer);
    } finally {
      vi.restoreAllMocks();
    }
  });

  test("a pause that ends by itself leaves no listener", async () => {
    const { signal } = new AbortController();
    await systemClock.sleep(1, signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("connections are used again, also after errors and empty answers", async () => {
    const page = "x".repeat(300_000);
    const rounds = 10;
    const script = [text(404, page), failure(409, "conflict"), noContent, text(200, page), text(302, page)];
    await using server = await scriptedServer(done, ...Array.from({ length: rounds }, () => script).flat());
    const context = clientOver({ baseUrl: server.baseUrl }).openContext("c");
    await context.info();
    for (let round = 0; round < rounds; round++) {
      await expect(context.info()).rejects.toThrow();
      await expect(context.append(message)).rejects.toThrow();
      await context.tombstone();
      await expect(context.info()).rejects.toThrow();
      await expect(context.info()).rejects.toThrow();
    }
    expect(server.requests()).toBe(1 + rounds * script.length);
    // Node's fetch may open a second one while the first is being handed back.
    expect(server.connections()).toBeLessThanOrEqual(3);
  });
});

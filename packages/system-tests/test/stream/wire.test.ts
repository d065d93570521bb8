import type { Driver } from "@fastpaca/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shared } from "../drivers.js";
import { BACKENDS, type Backend } from "../http/backends.js";
import { say, type Client } from "../http/client.js";
import { serve, type Serving } from "../http/serve.js";
import { parameters } from "../runner.js";
import { Checker } from "./checker.js";
import { CuttingProxy } from "./cutting-proxy.js";
import { ENCODINGS, EVENTS, type Encoding } from "./encodings.js";
import { LogRecord } from "./log-record.js";

const ID = "c";
const MATRIX = BACKENDS.flatMap((backend) => ENCODINGS.map((encoding) => ({ backend, encoding })));
const CASES = MATRIX.map(
  ({ backend, encoding }) => [`${encoding.name} over ${backend.name}`, backend, encoding] as const,
);

interface Recorded extends AsyncDisposable {
  readonly server: Serving;
  readonly record: LogRecord;
  readonly client: Client;
}

async function serveRecorded(backend: Backend): Promise<Recorded> {
  const record = new LogRecord();
  const server = await serve(backend, { wrap: (driver) => record.recording(driver) });
  const client = server.connect();
  return { server, record, client, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

type Step = "append" | "batch" | "large" | "compact" | "reset" | "configure" | "patch";

async function take(client: Client, step: Step, at: number): Promise<void> {
  const context = `/v1/contexts/${ID}`;
  switch (step) {
    case "append":
      await client.post(`${context}/messages`, { message: say(`${at} \u{1F999}`) });
      return;
    case "batch":
      await client.post(`${context}/messages`, {
        messages: Array.from({ length: 40 }, (_, n) => say(`${at}/${n}`)),
      });
      return;
    case "large":
      await client.post(`${context}/messages`, { message: say(`${at} `.padEnd(70_000, "é")) });
      return;
    case "compact":
      await client.post(`${context}/compact`, { replacement: [say("summary")] });
      return;
    case "reset":
      await client.post(`${context}/reset`, {});
      return;
    case "configure":
      await client.put(context, { token_budget: 10 + at });
      return;
    case "patch":
      await client.send("PATCH", `${context}/metadata`, { metadata: { at } });
  }
}

interface Watch {
  readonly context: boolean;
  readonly messages: boolean;
  /** Bytes after which its connections break, one after the other. */
  readonly cuts: readonly number[];
}

/** Connects again and again from where it was, until the tombstone. */
async function watch(
  { server, record }: Recorded,
  encoding: Encoding,
  { context, messages, cuts }: Watch,
  start: number,
): Promise<void> {
  await using proxy = await CuttingProxy.to(server.port, cuts);
  const life = record.life(ID);
  let cursor = start;
  for (;;) {
    const path = `/v1/${context ? "contexts" : "conversations"}/${ID}/stream`;
    const query = `?cursor=${encoding === EVENTS ? 0 : cursor}&include_messages=${messages}`;
    const headers = encoding === EVENTS ? { "last-event-id": String(cursor) } : {};
    const least = life.version;
    let stream;
    try {
      stream = await encoding.open(proxy.port, path + query, { headers });
    } catch {
      // Cut before it was a stream.
      continue;
    }
    using open = stream;
    const ending = await open.ended;
    await record.settled();
    const checker = new Checker(life, { cursor, opened: [least, life.version], context, messages });
    for (const frame of open.frames) checker.take(frame);
    await checker.expectStates();
    if (checker.ended) {
      // The last frame may have come, and the connection have been cut behind it.
      expect([encoding.endings.done, "broken", 1006]).toContain(ending);
      return;
    }
    if (encoding === EVENTS && open.lastId !== undefined) expect(open.lastId).toBe(String(checker.cursor));
    cursor = checker.cursor;
  }
}

describe.each(CASES)("a stream by %s", { timeout: 120_000 }, (_name, backend, encoding) => {
  test("that breaks at any byte goes on where it was", async () => {
    const length = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 3000, max: 200_000 }));
    const watching = fc.record({
      context: fc.boolean(),
      messages: fc.boolean(),
      cuts: fc.array(length, { maxLength: 12 }),
    });
    const step = fc.constantFrom<Step>(
      "append",
      "append",
      "batch",
      "large",
      "compact",
      "reset",
      "configure",
      "patch",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.array(watching, { minLength: 1, maxLength: 5 }),
        async (before, during, watches) => {
          await using recorded = await serveRecorded(backend);
          const { client, record } = recorded;
          await client.put(`/v1/contexts/${ID}`);
          for (const [at, step] of before.entries()) await take(client, step, at);
          const { version } = record.life(ID);
          const watching = watches.map((watched, at) =>
            watch(recorded, encoding, watched, at % 2 === 0 ? 0 : version),
          );
          const writing = async (): Promise<void> => {
            for (const [at, step] of during.entries()) await take(client, step, 100 + at);
            await client.delete(`/v1/contexts/${ID}`);
          };
          await Promise.all([writing(), ...watching]);
        },
      ),
      { ...parameters(25, backend.pace), timeout: 20_000 },
    );
  });

  test("ends at once when the conversation is purged", async () => {
    await using recorded = await serveRecorded(backend);
    const { client, server } = recorded;
    await client.put(`/v1/conversations/${ID}`);
    await client.post(`/v1/conversations/${ID}/messages`, { message: say("one") });
    using stream = await encoding.open(server.port, `/v1/conversations/${ID}/stream?cursor=0`);
    await stream.untilMessages(1);
    await client.delete(`/v1/conversations/${ID}?purge=true`);
    expect(await stream.ended).toBe(encoding.endings.done);
    expect(stream.frames.slice(1)).toEqual([{ type: "tombstoned", version: 0 }]);
  });

  test("of what was tombstoned replays, and ends", async () => {
    await using recorded = await serveRecorded(backend);
    const { client, server, record } = recorded;
    await client.put(`/v1/contexts/${ID}`);
    await take(client, "batch", 1);
    await take(client, "compact", 2);
    await client.delete(`/v1/contexts/${ID}`);
    using stream = await encoding.open(server.port, `/v1/contexts/${ID}/stream?cursor=7`);
    expect(await stream.ended).toBe(encoding.endings.done);
    const life = record.life(ID);
    const checker = new Checker(life, { cursor: 7, opened: [41, 41], context: true, messages: true });
    for (const frame of stream.frames) checker.take(frame);
    expect(checker.ended).toBe(true);
    await checker.finish();
  });

  test("ahead of the log says so, and goes on behind it", async () => {
    await using recorded = await serveRecorded(backend);
    const { client, server } = recorded;
    await client.put(`/v1/contexts/${ID}`);
    await take(client, "append", 1);
    using stream = await encoding.open(server.port, `/v1/contexts/${ID}/stream?cursor=9007199254740990`);
    await stream.until((frames) => frames.length === 1, "the gap");
    await take(client, "reset", 2);
    await stream.until((frames) => frames.length === 3, "the reset");
    expect(stream.frames).toMatchObject([
      { type: "gap", expected: 9_007_199_254_740_991, actual: 1 },
      { type: "reset", version: 2 },
      { type: "context", version: 2 },
    ]);
    if (encoding === EVENTS) expect(stream.lastId).toBe("2");
  });

  test("of what was trimmed says so, and resumes before what comes next", async () => {
    const drivers: Driver[] = [];
    await using server = await serve(backend, {
      wrap: (driver) => {
        drivers.push(driver);
        return shared(driver);
      },
    });
    const client = server.connect();
    await client.put(`/v1/contexts/${ID}`, { policy: { strategy: "last_n", config: { limit: 1 } } });
    for (let at = 0; at < 5; at++) await take(client, "append", at);
    for (const driver of drivers) {
      const [head] = await driver.heads([ID]);
      if (head === undefined) throw new Error("there is no head");
      const trimmed = { ...head, revision: head.revision + 1, firstSeq: 4 };
      await driver.commit([
        { id: ID, base: head.revision, head: trimmed, messages: [], marks: [], keys: [] },
      ]);
      await driver.prune(ID, 4);
    }
    using stream = await encoding.open(server.port, `/v1/contexts/${ID}/stream?cursor=1`);
    await stream.until((frames) => frames.length === 4, "the rest");
    expect(stream.frames).toMatchObject([
      { type: "gap", expected: 2, actual: 4 },
      { type: "message", version: 4, seq: 4 },
      { type: "message", version: 5, seq: 5 },
      { type: "context", version: 5 },
    ]);
    if (encoding === EVENTS) expect(stream.ids).toEqual(["3", "4", "5", "5"]);
  });
});

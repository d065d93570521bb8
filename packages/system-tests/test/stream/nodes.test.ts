/** Streams that are opened at one server show what is written at another one over the same database. */
import type { Driver } from "@fastpaca/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { overriding } from "../drivers.js";
import { DURABLE_BACKENDS } from "../http/backends.js";
import { say, type Client } from "../http/client.js";
import { servePair } from "../http/serve.js";
import { ENCODINGS, type Stream } from "./encodings.js";

const PATH = "/v1/contexts/c";
/** Longest that a hint may take, in milliseconds: after that it counts as never told. */
const DEADLINE = 20_000;

afterEach(() => {
  vi.useRealTimers();
});

/** Backends whose drivers have a `watch`. */
const HINTING: ReadonlySet<string> = new Set(["postgres", "mongo"]);

const CASES = DURABLE_BACKENDS.flatMap((backend) => ENCODINGS.map((encoding) => ({ backend, encoding })));

describe.each(CASES)(
  "a stream by $encoding.name over $backend.name",
  { timeout: 120_000 },
  ({ backend, encoding }) => {
    test("finds by polling what is written at another server, in order and to the end", async () => {
      await using pair = await servePair(backend, { wrap: withoutHints });
      const [here, there] = pair.nodes;
      const writer = there.connect();
      await writer.put(PATH);
      using stream = await encoding.open(here.port, `${PATH}/stream?cursor=0`);
      await append(writer, 0, 3);
      await stream.untilMessages(3);
      await append(here.connect(), 3, 1);
      await writer.post(`${PATH}/compact`, { replacement: [say("summary")] });
      await append(writer, 4, 60);
      await writer.post(`${PATH}/reset`, {});
      await writer.delete(PATH);
      expect(await stream.ended).toBe(encoding.endings.done);
      expectOrder(stream, 64);
      const versions = stream.frames.filter(({ type }) => /^(message|compaction|reset)$/.test(type));
      expect(versions.map(({ version }) => version)).toEqual(versions.map((_, at) => at + 1));
      expect(versions).toHaveLength(66);
      expect(stream.frames.at(-1)).toMatchObject({ type: "tombstoned" });
    });

    // Without hints the test before says all.
    if (!HINTING.has(backend.name)) return;
    test("is told by hints of what is written at another server", async () => {
      await using pair = await servePair(backend);
      const [here, there] = pair.nodes;
      const writer = there.connect();
      await writer.put(PATH);
      // Polling and heartbeats stand still.
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
      using stream = await encoding.open(here.port, `${PATH}/stream?cursor=0`);
      const deadline = performance.now() + DEADLINE;
      let written = 0;
      // Hints may be lost, the more so while a watch begins.
      while (stream.of("message").length === 0) {
        if (performance.now() > deadline) throw new Error("no hint comes");
        await append(writer, written, 1);
        written += 1;
      }
      expectOrder(stream, stream.of("message").length);
    });
  },
);

async function append(writer: Client, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) {
    expect((await writer.post(`${PATH}/messages`, { message: say(`${n}`) })).status).toBe(201);
  }
}

function expectOrder(stream: Stream, count: number): void {
  const messages = stream.of("message");
  expect(messages.map(({ message }) => message?.["parts"])).toEqual(
    Array.from({ length: count }, (_, n) => [{ type: "text", text: `${n}` }]),
  );
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, at) => at + 1));
}

function withoutHints(driver: Driver): Driver {
  return overriding(driver, {});
}

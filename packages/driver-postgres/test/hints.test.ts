import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Audience, LOOK_AGAIN } from "../src/audience.js";
import type { Connections, Statement } from "../src/connections.js";
import { HintOutbox } from "../src/hints.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("hints of many commits travel together, in payloads that Postgres takes, and only if anybody listens", async () => {
  const sent: unknown[][] = [];
  let [looks, listening] = [0, true];
  const run = ({ text }: Statement, values: unknown[]): Promise<unknown[]> => {
    if (text.includes("pg_notify")) sent.push(values);
    else looks += 1;
    return Promise.resolve(listening ? [["1"]] : []);
  };
  // All of it that hints use.
  const connections = { run } as unknown as Connections;
  const outbox = new HintOutbox(connections, "channel", "me", new Audience(connections, "channel", "me"));
  const ids = Array.from({ length: 100 }, (_, index) => `${"ü".repeat(200)}${index}`);
  for (const id of ids) outbox.add([id]);
  await vi.advanceTimersByTimeAsync(100);
  expect([sent.length, looks]).toEqual([1, 1]);
  const [channel, payloads] = sent[0] as [string, string];
  expect(channel).toBe("channel");
  const lists = payloads.slice(2, -2).split('","');
  expect(Math.max(...lists.map((payload) => Buffer.byteLength(payload)))).toBeLessThan(8000);
  expect(lists.flatMap((payload) => payload.split("\n").slice(1))).toEqual(ids);

  outbox.add(["the answer still holds"]);
  await vi.advanceTimersByTimeAsync(100);
  expect([sent.length, looks]).toEqual([2, 1]);

  listening = false;
  await vi.advanceTimersByTimeAsync(LOOK_AGAIN);
  for (let count = 0; count < 10; count += 1) {
    outbox.add(["nobody hears this"]);
    await vi.advanceTimersByTimeAsync(50);
  }
  expect([sent.length, looks]).toEqual([2, 2]);

  listening = true;
  await vi.advanceTimersByTimeAsync(LOOK_AGAIN);
  outbox.add(["somebody hears this"]);
  await outbox.close();
  expect(sent.slice(2)).toEqual([["channel", '{"me\nsomebody hears this"}']]);
});

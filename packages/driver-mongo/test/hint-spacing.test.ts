import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openChanges } from "../src/changes.js";
import type { Database } from "../src/database.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A single server, as far as hints need one: the conversations of each hint that was written to it. */
function server(): { database: Database; written: string[][] } {
  const written: string[][] = [];
  const insertOne = ({ c }: { c: string[] }): Promise<void> => {
    written.push(c);
    return Promise.resolve();
  };
  const db = { command: () => Promise.resolve({ ok: 1 }), collection: () => ({ insertOne }) };
  // As much of it as hints use: a whole database would be a server.
  return { database: { db, deployment: "standalone", prefix: "" } as unknown as Database, written };
}

test("the first change after a pause is hinted at soon, those that follow share the next hint", async () => {
  const { database, written } = server();
  const changes = await openChanges(database, () => undefined);
  changes?.tell(["a"]);
  await vi.advanceTimersByTimeAsync(10);
  expect(written).toEqual([["a"]]);
  changes?.tell(["b"]);
  await vi.advanceTimersByTimeAsync(30);
  changes?.tell(["c"]);
  await vi.advanceTimersByTimeAsync(19);
  expect(written).toEqual([["a"]]);
  await vi.advanceTimersByTimeAsync(1);
  expect(written).toEqual([["a"], ["b", "c"]]);
  await vi.advanceTimersByTimeAsync(1000);
  changes?.tell(["d"]);
  await vi.advanceTimersByTimeAsync(10);
  expect(written).toEqual([["a"], ["b", "c"], ["d"]]);
});

import type { Store, Subscription } from "@fastpaca/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ID, numbered } from "../harness.js";
import { soon, turns, World } from "./world.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A window of two messages, so that all but two may be trimmed. */
const TWO = { policy: { strategy: "last_n", config: { limit: 2 } } } as const;

async function append(store: Store, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await store.conversations.append(ID, { message: numbered(n) });
}

/** Each frame as its type and version; a gap as what it says. */
async function take(subscription: Subscription, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const frames = await soon(subscription.next(), `frame ${taken.length + 1}`);
    if (frames.length === 0) throw new Error(`it ended behind ${taken.join(", ")}`);
    for (const { type, version, json } of frames) {
      const { expected, actual }: { expected?: number; actual?: number } = JSON.parse(json);
      taken.push(type === "gap" ? `gap ${expected} ${actual}` : `${type} ${version}`);
      // What comes next is there, so it is from before it that one resumes.
      if (type === "gap" && expected !== undefined && actual !== undefined)
        expect(version).toBe(actual > expected ? actual - 1 : actual);
    }
  }
  return taken;
}

/** Drivers that answer in a later turn of the event loop, as databases do. */
const DELAYS = [1];

describe("a stream of a log that is trimmed", () => {
  /** Eight messages and two resets: `1 2 3 reset 5 6 7 reset 9 10`, of which the first three messages are trimmed. */
  async function prepare(world: World): Promise<Store> {
    const store = world.store(0);
    await store.contexts.put(ID, TWO);
    await append(store, 1, 3);
    await store.contexts.reset(ID);
    await append(store, 4, 6);
    await store.contexts.reset(ID);
    await append(store, 7, 8);
    expect(await world.trim(ID, 4)).toBe(true);
    return store;
  }
  const KEPT = ["message 5", "message 6", "message 7", "reset 8", "message 9", "message 10"];

  test.each([
    [0, ["gap 1 5", ...KEPT]],
    [2, ["gap 3 5", ...KEPT]],
    [3, ["gap 4 5", ...KEPT]],
    [4, KEPT],
    [5, KEPT.slice(1)],
    [9, KEPT.slice(5)],
    [12, ["gap 13 10"]],
  ])("tells from cursor %d on what is there, and that the rest is gone", async (cursor, expected) => {
    for (const messages of [true, false]) {
      await using world = new World({ stores: 2, delays: DELAYS });
      const store = await prepare(world);
      const subscription = await store.contexts.subscribe(ID, { cursor, include_messages: messages });
      const wanted = expected.filter((frame) => messages || !frame.startsWith("message"));
      const state = cursor < 10 ? ["context 10"] : [];
      expect(await take(subscription, wanted.length + state.length)).toEqual([...wanted, ...state]);
      await append(store, 9, 9);
      const news = messages ? ["message 11", "context 11"] : ["context 11"];
      expect(await take(subscription, news.length)).toEqual(news);
      subscription.close();
    }
  });

  test("by another store, faster than this one looks, tells that something is gone, and goes on", async () => {
    await using world = new World({ stores: 2, cacheBytes: 0, delays: DELAYS });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.contexts.put(ID, TWO);
    await append(mine, 1, 3);
    const subscription = await mine.conversations.subscribe(ID);
    await append(other, 4, 8);
    expect(await world.trim(ID, 6)).toBe(true);
    const taking = take(subscription, 4);
    await turns(20);
    world.poll();
    expect(await taking).toEqual(["gap 4 6", "message 6", "message 7", "message 8"]);
    await append(other, 9, 9);
    world.poll();
    expect(await take(subscription, 1)).toEqual(["message 9"]);
  });

  // How many events one reading of the log brings is the store's own affair: it ends somewhere among many marks.
  test.each([true, false])(
    "while it is read tells that marks are gone whose messages are kept, with messages: %s",
    async (messages) => {
      await using world = new World({ stores: 2, cacheBytes: 0, delays: DELAYS });
      const store = world.store(0);
      await store.contexts.put(ID, TWO);
      await append(store, 1, 40);
      for (let n = 1; n <= 60; n++) await store.contexts.reset(ID);
      await append(store, 41, 44);
      const subscription = await store.conversations.subscribe(ID, { cursor: 0, include_messages: messages });
      let read = 0;
      while (read <= 40) read = (await soon(subscription.next(), "marks")).at(-1)?.version ?? 0;
      expect(read).toBeLessThan(100);
      expect(await world.trim(ID, 41)).toBe(true);
      const taking = take(subscription, 1);
      await turns(20);
      world.poll();
      expect(await taking).toEqual([`gap ${read + 1} 101`]);
      if (messages)
        expect(await take(subscription, 4)).toEqual([101, 102, 103, 104].map((at) => `message ${at}`));
    },
  );

  test("by another store tells no state from before the gap behind it", async () => {
    await using world = new World({ stores: 2, cacheBytes: 0, delays: DELAYS });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.contexts.put(ID, { policy: { strategy: "last_n", config: { limit: 1 } } });
    await append(mine, 1, 2);
    const subscription = await mine.contexts.subscribe(ID, { cursor: 0 });
    await append(other, 3, 3);
    expect(await world.trim(ID, 3)).toBe(true);
    // This store learns of it, but has not looked for events yet.
    await mine.contexts.get(ID);
    expect(await take(subscription, 1)).toEqual(["gap 1 3"]);
    const taking = take(subscription, 2);
    world.poll();
    expect(await taking).toEqual(["message 3", "context 3"]);
  });

  test("by another store leaves this one able to write", async () => {
    await using world = new World({ stores: 2, delays: DELAYS });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.contexts.put(ID, TWO);
    await append(mine, 1, 1);
    await append(other, 2, 5);
    expect(await world.trim(ID, 4)).toBe(true);
    await soon(append(mine, 6, 6), "the append");
  });
});

import type { Store, Subscription } from "@fastpaca/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ID, numbered } from "../harness.js";
import { Gate } from "./gate.js";
import { soon, turns, World } from "./world.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** More than one reading of the log brings. */
const OLD = 100;
const NEW = 200;

async function append(store: Store, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) await store.conversations.append(ID, { message: numbered(n) });
}

/** What all frames up to the end say: the texts of messages, and `end`. */
async function readToEnd(subscription: Subscription): Promise<string[]> {
  const told: string[] = [];
  for (;;) {
    const frames = await soon(subscription.next(), "the end");
    if (frames.length === 0) return told;
    for (const { type, json } of frames) {
      const { message }: { message?: { parts: [{ text: string }] } } = JSON.parse(json);
      told.push(message?.parts[0].text ?? (type === "tombstoned" ? "end" : type));
    }
  }
}

/** Of one life only: from its first message on, without a hole, as far as it came before the end. */
function expectOneLife(told: readonly string[], first: number): void {
  expect(told.at(-1)).toBe("end");
  const messages = told.slice(0, -1);
  expect(messages).toEqual(messages.map((_, at) => String(first + at)));
}

describe("a stream of a conversation that is purged and created again", () => {
  test("by another store tells nothing of the new life", async () => {
    await using world = new World({ stores: 2, cacheBytes: 0 });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.conversations.put(ID);
    await append(mine, 1, OLD);
    const subscription = await mine.conversations.subscribe(ID, { cursor: 0 });
    const first = await soon(subscription.next(), "the first messages");
    expect(first.length).toBeLessThan(OLD);
    await other.conversations.remove(ID, { purge: true });
    await other.conversations.put(ID);
    await append(other, 1001, NEW);
    const reading = readToEnd(subscription);
    await turns(50);
    world.poll();
    expectOneLife(await reading, first.length + 1);
  });

  test.each(["marks", "messages"] as const)(
    "while its %s are read tells nothing of the new life",
    async (what) => {
      const gate = new Gate();
      await using world = new World({
        stores: 1,
        cacheBytes: 0,
        wrap: (driver) => gate.behind(driver, what),
      });
      const store = world.store(0);
      // A log with marks, or one without.
      const create = async (): Promise<number> => {
        if (what === "messages") return (await store.conversations.put(ID)).created ? 0 : NaN;
        await store.contexts.put(ID);
        return (await store.contexts.reset(ID)).version;
      };
      const cursor = await create();
      await append(store, 1, 600);
      const subscription = await store.conversations.subscribe(ID, { cursor });
      gate.shut();
      const reading = readToEnd(subscription);
      await soon(gate.arrived, `a read of the ${what}`);
      await store.conversations.remove(ID, { purge: true });
      await create();
      await append(store, 1001, NEW);
      gate.open();
      expectOneLife(await reading, 1);
    },
  );

  test("by another store ends when a new one is opened, before anybody has looked", async () => {
    await using world = new World({ stores: 2 });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.conversations.put(ID);
    const old = await mine.conversations.subscribe(ID, { cursor: 0 });
    const reading = readToEnd(old);
    await turns(20);
    await other.conversations.remove(ID, { purge: true });
    await other.conversations.put(ID);
    const fresh = await mine.conversations.subscribe(ID, { cursor: 0 });
    expect(await reading).toEqual(["end"]);
    await append(other, 1, 2);
    world.poll();
    expect((await soon(fresh.next(), "the new life")).map(({ type }) => type)).toEqual([
      "message",
      "message",
    ]);
  });

  test("ends, and a new one tells of the new life alone", async () => {
    await using world = new World({ stores: 1 });
    const store = world.store(0);
    await store.conversations.put(ID);
    await append(store, 1, 3);
    const old = await store.conversations.subscribe(ID, { cursor: 0 });
    await store.conversations.remove(ID, { purge: true });
    await store.conversations.put(ID);
    await append(store, 1001, 3);
    const fresh = await store.conversations.subscribe(ID, { cursor: 0 });
    expect(await readToEnd(old)).toEqual(["end"]);
    await store.conversations.remove(ID);
    expect(await readToEnd(fresh)).toEqual(["1001", "1002", "1003", "end"]);
    const replay = await store.conversations.subscribe(ID, { cursor: 1 });
    expect(await readToEnd(replay)).toEqual(["1002", "1003", "end"]);
  });
});

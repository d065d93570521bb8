import type { Driver, Store, Subscription } from "@fastpaca/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fate, ID, numbered, summary } from "../harness.js";
import { Gate } from "./gate.js";
import { soon, turns, World } from "./world.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** What a subscription hands out next, each frame as its type and version. */
async function next(subscription: Subscription): Promise<string[]> {
  const frames = await soon(subscription.next(), "the next frame");
  return frames.map(({ type, version }) => `${type} ${version}`);
}

/** As {@link next}, until there are so many. */
async function take(subscription: Subscription, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const frames = await next(subscription);
    if (frames.length === 0) throw new Error(`it ended behind ${taken.join(", ")}`);
    taken.push(...frames);
  }
  return taken;
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, at) => `message ${from + at}`);
}

async function append(store: Store, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await store.conversations.append(ID, { message: numbered(n) });
}

describe("a subscription", () => {
  test("hands out nothing more when it is closed, also while the log is read", async () => {
    const gate = new Gate();
    await using world = new World({ stores: 1, wrap: (driver) => gate.behind(driver, "marks") });
    const store = world.store(0);
    await store.contexts.put(ID);
    await store.contexts.reset(ID);
    await append(store, 1, 1);
    const subscription = await store.conversations.subscribe(ID, { cursor: 1, include_messages: false });
    gate.shut();
    const reading = next(subscription);
    await soon(gate.arrived, "a read of the marks");
    subscription.close();
    gate.open();
    expect(await reading).toEqual([]);
  });

  test("is told of what others commit while they commit all the time", async () => {
    let committing = 0;
    const others = async (): Promise<void> => {
      if (committing > 0) await append(world.store(1), committing, committing++);
    };
    await using world = new World({
      stores: 2,
      // Whenever the log has been read, there is more.
      wrap: (driver, store) =>
        store === 1
          ? driver
          : {
              ...driver,
              messages: async (...range) => {
                const messages = await driver.messages(...range);
                await others();
                return messages;
              },
            },
    });
    const store = world.store(0);
    await store.contexts.put(ID);
    const subscription = await store.contexts.subscribe(ID);
    committing = 1;
    await others();
    world.poll();
    const told = await take(subscription, 12).finally(() => (committing = 0));
    // The last of the others' commits lands before the database is closed.
    await turns(50);
    const versions = told.map((frame) => Number(frame.split(" ")[1]));
    expect(told.filter((frame) => frame.startsWith("message"))).toEqual(range(1, Math.max(...versions)));
    expect(told.filter((frame) => frame.startsWith("context")).length).toBeGreaterThan(2);
  });

  test("that waits ends when it is closed, and again and again", async () => {
    await using world = new World({ stores: 1 });
    const store = world.store(0);
    await store.contexts.put(ID);
    const subscription = await store.contexts.subscribe(ID);
    const waiting = next(subscription);
    subscription.close();
    subscription.close();
    expect(await waiting).toEqual([]);
    expect(await next(subscription)).toEqual([]);
  });

  test("ends with its store, and none begins behind it", async () => {
    const gate = new Gate();
    await using world = new World({ stores: 2, wrap: (driver) => gate.behind(driver, "heads") });
    const store = world.store(0);
    await store.contexts.put(ID);
    const waiting = next(await store.contexts.subscribe(ID));
    gate.shut();
    const late = fate(store.contexts.subscribe(ID));
    await soon(gate.arrived, "a look at the head");
    await store.close();
    gate.open();
    expect(await waiting).toEqual([]);
    expect(await late).toBe("unavailable");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that is to finish hands out everything that has happened, and ends", async () => {
    await using world = new World({ stores: 1 });
    const store = world.store(0);
    await store.conversations.put(ID);
    await append(store, 1, 40);
    const subscription = await store.conversations.subscribe(ID, { cursor: 0 });
    subscription.finish();
    expect(await take(subscription, 40)).toEqual(range(1, 40));
    expect(await next(subscription)).toEqual([]);
    subscription.close();
  });

  test("that is to finish hands out what was acknowledged while it caught up with another store", async () => {
    const gate = new Gate();
    await using world = new World({
      stores: 2,
      cacheBytes: 0,
      wrap: (driver, at) => (at === 0 ? gate.behind(driver, "messages") : driver),
    });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.conversations.put(ID);
    const subscription = await mine.conversations.subscribe(ID);
    await append(other, 1, 1);
    gate.shut();
    world.poll();
    await soon(gate.arrived, "a look at what the other store did");
    await append(mine, 2, 2);
    subscription.finish();
    const taking = take(subscription, 2);
    const opening = turns(10).then(() => gate.open());
    expect(await taking).toEqual(range(1, 2));
    await opening;
    expect(await next(subscription)).toEqual([]);
  });

  test("is told by a hint that comes while an earlier one is looked into", async () => {
    const gate = new Gate();
    await using world = new World({
      stores: 2,
      hints: ["prompt"],
      wrap: (driver, at) => (at === 0 ? gate.behind(driver, "heads") : driver),
    });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.conversations.put(ID);
    const subscription = await mine.conversations.subscribe(ID);
    gate.shut();
    world.hint([ID]);
    await soon(gate.arrived, "a look at the head");
    await append(other, 1, 1);
    gate.open();
    expect(await take(subscription, 1)).toEqual(range(1, 1));
  });

  test("is told without further ado of what happened while it read what it does not show", async () => {
    const gate = new Gate();
    await using world = new World({ stores: 1, wrap: (driver) => gate.behind(driver, "marks") });
    const store = world.store(0);
    await store.contexts.put(ID);
    await store.contexts.reset(ID);
    await append(store, 1, 3);
    const subscription = await store.conversations.subscribe(ID, { cursor: 1, include_messages: false });
    gate.shut();
    const reading = next(subscription);
    await soon(gate.arrived, "a read of the marks");
    await store.contexts.reset(ID);
    gate.open();
    expect(await reading).toEqual(["reset 5"]);
  });

  test("is told once of a commit that was seen before its outcome was known", async () => {
    const gate = new Gate();
    await using world = new World({
      stores: 2,
      wrap: (driver, at) => (at === 0 ? gate.behind(driver, "commit") : driver),
    });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.conversations.put(ID);
    await append(mine, 1, 3);
    const subscription = await mine.conversations.subscribe(ID);
    await append(mine, 4, 6);
    gate.shut();
    const appending = append(mine, 7, 7);
    await soon(gate.arrived, "the commit");
    // The commit has landed, and is seen, before anybody was told that it has.
    world.poll();
    await turns(20);
    await append(other, 8, 8);
    await mine.conversations.get(ID);
    gate.open();
    await appending;
    world.poll();
    await turns(20);
    expect(await take(subscription, 5)).toEqual(range(4, 8));
  });

  test("is told of all marks, of which there are more than are read at a time", async () => {
    await using world = new World({ stores: 1, cacheBytes: 0 });
    const store = world.store(0);
    await store.contexts.put(ID);
    const expected: string[] = [];
    for (let version = 1; version <= 120; version++) {
      // Runs of marks up to 40, and messages between some of them.
      const message = version % 41 === 0 || (version > 82 && version % 3 === 0);
      if (message) await append(store, version, version);
      else if (version % 2 === 0) await store.contexts.reset(ID);
      else await store.contexts.compact(ID, { replacement: summary }).catch(() => store.contexts.reset(ID));
    }
    const log = await world.database.marks(ID, 0, 1000);
    for (let version = 1; version <= 120; version++) {
      const mark = log.find((mark) => mark.version === version);
      expected.push(`${mark?.kind ?? "message"} ${version}`);
    }
    for (const messages of [true, false]) {
      for (const cursor of [0, 1, 15, 16, 17, 24, 40, 41, 42, 60, 82, 83, 99, 103, 104, 105, 119]) {
        const subscription = await store.contexts.subscribe(ID, { cursor, include_messages: messages });
        const wanted = expected.slice(cursor).filter((frame) => messages || !frame.startsWith("message"));
        expect(await take(subscription, wanted.length + 1)).toEqual([...wanted, "context 120"]);
        subscription.close();
      }
    }
  });

  test("is hinted at again once a driver can watch that could not when the first one began", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    let asked = 0;
    let ended = 0;
    let hint: ((ids: readonly string[]) => void) | undefined;
    const watch: Driver["watch"] = (onChange) => {
      asked += 1;
      if (asked === 1) throw new Error("not now");
      if (asked === 2) return Promise.reject(new Error("nor now"));
      hint = onChange;
      return Promise.resolve(() => {
        ended += 1;
        return Promise.resolve();
      });
    };
    await using world = new World({
      stores: 2,
      wrap: (driver, at) => (at === 0 ? { ...driver, watch } : driver),
    });
    const [mine, other] = [world.store(0), world.store(1)];
    await mine.conversations.put(ID);
    const subscription = await mine.conversations.subscribe(ID);
    for (const [seconds, times] of [
      [9, 1],
      [2, 2],
      [8, 2],
      [3, 3],
      [60, 3],
    ] as const) {
      await vi.advanceTimersByTimeAsync(seconds * 1000);
      await turns(20);
      expect(asked).toBe(times);
    }
    await append(other, 1, 1);
    hint?.([ID]);
    expect(await take(subscription, 1)).toEqual(range(1, 1));
    await mine.close();
    expect(ended).toBe(1);
  });
});

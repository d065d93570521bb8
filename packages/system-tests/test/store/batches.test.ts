import { createStore, type Commit, type CommitOutcome, type Driver, type Store } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import { afterEach, expect, test, vi } from "vitest";
import { overriding } from "../drivers.js";

interface Held {
  readonly driver: Driver;
  readonly calls: { ids: string[]; go: () => void }[];
  /** Those that come later, too. */
  readonly letAllGo: () => void;
}

/** Holds every call of `commit` until it is let through. The first ones are answered with what is no answer. */
function heldDriver(bad: number): Held {
  const memory = openMemory();
  const calls: { ids: string[]; go: () => void }[] = [];
  let left = bad;
  let holding = true;
  const commit = async (commits: readonly Commit[]): Promise<unknown> => {
    if (left-- > 0) return undefined;
    if (holding) await new Promise<void>((go) => calls.push({ ids: commits.map(({ id }) => id), go }));
    return memory.commit(commits);
  };
  const driver = new Proxy(memory, {
    get(target, name) {
      if (name === "commit") return commit;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const letAllGo = (): void => {
    holding = false;
    for (const { go } of calls) go();
  };
  return { driver, calls, letAllGo };
}

let store: Store | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await store?.close();
});

/** Some turns of the event loop: what may start has started then. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function open(bad = 0): {
  put: (ids: string) => Promise<void>;
  append: (id: string) => Promise<void>;
  calls: Held["calls"];
  letAllGo: () => void;
} {
  const { driver, calls, letAllGo } = heldDriver(bad);
  const opened = createStore({ driver, ...(bad > 0 && { onError: () => undefined }) });
  store = opened;
  const pending: Promise<unknown>[] = [];
  const put = async (ids: string): Promise<void> => {
    pending.push(...ids.split("").map((id) => opened.conversations.put(id)));
    await turns();
  };
  const append = async (id: string): Promise<void> => {
    const message = { role: "user", parts: [{ type: "text", text: "x" }] };
    pending.push(opened.conversations.append(id, { message }));
    await turns();
  };
  return { put, append, calls, letAllGo };
}

test("a call beside another one carries at least as much", async () => {
  const { put, calls } = open();
  await put("abc");
  await put("d");
  await put("e");
  expect(calls.map(({ ids }) => ids)).toEqual([["a", "b", "c"]]);
  await put("f");
  expect(calls.map(({ ids }) => ids)).toEqual([
    ["a", "b", "c"],
    ["d", "e", "f"],
  ]);
  for (const { go } of calls) go();
});

test("what waits behind a larger call goes when that one is over", async () => {
  const { put, calls } = open();
  await put("abc");
  await put("d");
  expect(calls).toHaveLength(1);
  calls[0]?.go();
  await turns();
  expect(calls.map(({ ids }) => ids)).toEqual([["a", "b", "c"], ["d"]]);
  calls[1]?.go();
});

test("what waits for a place shares a call with what follows the one that makes room", async () => {
  const { put, append, calls } = open();
  await put("ab");
  calls[0]?.go();
  await append("a");
  await append("b");
  await append("a");
  await put("c");
  expect(calls.map(({ ids }) => ids)).toEqual([["a", "b"], ["a"], ["b"]]);
  calls[1]?.go();
  await turns();
  expect(calls[3]?.ids).toEqual(["c", "a"]);
  for (const { go } of calls) go();
});

test("a call that takes long holds nobody back", async () => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
  });
  const { put, calls } = open();
  await put("abc");
  await put("d");
  expect(calls).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(49);
  await turns();
  expect(calls).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  await turns();
  expect(calls.map(({ ids }) => ids)).toEqual([["a", "b", "c"], ["d"]]);
  for (const { go } of calls) go();
});

test("two run at most, whatever they carry", async () => {
  const { put, calls } = open();
  await put("a");
  await put("b");
  await put("cde");
  expect(calls.map(({ ids }) => ids)).toEqual([["a"], ["b"]]);
  calls[0]?.go();
  await turns();
  expect(calls.map(({ ids }) => ids)).toEqual([["a"], ["b"], ["c", "d", "e"]]);
  for (const { go } of calls) go();
});

test("two run at most, also behind answers that are none", async () => {
  const { put, calls, letAllGo } = open(3);
  for (const id of "abcdefg") await put(id);
  // Two first tries, and one of those that have to be tried again.
  expect(calls).toHaveLength(3);
  letAllGo();
});

test("a commit is no larger than the driver takes, however much waits", async () => {
  const memory = openMemory();
  const limits = { maxCommitBytes: 2 * 1024 * 1024, maxBatch: 100 };
  const sizes: number[] = [];
  const commit = (commits: readonly Commit[]): Promise<CommitOutcome[]> => {
    sizes.push(...commits.map((one) => Buffer.byteLength(JSON.stringify(one))));
    return memory.commit(commits);
  };
  const opened = createStore({ driver: overriding(memory, { limits, commit }) });
  store = opened;
  await opened.conversations.put("a");
  const parts = [{ type: "text", text: "€".repeat(100_000) }];
  const appends = Array.from({ length: 12 }, () =>
    opened.conversations.append("a", { message: { role: "user", parts } }),
  );
  await Promise.all(appends);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.maxCommitBytes);
});

test("what is written is measured in bytes: as many as the driver takes, and no more", async () => {
  const memory = openMemory();
  const limits = { maxCommitBytes: 2 * 1024 * 1024, maxBatch: 100 };
  const opened = createStore({ driver: overriding(memory, { limits }) });
  store = opened;
  await opened.conversations.put("a");
  const append = (text: string): Promise<unknown> =>
    opened.conversations.append("a", { message: { role: "user", parts: [{ type: "text", text }] } });
  await append("x".repeat(1_900_000));
  await append("€".repeat(630_000));
  await expect(append("€".repeat(700_000))).rejects.toMatchObject({ code: "payload_too_large" });
  await expect(append("x".repeat(2_100_000))).rejects.toMatchObject({ code: "payload_too_large" });
});

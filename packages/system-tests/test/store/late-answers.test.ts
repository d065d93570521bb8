import { createStore, type AppendInput, type Driver, type Store } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import { afterEach, describe, expect, test, vi } from "vitest";
import { overriding, shared, type DriverOverrides } from "../drivers.js";
import { elapse } from "../elapse.js";

const stores: Store[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

function storeOn(memory: Driver, overrides: DriverOverrides = {}): Store {
  const store = createStore({ driver: overriding(shared(memory), overrides) });
  stores.push(store);
  return store;
}

function message(text: string): AppendInput["message"] {
  return { role: "user", parts: [{ type: "text", text }], token_count: 1 };
}

describe("over a database that others use too", { timeout: 60_000 }, () => {
  test("a commit that is answered when its life is over is told to nobody of the next one", async () => {
    const memory = openMemory();
    const answer = Promise.withResolvers<void>();
    const handed = Promise.withResolvers<void>();
    let late = false;
    const slow = storeOn(memory, {
      commit: async (commits) => {
        const outcomes = await memory.commit(commits);
        if (late) {
          handed.resolve();
          await answer.promise;
        }
        return outcomes;
      },
    });
    const other = storeOn(memory);
    await slow.conversations.put("a");
    late = true;
    const append = slow.conversations.append("a", { message: message("of the first life") });
    await handed.promise;
    await other.conversations.remove("a", { purge: true });
    await other.conversations.put("a");
    const subscription = await slow.conversations.subscribe("a", { cursor: 0 });
    answer.resolve();
    await append;
    await other.conversations.append("a", { message: message("one") });
    await other.conversations.append("a", { message: message("two") });
    const texts: string[] = [];
    while (texts.length < 2) {
      for (const { json } of await subscription.next()) {
        expect(json).not.toContain("first life");
        if (json.includes('"message"')) texts.push(json);
      }
    }
    expect(texts.map((json) => /"text":"(\w+)"/.exec(json)?.[1])).toEqual(["one", "two"]);
    subscription.close();
  });

  test("a retry learns that its append landed while the key was looked up", async () => {
    const memory = openMemory();
    const first = storeOn(memory);
    let meanwhile: (() => Promise<void>) | undefined;
    const second = storeOn(memory, {
      keys: async (id, keys) => {
        const held = await memory.keys(id, keys);
        const happens = meanwhile;
        meanwhile = undefined;
        await happens?.();
        return held;
      },
    });
    await first.conversations.put("a");
    await second.conversations.get("a");
    await first.conversations.append("a", { message: message("before") });
    const input = { message: message("job"), idempotency_key: "k", if_version: 1 };
    meanwhile = async () => {
      expect(await first.conversations.append("a", input)).toMatchObject({ seq: 2 });
      await second.conversations.get("a");
    };
    expect(await second.conversations.append("a", input)).toMatchObject({ seq: 2 });
  });
});

describe("a read that is under way for long", () => {
  test("does not make a later write decide on what it brings", async () => {
    const memory = openMemory();
    const first = storeOn(memory);
    const slow = Promise.withResolvers<void>();
    let waiting: (() => void) | undefined;
    let reading: Promise<unknown> = Promise.resolve();
    const second = storeOn(memory, {
      heads: async (ids) => {
        const heads = await memory.heads(ids);
        const started = waiting;
        waiting = undefined;
        if (started !== undefined) {
          started();
          await slow.promise;
        }
        return heads;
      },
      commit: async (commits) => {
        const outcomes = await memory.commit(commits);
        slow.resolve();
        await reading;
        return outcomes.map((outcome) =>
          outcome.status === "conflict" ? { status: "conflict", head: undefined } : outcome,
        );
      },
    });
    await first.conversations.put("a");
    await second.conversations.get("a");
    await first.conversations.remove("a", { purge: true });
    const started = new Promise<void>((resolve) => (waiting = resolve));
    // It reads the purged head, and is answered when the conversation is there again.
    reading = second.conversations.get("a").catch(codeOf);
    await started;
    await first.conversations.put("a");
    expect(await second.conversations.append("a", { message: message("new") })).toMatchObject({ seq: 1 });
  });
});

describe("a message that its caller changes after the call", () => {
  test("is in the window as it was handed over", async () => {
    const store = storeOn(openMemory());
    await store.contexts.put("a", { token_budget: 100, policy: { strategy: "skip_parts" } });
    const given = {
      role: "user",
      parts: [{ type: "text", text: "hi" } as Record<string, unknown> & { type: string }],
    };
    const append = store.contexts.append("a", { message: { ...given, token_count: 20 } });
    given.parts[0] = { type: "tool-call", text: NaN };
    const beside = store.contexts.append("a", { message: message("beside") });
    await append;
    await beside;
    await store.contexts.append("a", { message: message("after") });
    const { messages, used_tokens } = (await store.contexts.context("a")).value;
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(used_tokens).toBe(22);
  });
});

describe("reads of heads that the database does not answer", () => {
  test("are given up although no call is free for them", async () => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
    });
    const memory = openMemory();
    let calls = 0;
    const store = storeOn(memory, {
      limits: { ...memory.limits, maxBatch: 10 },
      heads: () => {
        calls += 1;
        return new Promise(() => undefined);
      },
    });
    const codes: string[] = [];
    const reads = Array.from({ length: 100 }, async (_, index) => {
      await store.conversations.get(`c${index}`).catch((error: unknown) => codes.push(codeOf(error)));
    });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(calls).toBe(4);
    await elapse(21_000);
    expect(codes).toEqual(Array.from({ length: 100 }, () => "unavailable"));
    await Promise.all(reads);
  });
});

describe("a message of many megabytes with escapes", { timeout: 60_000 }, () => {
  test.each(["x".repeat(9_000_000), "\n".repeat(5_000_000), '\\"'.repeat(2_000_000)])(
    "comes back",
    async (text) => {
      const store = storeOn(openMemory());
      await store.conversations.put("a");
      const parts = [{ type: "text", text, ["a\nb"]: '"' }];
      await store.conversations.append("a", { message: { role: "user", parts, token_count: 1 } });
      const { messages } = (await store.conversations.tail("a")).value;
      expect(messages[0]?.parts).toEqual(parts);
    },
  );
});

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "none";
}

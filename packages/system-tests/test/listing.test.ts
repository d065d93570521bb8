/** Finding conversations: by what their metadata says, most recently changed first, page by page. */
import type { Store } from "@fastpaca/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { storeOver, TIMEOUT } from "./harness.js";
import { BACKENDS } from "./http/backends.js";

type Filter = Record<string, string | number | boolean>;

async function found(store: Store, metadata?: Filter): Promise<string[]> {
  const { value } = await store.conversations.list(metadata === undefined ? {} : { metadata });
  return value.conversations.map(({ id }) => id).sort();
}

/** Each over a database of its own: a list shows all of it. */
describe.each(BACKENDS)("over $name", { timeout: TIMEOUT }, (backend) => {
  async function open(): Promise<{ store: Store; tick: () => void }> {
    let now = Date.UTC(2026, 0, 1);
    const { driver, close } = await backend.open();
    onTestFinished(close);
    const store = storeOver(driver, { clock: () => now });
    return { store, tick: () => (now += 1) };
  }

  test.each<{ metadata: Record<string, unknown>; filter: Filter; match: boolean }>([
    { metadata: { user: "ada" }, filter: { user: "ada" }, match: true },
    { metadata: { user: "ada" }, filter: { user: "ad" }, match: false },
    { metadata: { user: "ada" }, filter: { user: "Ada" }, match: false },
    { metadata: { user: "ada" }, filter: { name: "ada" }, match: false },
    { metadata: { user: "ada", plan: 1 }, filter: { user: "ada", plan: 1 }, match: true },
    { metadata: { user: "ada", plan: 1 }, filter: { user: "ada", plan: 2 }, match: false },
    { metadata: { n: 1.5 }, filter: { n: 1.5 }, match: true },
    { metadata: { n: 1.5 }, filter: { n: "1.5" }, match: true },
    { metadata: { on: true }, filter: { on: true }, match: true },
    { metadata: { on: true }, filter: { on: false }, match: false },
    { metadata: { a: "b=c" }, filter: { "a=b": "c" }, match: false },
    { metadata: { a: "%003d" }, filter: { a: "=" }, match: false },
    { metadata: { "ключ ": "\u0000\ud800" }, filter: { "ключ ": "\u0000\ud800" }, match: true },
    { metadata: { x: "\ud800" }, filter: { x: "\ud801" }, match: false },
    { metadata: { x: "" }, filter: { x: "" }, match: true },
    { metadata: { x: "y".repeat(4000) }, filter: { x: "y".repeat(4000) }, match: true },
    { metadata: { x: "y".repeat(4000) }, filter: { x: `${"y".repeat(3999)}z` }, match: false },
    { metadata: { ["k".repeat(300)]: "v" }, filter: { ["k".repeat(300)]: "v" }, match: true },
    { metadata: { inner: { user: "ada" } }, filter: { user: "ada" }, match: false },
    { metadata: { list: ["ada"] }, filter: { list: "ada" }, match: false },
    { metadata: { nothing: null }, filter: { nothing: "null" }, match: false },
    { metadata: {}, filter: {}, match: true },
  ])("metadata $metadata, looked for by $filter: $match", async ({ metadata, filter, match }) => {
    const { store } = await open();
    await store.conversations.put("it", { metadata });
    await store.contexts.put("another", { metadata: { unrelated: "yes" } });
    expect((await found(store, filter)).includes("it")).toBe(match);
  });

  test("labels follow the metadata: patched, replaced, tombstoned, purged", async () => {
    const { store } = await open();
    await store.contexts.put("a", { metadata: { user: "ada", plan: "free" } });
    await store.contexts.patchMetadata("a", { metadata: { plan: null, user: "bob" } });
    expect(await found(store, { user: "bob" })).toEqual(["a"]);
    expect(await found(store, { plan: "free" })).toEqual([]);
    await store.contexts.put("a", { metadata: { user: "eve" } });
    expect(await found(store, { user: "bob" })).toEqual([]);
    await store.contexts.append("a", { message: { role: "user", parts: [] } });
    await store.contexts.remove("a");
    expect(await found(store, { user: "eve" })).toEqual(["a"]);
    await store.contexts.remove("a", { purge: true });
    expect(await found(store, { user: "eve" })).toEqual([]);
    expect((await store.conversations.list()).value).toEqual({ conversations: [] });
    await store.contexts.put("a");
    expect(await found(store, { user: "eve" })).toEqual([]);
    expect(await found(store)).toEqual(["a"]);
  });

  test("contexts and conversations are listed together, most recently changed first, as conversations", async () => {
    const { store, tick } = await open();
    for (const id of ["a", "b", "c"]) {
      tick();
      await (id === "b" ? store.contexts : store.conversations).put(id);
    }
    tick();
    await store.conversations.append("a", { message: { role: "user", parts: [] } });
    tick();
    // Changes nothing, so it is no change.
    await store.contexts.put("b", { token_budget: 8000 });
    const { conversations } = (await store.conversations.list()).value;
    expect(conversations.map(({ id }) => id)).toEqual(["a", "c", "b"]);
    expect(conversations).toEqual(
      await Promise.all(conversations.map(async ({ id }) => (await store.conversations.get(id)).value)),
    );
  });

  test.each([1, 2, 3, 7, 10])(
    "pages of %i: each that does not change meanwhile appears exactly once",
    async (limit) => {
      const { store, tick } = await open();
      const ids = Array.from({ length: 20 }, (_, n) => `conversation-${n}`);
      for (const [n, id] of ids.entries()) {
        // Some of them in the same millisecond.
        if (n % 3 === 0) tick();
        await store.conversations.put(id, { metadata: { even: n % 2 === 0 } });
      }
      const seen: string[] = [];
      const changed = new Set<string>();
      let cursor: string | undefined;
      for (let page = 0; page === 0 || cursor !== undefined; page++) {
        const { value } = await store.conversations.list(
          cursor === undefined ? { limit } : { limit, cursor },
        );
        seen.push(...value.conversations.map(({ id }) => id));
        cursor = value.cursor;
        expect(value.conversations.length).toBeLessThanOrEqual(limit);
        if (page >= 3) continue;
        const [first, second] = [ids[page * 2], ids[19 - page]];
        if (first === undefined || second === undefined) continue;
        tick();
        await store.conversations.patchMetadata(first, { metadata: { page } });
        await store.conversations.remove(second, { purge: true });
        await store.conversations.put(`new-${page}`);
        changed.add(first).add(second);
      }
      const still = (listed: string[]): string[] =>
        listed.filter((id) => id.startsWith("conv") && !changed.has(id)).sort();
      expect(still(seen)).toEqual(still(ids));
    },
  );

  test("the last page has no cursor, and a page that is just full is the last", async () => {
    const { store } = await open();
    for (const id of ["a", "b", "c", "d"]) await store.conversations.put(id, { metadata: { x: 1 } });
    const first = (await store.conversations.list({ limit: 2, metadata: { x: 1 } })).value;
    expect(first.cursor).toBeTypeOf("string");
    const second = (await store.conversations.list({ limit: 2, metadata: { x: 1 }, cursor: first.cursor }))
      .value;
    expect(second.cursor).toBeUndefined();
    expect([...first.conversations, ...second.conversations]).toHaveLength(4);
    expect((await store.conversations.list({ limit: 4 })).value.cursor).toBeUndefined();
  });

  test.each(["nonsense", "bnVsbA", "WzEsMl0", "WzEuNSwiYSJd"])(
    "the cursor %j was never given out",
    async (cursor) => {
      const { store } = await open();
      const listing = store.conversations.list({ cursor });
      await expect(listing).rejects.toMatchObject({ code: "invalid_request", field: "cursor" });
    },
  );
});

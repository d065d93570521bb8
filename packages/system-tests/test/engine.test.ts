/** What a store promises of itself, on a driver that is slow, raced or shared. */
import type { Store } from "@fastpaca/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { overriding, shared } from "./drivers.js";
import { fate, hello, ID, numbered, storeOver, Stores, summary, TIMEOUT } from "./harness.js";
import { BACKENDS } from "./http/backends.js";

describe.each(BACKENDS)("a store over $name", { timeout: TIMEOUT }, (backend) => {
  const stores = new Stores(backend);

  test("a store that is closed refuses whatever it is asked for, what it remembers too", async () => {
    const { driver, close } = await backend.open();
    onTestFinished(close);
    const store = storeOver(driver);
    await store.contexts.put(ID);
    const message = { role: "user", parts: [] };
    await store.contexts.append(ID, { message });
    await store.contexts.context(ID);
    await store.close();
    const asked = [
      store.contexts.get(ID),
      store.contexts.tail(ID),
      store.contexts.replay(ID),
      store.contexts.context(ID),
      store.contexts.context(ID, { budget_tokens: 1 }),
      store.contexts.subscribe(ID),
      store.contexts.put(ID),
      store.contexts.append(ID, { message }),
      store.contexts.reset(ID),
      store.contexts.remove(ID),
      store.conversations.get(ID),
      store.conversations.list(),
      store.ping(),
    ];
    for (const answer of await Promise.allSettled(asked))
      expect(answer).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
  });

  test("an append to what is not at hand reads messages only where one leaves the window", async () => {
    const [writing, reading] = await stores.database.drivers(2);
    const writer = storeOver(writing);
    let read = 0;
    const cold = (): Store =>
      storeOver(
        overriding(reading, {
          messages: (id, from, to) => {
            read += 1;
            return reading.messages(id, from, to);
          },
        }),
        { cacheBytes: 0 },
      );
    const windows = {
      manual: { policy: { strategy: "manual" }, token_budget: 1 },
      roomy: { policy: { strategy: "last_n", config: { limit: 50 } } },
      full: { policy: { strategy: "last_n", config: { limit: 5 } } },
      skipping: { policy: { strategy: "skip_parts" }, token_budget: 100 },
      overflowing: { token_budget: 5 },
    } as const;
    const reads: { [id: string]: boolean } = {};
    for (const [id, config] of Object.entries(windows)) {
      await writer.contexts.put(id, config);
      for (let n = 0; n < 8; n++) await writer.contexts.append(id, { message: numbered(n) });
      read = 0;
      const { contexts } = cold();
      await contexts.append(id, { message: numbered(8) });
      reads[id] = read > 0;
      await contexts.append(id, { message: numbered(9) });
      await contexts.compact(id, { replacement: summary, through_seq: 7 });
      const expected = (await writer.contexts.context(id)).value;
      expect((await contexts.context(id)).value).toEqual(expected);
      await writer.contexts.reset(id);
      await contexts.reset(id);
      expect(await contexts.append(id, { message: numbered(10) })).toMatchObject({ seq: 11 });
    }
    expect(reads).toEqual({ manual: false, roomy: false, full: true, skipping: false, overflowing: true });
  });

  test("nothing is told before its commit has landed, refusals included", async () => {
    const driver = await stores.database.driver();
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let closed = false;
    const gated = overriding(driver, {
      commit: async (commits) => {
        if (closed) {
          asked.resolve();
          await gate.promise;
        }
        return driver.commit(commits);
      },
    });
    const store = storeOver(gated);
    await store.contexts.put(ID);
    closed = true;
    const told: string[] = [];
    const calls = [
      store.contexts.append(ID, { message: hello, if_version: 0 }),
      store.contexts.append(ID, { message: hello, if_version: 0 }),
      store.contexts.remove(ID),
      store.contexts.append(ID, { message: hello }),
    ].map(async (call) => told.push(await fate(call)));
    await asked.promise;
    expect((await store.contexts.get(ID)).value).toMatchObject({ version: 0, tombstoned: false });
    expect(told).toEqual([]);
    gate.resolve();
    await Promise.all(calls);
    expect(told).toEqual(["done", "conflict", "done", "tombstoned"]);
  });

  test("a fold that lost is decided again on the head that won, refusals included", async () => {
    const [driver, another] = await stores.database.drivers(2);
    const rival = storeOver(another);
    let interrupt = false;
    const raced = overriding(driver, {
      commit: async (commits) => {
        if (interrupt) {
          interrupt = false;
          await rival.contexts.append(ID, { messages: [numbered(1), numbered(2)] });
        }
        return driver.commit(commits);
      },
    });
    const store = storeOver(raced);
    await store.contexts.put(ID, { policy: { strategy: "last_n", config: { limit: 3 } } });
    await store.contexts.append(ID, { message: numbered(0) });
    interrupt = true;
    const results = await Promise.all([
      store.contexts.append(ID, { message: numbered(3) }),
      fate(store.contexts.append(ID, { message: hello, if_version: 2 })),
      fate(store.contexts.append(ID, { message: numbered(4), if_version: 4 })),
    ]);
    expect(results).toMatchObject([{ seq: 4, version: 4 }, "conflict", "done"]);
    for (const reader of [store, rival]) {
      const { messages, segments } = (await reader.contexts.context(ID)).value;
      expect(messages).toMatchObject([2, 3, 4].map((n) => ({ parts: [{ text: String(n) }] })));
      expect(segments).toEqual([{ type: "live", from_seq: 3, to_seq: 5 }]);
    }
  });

  test("a key that another store wrote meanwhile is found, before and after the version is looked at", async () => {
    const [here, there] = await stores.pair();
    await here.contexts.put(ID);
    await there.contexts.append(ID, { message: hello, idempotency_key: "k" });
    expect(await here.contexts.append(ID, { message: hello, idempotency_key: "k" })).toMatchObject({
      seq: 1,
      deduplicated: true,
    });
    await there.contexts.append(ID, { message: hello, idempotency_key: "l", if_version: 1 });
    const repeat = { message: hello, idempotency_key: "l", if_version: 1 };
    expect(await here.contexts.append(ID, repeat)).toMatchObject({ seq: 2, deduplicated: true });
    expect((await here.contexts.get(ID)).value.last_seq).toBe(2);
  });

  test("several keys that are held already are found together, whatever else refuses their appends", async () => {
    const { store } = await stores.open();
    await store.contexts.put(ID);
    await store.contexts.append(ID, { message: hello, idempotency_key: "k" });
    await store.contexts.append(ID, { message: hello, idempotency_key: "l" });
    const results = await Promise.all([
      store.contexts.append(ID, { message: hello, idempotency_key: "l" }),
      store.contexts.append(ID, { message: hello, idempotency_key: "k", if_version: 2 }),
    ]);
    expect(results).toMatchObject([
      { seq: 2, deduplicated: true },
      { seq: 1, deduplicated: true },
    ]);
  });

  test("what one store commits the other one answers by at once: refusals, versions, reads", async () => {
    const [here, there] = await stores.pair();
    await here.contexts.put(ID);
    await here.contexts.append(ID, { message: hello });
    await there.contexts.append(ID, { message: hello });
    // Refused on the state that this store remembers, done on the present one.
    expect(await fate(here.contexts.append(ID, { message: hello, if_version: 2 }))).toBe("done");
    await there.contexts.compact(ID, { replacement: summary, through_seq: 2 });
    const late = here.contexts.compact(ID, { replacement: summary, through_seq: 1, if_version: 3 });
    await expect(late).rejects.toMatchObject({ code: "conflict", version: 4 });
    expect((await here.contexts.context(ID)).value.version).toBe(4);
    await there.contexts.remove(ID, { purge: true });
    expect(await fate(here.contexts.append(ID, { message: hello }))).toBe("not_found");
    await there.contexts.put(ID);
    expect(await here.contexts.append(ID, { message: hello, if_version: 0 })).toMatchObject({ seq: 1 });
    expect((await here.contexts.replay(ID)).value.messages).toHaveLength(1);
  });

  test("a purge by another store is noticed by a write that has to load what the purge erased", async () => {
    const [here, there] = await stores.pair();
    await here.contexts.put(ID);
    await there.contexts.append(ID, { message: hello });
    // Here, the head is known now, but not the window's messages.
    await here.contexts.get(ID);
    await there.contexts.remove(ID, { purge: true });
    expect(await fate(here.contexts.append(ID, { message: hello }))).toBe("not_found");
    await there.contexts.put(ID);
    expect(await here.contexts.append(ID, { message: hello })).toMatchObject({ seq: 1 });
  });

  test("a conversation that is being written is read as it is, however small the cache", async () => {
    const { store } = await stores.open({ cacheBytes: 0 });
    await store.contexts.put(ID);
    for (let n = 1; n <= 20; n++) {
      const writing = store.contexts.append(ID, { message: numbered(n) });
      const before = (await store.contexts.get(ID)).value.version;
      await writing;
      const { version, messages } = (await store.contexts.context(ID)).value;
      expect([n - 1, n]).toContain(before);
      expect([version, messages.length]).toEqual([n, n]);
    }
  });

  test("a conversation that is being written stays in the cache, whatever else is read", async () => {
    const driver = await stores.database.driver();
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let gated = false;
    const slowed = overriding(driver, {
      commit: async (commits) => {
        if (gated) {
          asked.resolve();
          await gate.promise;
        }
        return driver.commit(commits);
      },
    });
    // Room for two conversations and a little more.
    const store = storeOver(slowed, { cacheBytes: 5500 });
    for (const id of [ID, "d", "e", "f"]) await store.contexts.put(id);
    gated = true;
    const writing = store.contexts.append(ID, { message: hello });
    await asked.promise;
    for (const id of ["d", "e", "f", ID]) expect((await store.contexts.context(id)).value.version).toBe(0);
    gate.resolve();
    await writing;
    expect((await store.contexts.context(ID)).value.version).toBe(1);
  });

  test("an answer of the database that was overtaken by a newer one does not bring back the old state", async () => {
    const driver = shared(await stores.database.driver());
    const held: (() => void)[] = [];
    let holding = false;
    const reordering = overriding(driver, {
      heads: async (ids) => {
        const heads = await driver.heads(ids);
        if (holding) await new Promise<void>((resolve) => held.push(resolve));
        return heads;
      },
    });
    const store = storeOver(reordering);
    await store.contexts.put(ID);
    holding = true;
    const early = store.contexts.get(ID);
    await expect.poll(() => held.length).toBe(1);
    await store.contexts.append(ID, { message: hello });
    const late = store.contexts.get(ID);
    await expect.poll(() => held.length).toBe(2);
    for (const answer of held.toReversed()) answer();
    await early;
    expect((await late).value.version).toBe(1);
  });

  test("a commit may be read before its writer is told that it landed", async () => {
    const driver = shared(await stores.database.driver());
    const seen: unknown[] = [];
    let look = false;
    const landing = overriding(driver, {
      commit: async (commits) => {
        const outcomes = await driver.commit(commits);
        if (look) seen.push(await read());
        return outcomes;
      },
    });
    const store = storeOver(landing);
    await store.contexts.put(ID, { token_budget: 10 });
    const read = async (): Promise<unknown> => {
      const { messages, used_tokens } = (await store.contexts.context(ID, { budget_tokens: 4 })).value;
      return [messages.map(({ seq }) => seq), used_tokens];
    };
    const say = (tokens: number): Promise<unknown> =>
      store.contexts.append(ID, { message: { ...hello, token_count: tokens } });
    await say(1);
    await say(3);
    await read();
    look = true;
    for (const tokens of [3, 2, 1, 4]) await say(tokens);
    expect(seen).toEqual([
      [[3], 3],
      [[4], 2],
      [[4, 5], 3],
      [[6], 4],
    ]);
    expect((await store.contexts.context(ID)).value).toMatchObject({
      used_tokens: 10,
      segments: [{ type: "live", from_seq: 3, to_seq: 6 }],
    });
  });

  test("in a cold cache, writes that were sent while others are under way see what those made", async () => {
    const { store } = await stores.open({ cacheBytes: 0 });
    await store.contexts.put("other");
    await store.contexts.put(ID);
    for (let n = 0; n < 10; n++) {
      const writing = store.contexts.append(ID, { message: hello, if_version: n });
      // Whatever else is used would push it out.
      await store.contexts.context("other");
      await store.contexts.context(ID);
      await writing;
      expect((await store.contexts.get(ID)).value.version).toBe(n + 1);
    }
  });

  test("a read with a budget may run beside a compaction that lands, at any moment", async () => {
    const driver = await stores.database.driver();
    for (let moment = -24; moment < 24; moment++) {
      const id = `at ${moment}`;
      const read = async (): Promise<number> =>
        (await store.contexts.context(id, { budget_tokens: 150 })).value.version;
      let reading: Promise<number> | undefined;
      let prepared = false;
      const landing = overriding(driver, {
        commit: async (commits) => {
          const outcomes = await driver.commit(commits);
          // Either the read or the landing is held up by a few promises.
          if (prepared) reading = after(-moment, read);
          return after(moment, () => Promise.resolve(outcomes));
        },
      });
      const store = storeOver(landing);
      await store.contexts.put(id, { token_budget: 500, policy: { strategy: "manual" } });
      await store.contexts.append(id, { messages: Array.from({ length: 200 }, () => hello) });
      await read();
      prepared = true;
      await store.contexts.compact(id, { replacement: summary, through_seq: 190 });
      expect([200, 201], id).toContain(await reading);
    }
  });
});

async function after<T>(promises: number, then: () => Promise<T>): Promise<T> {
  for (let n = 0; n < promises; n++) await Promise.resolve();
  return then();
}

/** Numbers that never lie: versions, seqs and revisions, whatever is done and however the driver behaves. */
import type { Driver, Head } from "@fastpaca/core";
import { describe, expect, test } from "vitest";
import { fate, hello, ID, numbered, Stores, summary, TIMEOUT } from "./harness.js";
import { BACKENDS } from "./http/backends.js";

async function headOf(driver: Driver): Promise<Head> {
  const [head] = await driver.heads([ID]);
  if (head === undefined) throw new Error("there is no head");
  return head;
}

describe.each(BACKENDS)("over $name", { timeout: TIMEOUT }, (backend) => {
  const stores = new Stores(backend);

  describe("version, last_seq and revision", () => {
    test("each command moves the ones that it should, and only those", async () => {
      const { store, driver } = await stores.open();
      const { contexts } = store;
      const steps: [
        name: string,
        command: () => Promise<unknown>,
        numbers: [version: number, seq: number, revision: number],
      ][] = [
        ["create", () => contexts.put(ID), [0, 0, 1]],
        ["create again", () => contexts.put(ID), [0, 0, 1]],
        ["append", () => contexts.append(ID, { message: hello }), [1, 1, 2]],
        ["append a batch", () => contexts.append(ID, { messages: [hello, hello, hello] }), [4, 4, 3]],
        ["refuse", () => fate(contexts.append(ID, { message: hello, if_version: 3 })), [4, 4, 3]],
        ["configure", () => contexts.put(ID, { token_budget: 50 }), [5, 4, 4]],
        ["configure the same", () => contexts.put(ID, { token_budget: 50 }), [5, 4, 4]],
        ["describe", () => contexts.put(ID, { metadata: { a: 1 } }), [5, 4, 5]],
        ["describe the same", () => contexts.put(ID, { metadata: { a: 1 } }), [5, 4, 5]],
        ["configure and describe", () => contexts.put(ID, { token_budget: 9, metadata: {} }), [6, 4, 6]],
        ["patch", () => contexts.patchMetadata(ID, { metadata: { b: 2 } }), [6, 4, 7]],
        ["compact", () => contexts.compact(ID, { replacement: summary }), [7, 4, 8]],
        ["reset", () => contexts.reset(ID), [8, 4, 9]],
        [
          "append with a key",
          () => contexts.append(ID, { message: hello, idempotency_key: "k" }),
          [9, 5, 10],
        ],
        ["repeat it", () => contexts.append(ID, { message: hello, idempotency_key: "k" }), [9, 5, 10]],
        ["tombstone", () => contexts.remove(ID), [9, 5, 11]],
        ["tombstone again", () => contexts.remove(ID), [9, 5, 11]],
      ];
      for (const [name, command, numbers] of steps) {
        await command();
        const { version, lastSeq, revision } = await headOf(driver);
        expect([version, lastSeq, revision], name).toEqual(numbers);
        expect(version, name).toBe(lastSeq + (await driver.marks(ID, 0, 100)).length);
      }
    });

    test("no revision is used twice, not even after a purge; everything else starts anew", async () => {
      const { store, driver } = await stores.open();
      const { contexts } = store;
      await contexts.put(ID, { metadata: { a: "x" } });
      await contexts.append(ID, { messages: [hello, hello], idempotency_key: "k" });
      await contexts.compact(ID, { replacement: summary });
      await contexts.remove(ID, { purge: true });
      expect(await headOf(driver)).toMatchObject({
        revision: 4,
        life: 1,
        purged: true,
        labels: [],
        metadata: "{}",
      });
      expect([
        await driver.messages(ID, 1, 9),
        await driver.marks(ID, 0, 9),
        await driver.keys(ID, ["k"]),
      ]).toEqual([[], [], []]);
      await expect(contexts.append(ID, { message: hello })).rejects.toMatchObject({ code: "not_found" });
      await expect(contexts.get(ID)).rejects.toMatchObject({ code: "not_found" });

      const { created, document } = await contexts.put(ID);
      expect([created, document.value.version, document.value.metadata]).toEqual([true, 0, {}]);
      expect(await headOf(driver)).toMatchObject({ revision: 5, life: 2, purged: false });
      expect(await contexts.append(ID, { message: numbered(7), idempotency_key: "k" })).toEqual({
        seq: 1,
        version: 1,
        token_count: 1,
        token_estimate: 1,
      });
      expect((await contexts.context(ID)).value.messages).toMatchObject([{ seq: 1, parts: [{ text: "7" }] }]);
      expect((await contexts.tail(ID)).value.messages).toMatchObject([{ seq: 1, parts: [{ text: "7" }] }]);
    });

    test("a summary of the life before is not shown, though its version is that of the present one", async () => {
      const { store } = await stores.open();
      for (const life of [1, 2]) {
        await store.contexts.put(ID);
        await store.contexts.append(ID, { message: hello });
        await store.contexts.compact(ID, { replacement: [numbered(life)] });
        expect((await store.contexts.context(ID)).value.messages).toEqual([numbered(life)]);
        await store.contexts.remove(ID, { purge: true });
      }
    });

    test("a purge in the middle of a burst parts what came before it from what comes after", async () => {
      const { store, driver } = await stores.open();
      const { contexts } = store;
      const fates = await Promise.all(
        [
          contexts.put(ID),
          contexts.append(ID, { message: numbered(1), idempotency_key: "k" }),
          contexts.remove(ID, { purge: true }),
          contexts.append(ID, { message: numbered(2) }),
          contexts.put(ID),
          contexts.append(ID, { message: numbered(3), idempotency_key: "k" }),
        ].map(fate),
      );
      expect(fates).toEqual(["done", "done", "done", "not_found", "done", "done"]);
      expect((await contexts.replay(ID)).value.messages).toMatchObject([{ seq: 1, parts: [{ text: "3" }] }]);
      expect(await headOf(driver)).toMatchObject({ life: 2, lastSeq: 1, version: 1 });
    });

    test("the state in a head stays within 4 KiB, however long the kinds of a policy are", async () => {
      const { store, driver } = await stores.open();
      const kinds = Array.from({ length: 16 }, (_, n) => String.fromCharCode(0x4e00 + n).repeat(64));
      const policy = { strategy: "skip_parts", config: { skip_kinds: kinds } } as const;
      const created = await fate(store.contexts.put(ID, { token_budget: 1, policy }));
      if (created === "done") {
        await store.contexts.append(ID, { messages: [hello, hello, hello] });
        expect(Buffer.byteLength((await headOf(driver)).state)).toBeLessThanOrEqual(4096);
      } else {
        expect(created).toBe("invalid_request");
      }
    });
  });

  describe("appends", () => {
    test("a batch is all or nothing, and one key is for all of it", async () => {
      const { store } = await stores.open();
      await store.contexts.put(ID);
      const invalid = { role: "user", parts: [{ type: "" }] };
      expect(await fate(store.contexts.append(ID, { messages: [hello, invalid, hello] }))).toBe(
        "invalid_request",
      );
      expect(await fate(store.contexts.append(ID, { messages: [hello, hello], if_version: 1 }))).toBe(
        "conflict",
      );
      expect((await store.contexts.replay(ID)).value.messages).toEqual([]);

      const batch = { messages: [numbered(1), { ...numbered(2), token_count: 8 }], idempotency_key: "k" };
      const first = { seq: 2, version: 2, token_count: 8, token_estimate: 8 };
      expect(await store.contexts.append(ID, batch)).toEqual(first);
      expect(await store.contexts.append(ID, batch)).toEqual({ ...first, deduplicated: true });
      const other = { messages: [numbered(1)], idempotency_key: "k" };
      expect(await fate(store.contexts.append(ID, other))).toBe("idempotency_key_reused");
      expect((await store.contexts.get(ID)).value.last_seq).toBe(2);
    });

    test("a key is looked at before the version and the tombstone", async () => {
      const { store } = await stores.open();
      await store.contexts.put(ID);
      const keyed = { message: hello, if_version: 0, idempotency_key: "k" };
      await store.contexts.append(ID, keyed);
      await store.contexts.remove(ID);
      expect(await store.contexts.append(ID, keyed)).toMatchObject({ seq: 1, deduplicated: true });
      const other = { ...keyed, message: numbered(1) };
      expect(await fate(store.contexts.append(ID, other))).toBe("idempotency_key_reused");
      expect(await fate(store.contexts.append(ID, { ...keyed, idempotency_key: "new" }))).toBe("tombstoned");
    });

    test("the content of a key is its messages and the token counts given with them", async () => {
      const { store } = await stores.open();
      await store.contexts.put(ID);
      await store.contexts.append(ID, { message: hello, idempotency_key: "k" });
      const { token_count: _, ...uncounted } = hello;
      const again = (message: object): Promise<string> =>
        fate(
          store.contexts.append(ID, {
            message: { ...hello, token_count: undefined, ...message },
            idempotency_key: "k",
          }),
        );
      expect(await again({ token_count: 1 })).toBe("done");
      expect(await again({ token_count: 1, seq: 5 })).toBe("done");
      expect(await again({ token_count: 2 })).toBe("idempotency_key_reused");
      expect(await fate(store.contexts.append(ID, { message: uncounted, idempotency_key: "k" }))).toBe(
        "idempotency_key_reused",
      );
      expect(await again({ token_count: 1, extra: null })).toBe("idempotency_key_reused");
    });

    test("many at once land once each, in the order of their seqs", async () => {
      const { store } = await stores.open();
      await store.contexts.put(ID);
      const numbers = Array.from({ length: 500 }, (_, n) => n);
      const results = await Promise.all(
        numbers.map((n) => store.contexts.append(ID, { message: numbered(n) })),
      );
      const { messages } = (await store.contexts.replay(ID, { limit: 1000 })).value;
      expect(messages.map(({ seq }) => seq)).toEqual(numbers.map((n) => n + 1));
      for (const [n, { seq }] of results.entries()) expect(messages[seq - 1]).toMatchObject(numbered(n));
    });

    test("of many racers with the same if_version exactly one wins, also through two stores", async () => {
      const pair = await stores.pair();
      await pair[0].contexts.put(ID);
      for (let version = 0; version < 10; version++) {
        const fates = await Promise.all(
          pair.flatMap((store) =>
            [0, 1, 2].map(() => fate(store.contexts.append(ID, { message: hello, if_version: version }))),
          ),
        );
        expect(fates.filter((result) => result === "done")).toHaveLength(1);
        expect(fates.filter((result) => result === "conflict")).toHaveLength(5);
      }
    });

    test("two stores that append to one conversation at once lose nothing and agree on the window", async () => {
      const pair = await stores.pair();
      await pair[0].contexts.put(ID, { policy: { strategy: "last_n", config: { limit: 20, retain: 7 } } });
      const seqs = await Promise.all(
        Array.from(
          { length: 60 },
          async (_, n) => (await pair[n % 2]?.contexts.append(ID, { message: numbered(n) }))?.seq,
        ),
      );
      expect(new Set(seqs).size).toBe(60);
      const texts = await Promise.all(pair.map(async (store) => (await store.contexts.context(ID)).text));
      expect(texts[0]).toBe(texts[1]);
      const context = (await pair[0].contexts.context(ID)).value;
      expect(context.segments).toEqual([{ type: "live", from_seq: 43, to_seq: 60 }]);
    });
  });

  describe("a clock that is wrong", () => {
    test("jumping backwards, it makes no time decrease", async () => {
      const times = [5000, 4000, 9000, 1, 6000, 2, 10_000, 3];
      let now = 0;
      const { store } = await stores.open({ clock: () => now });
      const updated: string[] = [];
      const at = async (command: () => Promise<unknown>): Promise<void> => {
        now = times[updated.length % times.length] ?? 0;
        await command();
        updated.push((await store.contexts.get(ID)).value.updated_at);
      };
      await at(() => store.contexts.put(ID));
      for (let n = 0; n < 4; n++) {
        await at(() => store.contexts.append(ID, { messages: [hello, hello] }));
        await at(() => store.contexts.patchMetadata(ID, { metadata: { n } }));
        await at(() => store.contexts.append(ID, { message: hello }));
        await at(() => store.contexts.compact(ID, { replacement: summary }));
      }
      await at(() => store.contexts.remove(ID));
      expect(updated).toEqual(updated.toSorted());
      const inserted = (await store.contexts.replay(ID)).value.messages.map((message) => message.inserted_at);
      expect(inserted).toEqual(inserted.toSorted());
      expect(new Set(updated).size).toBeGreaterThan(2);
    });

    test("after a purge, times go on from where they were", async () => {
      let now = 9000;
      const { store } = await stores.open({ clock: () => now });
      await store.contexts.put(ID);
      const before = (await store.contexts.get(ID)).value.updated_at;
      now = 10;
      await store.contexts.remove(ID, { purge: true });
      const { document } = await store.contexts.put(ID);
      expect(document.value.updated_at >= before).toBe(true);
    });

    test("jumping forwards by a day at a time, it fails no write", async () => {
      let now = 0;
      const { store } = await stores.open({ clock: () => (now += 86_400_000) });
      await store.contexts.put(ID);
      const keyed = { message: hello, idempotency_key: "k" };
      expect(await fate(store.contexts.append(ID, keyed))).toBe("done");
      expect(await fate(store.contexts.append(ID, keyed))).toBe("done");
    });
  });
});

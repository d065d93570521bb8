import fc from "fast-check";
import { ALIKE } from "../arbitraries.js";
import { check, NOTHING, type Check } from "../check.js";
import { commitOn } from "../commits.js";
import { lockstep } from "../lockstep.js";

/** Enough bits to tell the alike keys from one another. */
const BITS = Math.ceil(Math.log2(ALIKE.length));

/** Idempotency keys. */
export const KEYS: readonly Check[] = [
  check({
    name: "keys-held",
    invariants: ["KEY-1", "KEY-4", "KEY-6"],
    mode: "sequence",
    runs: 10,
    arbitrary: fc.record({
      first: fc.integer({ min: 1, max: 4 }),
      picks: fc.array(fc.nat({ max: 11 }), { minLength: 1, maxLength: 5 }),
      fresh: fc.integer({ min: 1, max: 3 }),
      at: fc.nat({ max: 5 }),
    }),
    run: async (world, { first, picks, fresh, at }) => {
      const steps = await lockstep(world);
      const id = world.id("c");
      const message = (n: number): string => `{"n":${n},"text":"${"x".repeat(n * 7)}"}`;
      for (let step = 0; step < 3; step++) {
        await steps.step(id, {
          token: `t${step}`,
          messages: Array.from({ length: first + step }, (_, n) => message(n)),
          keys: Array.from({ length: first }, (_, n) => `key ${step} ${n}`),
        });
      }
      const all = steps.model.keys(id).map(({ key }) => key);
      const held = [...new Set(picks.map((pick) => all[pick % all.length] ?? ""))];
      const news = Array.from({ length: fresh }, (_, n) => `new ${n}`);
      const place = at % (news.length + 1);
      const mixed = [...news.slice(0, place), ...held, ...news.slice(place)];
      const head = steps.model.head(id);
      const wrong = commitOn(head, id, { token: "wrong", messages: [message(1), message(2)], keys: mixed });
      await steps.keys(id, mixed);
      await steps.commit([wrong]);
      for (const key of held)
        await steps.commit([commitOn(head, id, { token: "one", messages: ["1"], keys: [key] })]);
      await steps.commit([commitOn(head, id, { token: "every", messages: ["1"], keys: all })]);
      // The base is looked at first.
      for (const earlier of [
        undefined,
        ...steps.model
          .landed(id)
          .slice(0, -1)
          .map(({ head }) => head),
      ]) {
        await steps.commit([commitOn(earlier, id, { token: "stale", messages: ["1"], keys: mixed })]);
      }
      const base = (head?.revision ?? 0) + 1;
      await steps.commit([{ ...wrong, base, head: { ...wrong.head, revision: base + 1 } }]);
      await steps.verify([id]);
      await steps.step(id, { token: "right", messages: [message(3)], keys: news });
      await steps.verify([id]);
    },
  }),
  check({
    name: "keys-of-others",
    invariants: ["KEY-2", "KEY-6"],
    mode: "sequence",
    runs: 4,
    arbitrary: fc.uniqueArray(fc.nat({ max: 20 }), { minLength: 2, maxLength: 6 }),
    run: async (world, numbers) => {
      const steps = await lockstep(world, { blame: "KEY-2" });
      const ids = ["a", "b", "c"].map((name) => world.id(name));
      const keys = numbers.map((number) => `key ${number}`);
      const [one = ids[0] ?? "", ...others] = ids;
      await steps.step(one, { token: "one", messages: ["1", "2", "3"], keys });
      for (const id of others) await steps.keys(id, keys);
      await steps.commit(others.map((id) => commitOn(undefined, id, { token: "empty" })));
      for (const id of others) await steps.keys(id, keys);
      // In one call, and each for itself.
      await steps.commit(
        others.map((id) => commitOn(steps.model.head(id), id, { token: id, messages: ["1", "2"], keys })),
      );
      await steps.commit(
        ids.map((id) => commitOn(steps.model.head(id), id, { token: "again", messages: ["1"], keys })),
      );
      await steps.commit(
        ids.map((id) => commitOn(steps.model.head(id), id, { token: id, messages: ["1"], keys: ["new"] })),
      );
      await steps.verify();
    },
  }),
  check({
    name: "keys-alike",
    invariants: ["KEY-5", "KEY-6"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const steps = await lockstep(world, { blame: "KEY-5" });
      // Any two of them differ in a bit of their place, so that in one conversation one is held before the other comes.
      const halves = Array.from({ length: BITS }, (_, bit) => ({
        id: world.id(`bit ${bit}`),
        zeros: ALIKE.filter((_, place) => ((place >> bit) & 1) === 0),
        ones: ALIKE.filter((_, place) => ((place >> bit) & 1) === 1),
      }));
      for (const { id, zeros } of halves)
        await steps.step(id, { token: "zeros", messages: ["1", "2"], keys: zeros });
      for (const { id, ones, zeros } of halves) {
        await steps.keys(id, ones);
        await steps.keys(id, zeros);
        await steps.step(id, { token: "ones", messages: ["3"], keys: ones });
        await steps.keys(id, ALIKE);
      }
      const id = world.id("bit 0");
      await steps.commit([
        commitOn(steps.model.head(id), id, { token: "all", messages: ["4"], keys: ALIKE }),
      ]);
    },
  }),
  check({
    name: "keys-text",
    invariants: ["FID-3"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const steps = await lockstep(world, { blame: "FID-3" });
      const id = world.id("c");
      const hashes = [
        "h",
        "0",
        "00",
        "1e5",
        "null",
        "f".repeat(64),
        "'\"`\\%_;$?:@{}[]<>&|~ ^*#!,./-+=()",
        "AbCdEf",
        "0x1F",
        "\\u0041",
        "a  b",
      ];
      const keys = hashes.map((hash, index) => ({ key: ALIKE.at(-1 - index) ?? "", hash }));
      const messages = keys.map((_, index) => `{"n":${index}}`);
      await steps.step(id, { token: "t", messages, keys });
      await steps.keys(
        id,
        keys.map(({ key }) => key),
      );
      for (const key of keys)
        await steps.commit([
          commitOn(steps.model.head(id), id, { token: "again", messages: ["1"], keys: [key] }),
        ]);
    },
  }),
];

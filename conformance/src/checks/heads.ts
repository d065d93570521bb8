import fc from "fast-check";
import { check, type Check } from "../check.js";
import { commitOn, DAWN, type Step } from "../commits.js";
import { lockstep } from "../lockstep.js";

/** Each changes one part of the head, so that a part that is not stored shows. */
const CHANGES: readonly Omit<Step, "token">[] = [
  { messages: ['{"n":1}', '{"n":2}'] },
  { marks: [{ kind: "reset", body: "{}" }] },
  { metadata: '{"a":1}' },
  { metadata: "{}" },
  { labels: ["a=1", "b=2"] },
  { labels: [] },
  { archivedSeq: 1 },
  { firstSeq: 2 },
  { updatedAt: DAWN + 86_400_000 },
  { updatedAt: DAWN + 86_400_000 },
  { state: '{"any":"notes"}' },
  {},
  { tombstone: true },
];

/** What heads say, and when. */
export const HEADS: readonly Check[] = [
  check({
    name: "head-fields",
    invariants: ["VER-1", "VER-2"],
    mode: "sequence",
    runs: 5,
    arbitrary: fc.shuffledSubarray([...CHANGES], { minLength: CHANGES.length - 2 }),
    run: async (world, changes) => {
      const steps = await lockstep(world, { handles: 3 });
      const id = world.id("c");
      const other = world.id("other");
      await steps.heads([id]);
      await steps.step(id, { token: "first", messages: ["1", "2"], updatedAt: DAWN - 5 });
      await steps.step(other, { token: "other", updatedAt: DAWN - 5 });
      let latest = DAWN;
      for (const [index, change] of changes.entries()) {
        latest = Math.max(latest, change.updatedAt ?? 0);
        await steps.step(id, { ...change, updatedAt: latest, token: `t${index}` });
        // Once through each handle, those that wrote it and those that have an older one at hand.
        for (let handle = 0; handle < 3; handle++) await steps.heads([other, id]);
      }
    },
  }),
  check({
    name: "many-commits",
    invariants: ["VER-3", "CAS-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: fc.integer({ min: 257, max: 300 }),
    run: async (world, commits) => {
      const steps = await lockstep(world, { blame: "VER-3" });
      const id = world.id("c");
      for (let count = 0; count < commits; count++) await steps.step(id, { token: `t${count}` });
      await steps.heads([id]);
    },
  }),
  check({
    name: "heads-asked",
    invariants: ["VER-4"],
    mode: "sequence",
    runs: 8,
    arbitrary: fc.array(fc.nat({ max: 9 }), { minLength: 4, maxLength: 20 }),
    run: async (world, wanted) => {
      const steps = await lockstep(world);
      // The odd ones are never created.
      const ids = Array.from({ length: 10 }, (_, index) => world.id(`c${index}`));
      const created = ids.filter((_, index) => index % 2 === 0);
      await steps.commit(created.map((id) => commitOn(undefined, id, { token: id })));
      await steps.heads(wanted.map((index) => ids[index] ?? ""));
      await steps.heads([...ids, ...ids.toReversed()]);
      for (const id of ids.slice(0, 2)) await steps.heads([id]);
    },
  }),
];

import fc from "fast-check";
import { check, type Check } from "../check.js";
import { commitOn, type Step } from "../commits.js";
import { lockstep, type Lockstep } from "../lockstep.js";
import type { World } from "../world.js";

/** A life: how many messages each of its commits appends. Every commit has marks and a key too. */
const life = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

function step(world: World, token: string, size: number, key: string): Step {
  return {
    token,
    messages: Array.from({ length: size }, (_, n) => `{"n":"${token} ${n}"}`),
    marks: [{ kind: "compaction", body: `{"n":"${token} mark"}` }],
    keys: [key],
    metadata: `{"token":"${token}"}`,
    labels: [`run=${world.id("")}`],
  };
}

async function live(
  steps: Lockstep,
  world: World,
  id: string,
  name: string,
  sizes: readonly number[],
): Promise<void> {
  for (const [index, size] of sizes.entries())
    await steps.step(id, step(world, `${name} ${index}`, size, `key ${index}`));
}

/** The end of conversations, and what comes after it. */
export const TOMBSTONES: readonly Check[] = [
  check({
    name: "tombstone-kept",
    invariants: ["TMB-1", "LST-4"],
    mode: "sequence",
    runs: 4,
    arbitrary: life,
    run: async (world, sizes) => {
      const steps = await lockstep(world, { blame: "TMB-1" });
      const ids = [world.id("ends"), world.id("goes on"), world.id("ends with its creation")];
      for (const id of ids.slice(0, 2)) await live(steps, world, id, id, sizes);
      await steps.step(ids[0] ?? "", { token: "tombstone", tombstone: true });
      await steps.step(ids[2] ?? "", { ...step(world, "only", 1, "key 0"), tombstone: true });
      await steps.verify();
      await steps.list([`run=${world.id("")}`], 2, { blame: "LST-4" });
      // Archive progress goes on after the end; a writer that has not heard of it conflicts.
      await steps.step(ids[0] ?? "", { token: "archived", archivedSeq: 1 });
      const stale = steps.model.landed(ids[0] ?? "").at(-3)?.head;
      await steps.commit([commitOn(stale, ids[0] ?? "", { token: "late", messages: ["1"] })]);
      await steps.verify();
    },
  }),
  check({
    name: "purge-erases",
    invariants: ["TMB-2"],
    mode: "sequence",
    runs: 5,
    arbitrary: fc.record({ sizes: life, tombstoned: fc.boolean() }),
    run: async (world, { sizes, tombstoned }) => {
      const steps = await lockstep(world, { blame: "TMB-2" });
      const ids = [world.id("gone"), world.id("stays")];
      const [gone = ""] = ids;
      for (const id of ids) await live(steps, world, id, id, sizes);
      if (tombstoned) await steps.step(gone, { token: "tombstone", tombstone: true });
      await steps.verify();
      await steps.list([`run=${world.id("")}`], 10);
      await steps.step(gone, { token: "purge", purge: true });
      await steps.verify();
      await steps.list([`run=${world.id("")}`], 10);
      await steps.list([`run=${world.id("")}`], 1);
    },
  }),
  check({
    name: "purge-rebirth",
    invariants: ["TMB-3"],
    mode: "sequence",
    runs: 5,
    arbitrary: fc.array(life, { minLength: 2, maxLength: 3 }),
    run: async (world, lives) => {
      const steps = await lockstep(world, { blame: "TMB-3" });
      const ids = [world.id("a"), world.id("b")];
      // The first life is the longest: what is left of it would show behind the later ones, and between them.
      for (const [index, sizes] of [[4, 4, 4, 4], ...lives].entries()) {
        for (const id of ids) {
          if (index > 0) await steps.step(id, { token: `purge ${index}`, purge: true });
          await live(steps, world, id, `${id} ${index}`, sizes);
        }
        await steps.verify();
        await steps.commit(
          ids.map((id) => commitOn(steps.model.head(id), id, step(world, "held", 1, "key 0"))),
        );
      }
      for (const id of ids) await steps.step(id, { token: "empty life", purge: true });
      await steps.commit(ids.map((id) => commitOn(steps.model.head(id), id, { token: "nothing in it" })));
      await steps.verify();
      await steps.list([`run=${world.id("")}`], 10);
    },
  }),
  check({
    name: "purge-stale-writer",
    invariants: ["TMB-4"],
    mode: "sequence",
    runs: 6,
    arbitrary: fc.record({ first: life, second: life }),
    run: async (world, { first, second }) => {
      const steps = await lockstep(world, { blame: "TMB-4" });
      const id = world.id("c");
      // Every head that anybody may still hold, and none at all.
      const everyone = async (): Promise<void> => {
        const heads = [
          undefined,
          ...steps.model
            .landed(id)
            .slice(0, -1)
            .map(({ head }) => head),
        ];
        for (const [index, head] of heads.entries()) {
          await steps.commit([commitOn(head, id, step(world, `late ${index}`, 2, `late ${index}`))]);
        }
        const [, alive] = heads;
        await steps.commit([commitOn(alive, id, { token: "late purge", purge: true })]);
        await steps.verify([id]);
      };
      await live(steps, world, id, "first", first);
      await steps.step(id, { token: "purge", purge: true });
      await everyone();
      await live(steps, world, id, "second", second);
      await everyone();
    },
  }),
];

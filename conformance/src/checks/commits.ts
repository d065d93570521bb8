import fc from "fast-check";
import { check, type Check } from "../check.js";
import { commitOn } from "../commits.js";
import { demand } from "../violation.js";

/** Compare-and-set, one commit after the other. */
export const COMMITS: readonly Check[] = [
  check({
    name: "commit-stale-base",
    invariants: ["CAS-3", "CAS-4"],
    mode: "sequence",
    runs: 50,
    arbitrary: fc
      .record({ steps: fc.integer({ min: 1, max: 5 }), base: fc.nat({ max: 8 }) })
      .filter(({ steps, base }) => steps !== base),
    run: async (world, { steps, base }) => {
      const driver = await world.handle();
      const id = world.id("c");
      let head = undefined;
      for (let step = 0; step < steps; step++) {
        const commit = commitOn(head, id, { token: `t${step}`, messages: ['{"a":1}'] });
        await driver.commit([commit]);
        head = commit.head;
      }
      const right = commitOn(head, id, { token: "wrong" });
      const [outcome] = await driver.commit([
        { ...right, base, head: { ...right.head, revision: base + 1 } },
      ]);
      demand(
        outcome?.status === "conflict",
        "CAS-3",
        () => `a commit on revision ${base} was ${outcome?.status}`,
      );
    },
  }),
];

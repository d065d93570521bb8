import fc from "fast-check";
import { anyBody } from "../arbitraries.js";
import { check, NOTHING, type Check } from "../check.js";
import { lockstep } from "../lockstep.js";

const kind = fc.constantFrom("compaction" as const, "reset" as const, "config" as const);

/** Compactions, resets and configurations. */
export const MARKS: readonly Check[] = [
  check({
    name: "marks-ranges",
    invariants: ["CMP-2", "CMP-1", "GAP-2"],
    mode: "sequence",
    runs: 6,
    arbitrary: fc.array(
      fc.record({ messages: fc.nat({ max: 3 }), marks: fc.array(fc.tuple(kind, anyBody), { maxLength: 3 }) }),
      {
        minLength: 3,
        maxLength: 6,
      },
    ),
    run: async (world, commits) => {
      const steps = await lockstep(world);
      const ids = [world.id("a"), world.id("b")];
      const twelve = Array.from(
        { length: 12 },
        (_, n) => [n % 2 === 0 ? "reset" : "compaction", `"${n}"`] as const,
      );
      for (const [index, { messages, marks }] of [...commits, { messages: 1, marks: twelve }].entries()) {
        for (const id of ids) {
          await steps.step(id, {
            token: `t${index}`,
            messages: Array.from({ length: messages }, (_, n) => `{"n":"${id} ${index} ${n}"}`),
            marks: marks.map(([kind, body], n) => ({
              kind,
              body: `{"n":"${id} ${index} ${n}","body":${body}}`,
            })),
          });
        }
      }
      for (const id of ids) {
        const marks = steps.model.marks(id);
        for (const after of new Set([0, ...marks.slice(-13).map(({ version }) => version)])) {
          await steps.marks(id, after, 1 + (after % 4));
        }
        for (const limit of [1, 2, marks.length - 1, marks.length, marks.length + 1, 1000]) {
          await steps.marks(id, 0, limit);
        }
        await steps.marks(id, (marks[0]?.version ?? 1) - 1, 1);
        await steps.marks(id, (marks.at(-1)?.version ?? 1) + 1, 10);
      }
    },
  }),
  check({
    name: "marks-long",
    invariants: ["CMP-2"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const steps = await lockstep(world, { blame: "CMP-2" });
      const id = world.id("long");
      for (let step = 0; step < 3; step++) {
        const marks = Array.from({ length: 400 }, (_, n) => ({
          kind: "config" as const,
          body: `"${step} ${n}"`,
        }));
        await steps.step(id, { token: `t${step}`, messages: ["{}"], marks });
      }
      for (const limit of [1000, 999, 1199, 1200, 2000]) await steps.marks(id, 0, limit);
      await steps.marks(id, 600, 1000);
    },
  }),
];

import type { Commit } from "@fastpaca/core";
import fc from "fast-check";
import { check, type Check } from "../check.js";
import { commitOn } from "../commits.js";
import { lockstep } from "../lockstep.js";

const kind = fc.constantFrom("compaction" as const, "reset" as const, "config" as const);

interface Part {
  readonly messages: number;
  readonly marks: readonly ("compaction" | "reset" | "config")[];
  readonly keyed: boolean;
}

const commits: fc.Arbitrary<readonly Part[]> = fc.array(
  fc.record({
    messages: fc.integer({ min: 1, max: 4 }),
    marks: fc.array(kind, { maxLength: 2 }),
    keyed: fc.boolean(),
  }),
  { minLength: 3, maxLength: 6 },
);

/** Pruning: at the edges of commits, in the middle of them, to the last message, and again. */
export const TRIMMING: readonly Check[] = [
  check({
    name: "prune-frees",
    invariants: ["TRM-1", "TRM-4", "TRM-2", "TRM-3", "KEY-3"],
    mode: "sequence",
    runs: 10,
    arbitrary: fc.record({
      commits,
      // Parts of what is left, in thirtieths.
      cuts: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 3 }),
      less: fc.nat({ max: 2 }),
    }),
    run: async (world, { commits, cuts, less }) => {
      const steps = await lockstep(world);
      const ids = [world.id("trimmed"), world.id("whole")];
      const [id = ""] = ids;
      const append = async (name: string, parts: readonly Part[]): Promise<void> => {
        for (const [index, { messages, marks, keyed }] of parts.entries()) {
          const token = `${name} ${index}`;
          for (const id of ids) {
            await steps.step(id, {
              token,
              messages: Array.from({ length: messages }, (_, n) => `{"n":"${id} ${token} ${n}"}`),
              marks: marks.map((kind, n) => ({ kind, body: `{"n":"${id} ${token} mark ${n}"}` })),
              keys: keyed ? [`key ${token}`] : [],
            });
          }
        }
      };
      // A mark of each kind on either side of what goes, whatever the commits bring.
      const some: Part = { messages: 2, marks: ["config", "compaction", "reset"], keyed: true };
      await append("first", [{ ...some, marks: ["compaction", "config", "compaction"] }, some]);
      await append("then", [...commits, some]);
      // In the end, everything.
      for (const [index, cut] of [...cuts, 10, 30].entries()) {
        const before = steps.model.head(id);
        if (before === undefined) throw new Error("there is no head");
        const left = before.lastSeq - before.firstSeq + 1;
        const firstSeq = before.firstSeq + Math.max(1, Math.round((left * cut) / 30));
        const { head } = await steps.step(id, {
          token: `trim ${index}`,
          firstSeq,
          archivedSeq: firstSeq - 1,
        });
        // The head may say that more is gone than is pruned so far.
        const first = Math.max(before.firstSeq + 1, head.firstSeq - less);
        for (const below of first === head.firstSeq ? [first] : [first, head.firstSeq]) {
          await steps.prune(id, below);
          await steps.messages(id, 1, 1000, { blame: "TRM-1" });
          await steps.messages(id, Math.max(1, below - 1), below + 1, { blame: "TRM-1" });
          await steps.marks(id, 0, 1000, { blame: "TRM-4" });
        }
        // Through each handle, whichever did it first.
        const again = [head.firstSeq, head.firstSeq, head.firstSeq];
        for (const below of [...again, Math.max(1, head.firstSeq - 1), 1]) await steps.prune(id, below);
        for (const of of ids) {
          const blame = of === id ? "TRM-2" : "ISO-1";
          await steps.messages(of, 1, 1000, { blame });
          await steps.marks(of, 0, 1000, { blame });
        }
        await steps.heads(ids, { blame: "TRM-3" });
        const keys = steps.model.keys(id).map(({ key }) => key);
        await steps.keys(id, keys, { blame: "KEY-3" });
        const reuse = (of: number) =>
          commitOn(steps.model.head(id), id, { token: "again", messages: ["1"], keys: [keys.at(of) ?? ""] });
        await steps.commit([reuse(0)], { blame: "KEY-3" });
        await steps.commit([reuse(-1)], { blame: "KEY-3" });
        for (const stale of [undefined, before]) {
          await steps.commit([commitOn(stale, id, { token: "stale", messages: ["1"] })], { blame: "TRM-3" });
        }
        await append(`after ${index}`, [
          { ...some, marks: index % 2 === 0 ? ["compaction", "reset"] : ["reset"] },
        ]);
        // A newer compaction takes the place of the one that was kept, although no message goes any more.
        await steps.prune(id, head.firstSeq);
        await steps.marks(id, 0, 1000, { blame: "TRM-4" });
        await steps.verify();
      }
    },
  }),
  check({
    name: "prune-late",
    invariants: ["TRM-5"],
    mode: "sequence",
    runs: 5,
    arbitrary: fc.record({
      // Messages of each commit, of either life.
      sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 5 }),
      gone: fc.integer({ min: 1, max: 2 }),
      beyond: fc.integer({ min: 1, max: 4 }),
    }),
    run: async (world, { sizes, gone, beyond }) => {
      const steps = await lockstep(world);
      const id = world.id("late");
      const live = async (life: string): Promise<void> => {
        for (const [index, size] of sizes.entries()) {
          await steps.step(id, {
            token: `${life} ${index}`,
            messages: Array.from({ length: size }, (_, n) => `{"n":"${life} ${index} ${n}"}`),
            marks: [{ kind: index === 1 ? "compaction" : "config", body: `{"n":"${life} ${index}"}` }],
            keys: [`key ${index}`],
          });
        }
      };
      const prune = async (below: number): Promise<void> => {
        await steps.prune(id, below);
        await steps.verify([id], { blame: "TRM-5" });
      };
      const trim = (token: string): Promise<Commit> =>
        // What is archived is kept all the same.
        steps.step(id, { token, firstSeq: gone + 1, archivedSeq: gone + 1 });
      await live("first");
      const { head } = await trim("trim");
      await prune(head.lastSeq + beyond);
      await steps.step(id, { token: "purge", purge: true });
      await prune(head.lastSeq + beyond);
      await live("second");
      await prune(head.firstSeq);
      await prune(head.lastSeq + beyond);
      await trim("trim again");
      await prune(head.lastSeq + beyond);
    },
  }),
];

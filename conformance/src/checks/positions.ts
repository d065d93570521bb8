import fc from "fast-check";
import { EDGES } from "../arbitraries.js";
import { check, NOTHING, type Check } from "../check.js";
import { commitOn, type Step } from "../commits.js";
import { lockstep } from "../lockstep.js";

/** The largest position from which a few messages still fit. */
const HIGHEST = Number.MAX_SAFE_INTEGER - 8;

/** Seqs, ranges of them, and how large they may be. */
export const POSITIONS: readonly Check[] = [
  check({
    name: "messages-ranges",
    invariants: ["SEQ-2", "SEQ-1", "GAP-1", "GAP-2"],
    mode: "sequence",
    runs: 8,
    arbitrary: fc.record({
      sizes: fc.array(fc.nat({ max: 6 }), { minLength: 4, maxLength: 8 }),
      ranges: fc.array(fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 12 })), { minLength: 6, maxLength: 6 }),
    }),
    run: async (world, { sizes, ranges }) => {
      const steps = await lockstep(world);
      const ids = [world.id("a"), world.id("b")];
      for (const [index, size] of [...sizes, 12].entries()) {
        for (const id of ids) {
          const messages = Array.from({ length: size }, (_, n) => `{"n":"${id} ${index} ${n}"}`);
          const marks = index % 3 === 1 ? [{ kind: "config" as const, body: `"${id} ${index}"` }] : [];
          const { head } = await steps.step(id, { token: `t${index}`, messages, marks });
          if (size > 0) await steps.messages(id, head.lastSeq - size + 1, head.lastSeq);
        }
      }
      for (const id of ids) {
        const last = steps.model.head(id)?.lastSeq ?? 0;
        const fixed = [
          [1, 1],
          [1, last],
          [2, last],
          [1, last - 1],
          [last, last],
          [last, last + 1],
          [last + 1, last + 9],
          [9, 11],
          [1, Number.MAX_SAFE_INTEGER],
        ];
        const chosen = ranges.map(([from, count]) => [1 + (from % last), 1 + (from % last) + count]);
        for (const [from = 1, to = 1] of [...fixed, ...chosen]) await steps.messages(id, from, to);
      }
    },
  }),
  check({
    name: "messages-long",
    invariants: ["SEQ-3", "GAP-2"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const steps = await lockstep(world);
      const id = world.id("long");
      const rest = "x".repeat(300);
      for (let step = 0; step < 12; step++) {
        const messages = Array.from({ length: 1000 }, (_, n) => `{"n":"${step} ${n}","rest":"${rest}"}`);
        await steps.step(id, { token: `t${step}`, messages });
      }
      await steps.messages(id, 1, 12_000);
      await steps.messages(id, 1, Number.MAX_SAFE_INTEGER);
      await steps.messages(id, 501, 11_501);
    },
  }),
  check({
    name: "head-numbers",
    invariants: ["VER-3"],
    mode: "sequence",
    runs: 2,
    arbitrary: fc.integer({ min: 1, max: 3 }),
    run: async (world, lead) => {
      const steps = await lockstep(world, { blame: "VER-3" });
      const edges = EDGES.map((edge) => ({ edge, id: world.id(`at ${edge}`) }));
      const batch = async (step: (edge: number) => Step): Promise<void> => {
        await steps.commit(edges.map(({ edge, id }) => commitOn(steps.model.head(id), id, step(edge))));
      };
      // A conversation all of whose messages were trimmed goes on at the next seq.
      await batch((edge) => ({ token: "a", trimmed: Math.min(edge, HIGHEST) - lead, updatedAt: 0 }));
      for (const { id } of edges) await steps.prune(id, steps.model.head(id)?.firstSeq ?? 1);
      await batch((edge) => ({
        token: "b",
        messages: [1, 2, 3, 4].map((n) => ({ body: `{"n":"${edge} ${n}"}`, tokens: edge, insertedAt: edge })),
        marks: [{ kind: "config", body: `{"n":${edge}}`, at: edge }],
        keys: ["first", "second"],
        updatedAt: edge,
      }));
      await steps.heads(edges.map(({ id }) => id));
      for (const { id, edge } of edges) {
        const { lastSeq, version } = steps.model.head(id) ?? { lastSeq: 0, version: 0 };
        await steps.messages(id, lastSeq - 3, lastSeq);
        await steps.messages(id, Math.min(edge, HIGHEST), Math.min(edge, HIGHEST));
        await steps.marks(id, version - 1, 5);
        await steps.marks(id, version, 5);
        await steps.keys(id, ["first", "second"]);
      }
      const again = edges.map(({ id }) =>
        commitOn(steps.model.head(id), id, { token: "c", keys: ["second"] }),
      );
      await steps.commit(again);
    },
  }),
];

import fc from "fast-check";
import { EDGES } from "../arbitraries.js";
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

/** The largest position from which a few messages still fit. */
const HIGHEST = Number.MAX_SAFE_INTEGER - 8;

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
      const steps = await lockstep(world, { blame: "VER-4" });
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

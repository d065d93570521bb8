import fc from "fast-check";
import type { ListPosition } from "@fastpaca/core";
import { LABELS } from "../arbitraries.js";
import { check, type Check } from "../check.js";
import { commitOn, DAWN, type Step } from "../commits.js";
import { readPage } from "../listing.js";
import { Lockstep, lockstep } from "../lockstep.js";
import { ownDatabase } from "../own-database.js";
import { demand } from "../violation.js";
import type { World } from "../world.js";

/** A lockstep in a database where nothing else is listed. */
async function alone(world: World, use: (steps: Lockstep) => Promise<void>): Promise<void> {
  await ownDatabase(world, async (url) => {
    const handle = await world.open({ url });
    try {
      await use(new Lockstep([handle]));
    } finally {
      await handle.close();
    }
  });
}

/** Times of change with many ties, and some whose digits are in another order than their numbers. */
const time = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(DAWN, DAWN, DAWN + 1, DAWN - 1) },
  { weight: 1, arbitrary: fc.constantFrom(0, 5, 10, 99, 100, 2 ** 31, 2 ** 31 - 1, 2 ** 32, 10 * DAWN) },
);

const CHANGES = ["touch", "touch", "tombstone", "purge", "create", "unlabel", "label"] as const;

const change = fc.record({
  kind: fc.constantFrom(...CHANGES),
  pick: fc.nat(),
  gap: fc.constantFrom(0, 0, 1, 50),
});

/** The order of lists, their pages, and their filter. */
export const LISTS: readonly Check[] = [
  check({
    name: "list-pages",
    invariants: ["LST-1", "LST-2", "LST-5", "LST-4"],
    mode: "sequence",
    runs: 3,
    arbitrary: fc.record({
      times: fc.array(time, { minLength: 25, maxLength: 40 }),
      limits: fc.shuffledSubarray([1, 2, 3, 4, 5, 7], { minLength: 3, maxLength: 4 }),
      changes: fc.array(fc.nat(), { minLength: 3, maxLength: 8 }),
    }),
    run: (world, { times, limits, changes }) =>
      alone(world, async (steps) => {
        await steps.list([], 3);
        // In the order of creation, of ids and of times these are not the same.
        const ids = times.map((_, index) => `c${(index * 17) % times.length}-${index}`);
        for (let from = 0; from < ids.length; from += 20) {
          const some = ids.slice(from, from + 20);
          await steps.commit(
            some.map((id, index) =>
              commitOn(undefined, id, {
                token: id,
                messages: ["{}"],
                updatedAt: times[from + index] ?? DAWN,
              }),
            ),
          );
        }
        for (const limit of [...limits, times.length - 1, times.length, times.length + 1, 1000])
          await steps.list([], limit);
        for (const [index, pick] of changes.entries()) {
          const id = ids[pick % ids.length] ?? "";
          const present = steps.model.head(id);
          if (present === undefined || present.purged) continue;
          const turns: readonly Omit<Step, "token">[] = [
            { messages: ["1"] },
            { tombstone: true },
            { purge: true },
            {},
          ];
          const updatedAt = Math.max(present.updatedAt, DAWN + (pick % 2));
          await steps.step(id, { ...turns[index % turns.length], token: `t${index}`, updatedAt });
        }
        for (const limit of [limits[0] ?? 2, 1000]) await steps.list([], limit);
      }),
  }),
  check({
    name: "list-while-changing",
    invariants: ["LST-2", "LST-1"],
    mode: "sequence",
    runs: 16,
    arbitrary: fc.record({
      times: fc.array(fc.constantFrom(DAWN, DAWN, DAWN, DAWN + 1), { minLength: 14, maxLength: 24 }),
      limit: fc.integer({ min: 1, max: 5 }),
      changes: fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { minLength: 4, maxLength: 8 }),
    }),
    run: async (world, { times, limit, changes }) => {
      const steps = await lockstep(world);
      const label = `run=${world.id("")}`;
      const ids = times.map((_, index) => world.id(`c${(index * 17) % times.length}-${index}`));
      await steps.commit(
        ids.map((id, index) =>
          commitOn(undefined, id, { token: id, labels: [label], updatedAt: times[index] ?? DAWN }),
        ),
      );
      const steady = new Set(ids);
      const seen: string[] = [];
      let after: ListPosition | undefined;
      let created = 0;
      for (let page = 0; page === 0 || after !== undefined; page++) {
        const read = await readPage(steps.next(), {
          limit,
          labels: [label],
          ...(after !== undefined && { after }),
        });
        seen.push(...read.ids);
        after = read.next;
        demand(
          page <= ids.length + 40,
          "LST-5",
          () => `a list of ${ids.length} has not come to its end after ${page} pages`,
        );
        for (const { kind, pick, gap } of changes[page] ?? []) {
          // Of every three, one was seen already, one comes next, and one is anywhere.
          const upcoming = ids.filter((id) => !seen.includes(id));
          const from = pick % 3 === 0 ? seen : pick % 3 === 1 ? upcoming : ids;
          const id =
            kind === "create"
              ? world.id(`new ${(created += 1)}`)
              : (from[Math.floor(pick / 3) % Math.max(1, from.length)] ?? ids[0] ?? "");
          const head = steps.model.head(id);
          if (head?.purged === true) continue;
          steady.delete(id);
          const turns = {
            touch: {},
            tombstone: { tombstone: true },
            purge: { purge: true },
            create: { labels: [label] },
            unlabel: { labels: [] },
            label: { labels: [label, "more"] },
          };
          await steps.step(id, {
            ...turns[kind],
            token: `t${page}-${pick}`,
            updatedAt: Math.max(head?.updatedAt ?? 0, DAWN + gap),
          });
        }
      }
      for (const id of steady) {
        const times = seen.filter((other) => other === id).length;
        demand(
          times === 1,
          "LST-2",
          () => `${id} did not change while somebody paged, and appeared ${times} times`,
        );
      }
      await steps.list([label], 1000);
    },
  }),
  check({
    name: "list-labels",
    invariants: ["LST-3"],
    mode: "sequence",
    runs: 2,
    arbitrary: fc.record({
      sets: fc.array(fc.shuffledSubarray([...LABELS]), { minLength: 8, maxLength: 14 }),
      queries: fc.array(fc.shuffledSubarray([...LABELS], { minLength: 2, maxLength: 3 }), {
        minLength: 8,
        maxLength: 8,
      }),
      later: fc.array(fc.shuffledSubarray([...LABELS]), { minLength: 4, maxLength: 6 }),
    }),
    run: (world, { sets, queries, later }) =>
      alone(world, async (steps) => {
        // Each label is somewhere alone, so that nothing but itself can have been found.
        const all = [...LABELS.map((label) => [label]), ...sets, []];
        const ids = all.map((_, index) => `c${index}`);
        await steps.commit(
          ids
            .slice(0, 25)
            .map((id, index) => commitOn(undefined, id, { token: id, labels: all[index] ?? [] })),
        );
        await steps.commit(
          ids
            .slice(25)
            .map((id, index) => commitOn(undefined, id, { token: id, labels: all[25 + index] ?? [] })),
        );
        for (const label of LABELS) await steps.list([label], 1000, { blame: "LST-3" });
        for (const query of [...queries, [...LABELS]]) await steps.list(query, 1000, { blame: "LST-3" });
        for (const [index, labels] of later.entries())
          await steps.step(ids[index * 7] ?? "", { token: `t${index}`, labels });
        await steps.step(ids[1] ?? "", { token: "tombstone", tombstone: true });
        await steps.step(ids[2] ?? "", { token: "purge", purge: true });
        for (const label of LABELS) await steps.list([label], 1000, { blame: "LST-3" });
        for (const query of [...queries, ["nowhere"], ["user"], [LABELS[0] ?? "", "nowhere"]])
          await steps.list(query, 3);
      }),
  }),
];

import type { ListPosition } from "@fastpaca/core";
import fc from "fast-check";
import { check, type Check } from "../check.js";
import { demand } from "../violation.js";
import { actorsOn, audit, racingHandles, runLabel, turns } from "./actor.js";

/** Pages that are read while conversations move. */
export const LIST_RACES: readonly Check[] = [
  check({
    name: "race-list",
    invariants: ["LST-2", "LST-4", "LST-1", "LST-3"],
    mode: "race",
    runs: 12,
    arbitrary: fc.record({
      conversations: fc.integer({ min: 6, max: 10 }),
      /** Those that somebody changes while others page. */
      moving: fc.uniqueArray(fc.nat(9), { minLength: 2, maxLength: 4 }),
      limits: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
      /** How many conversations share a time. */
      ties: fc.constantFrom(1, 2, 4),
      rounds: fc.integer({ min: 1, max: 3 }),
    }),
    run: async (world, { conversations, moving, limits, ties, rounds }) => {
      const ids = Array.from({ length: conversations }, (_, index) => world.id(`l${index}`));
      const handles = await racingHandles(world, 3);
      const [writer, ...readers] = actorsOn(world, handles);
      if (writer === undefined) return;
      const began = 1_700_000_000_000;
      await writer.commit(
        ids.map((id, index) => writer.decide(id, { updatedAt: began + Math.floor(index / ties) })),
      );
      const moved = moving.flatMap((place) => ids[place] ?? []);
      await Promise.all([
        (async () => {
          for (let round = 0; round < rounds; round++) {
            for (const [index, id] of moved.entries()) {
              await turns(index % 2);
              const last = round === rounds - 1 && index === 0;
              const updatedAt = began + 100 + round;
              await writer.commit([
                writer.decide(id, { ...(last ? { purge: true } : { size: 1 }), updatedAt }),
              ]);
            }
          }
        })(),
        ...readers.map(async ({ handle }, index) => {
          const limit = limits[index] ?? 2;
          let after: ListPosition | undefined;
          // Each page moves on, so that it ends although others keep changing.
          for (let page = 0; ; page++) {
            demand(page <= conversations * (rounds + 1), "LST-5", () => "the pages of a list never end");
            const { next } = await handle.list({ limit, labels: [runLabel(world)], after });
            if (next === undefined) break;
            after = next;
          }
        }),
      ]);
      await writer.handle.list({ limit: conversations, labels: [runLabel(world)] });
      await audit(world, handles, ids);
    },
  }),
];

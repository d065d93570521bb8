import fc from "fast-check";
import { check, type Check } from "../check.js";
import { actorsOn, audit, racingHandles, turns } from "./actor.js";

/** Batches over the same conversations in different orders. */
export const BATCH_RACES: readonly Check[] = [
  check({
    name: "race-batches",
    invariants: ["ISO-2", "CAS-6", "ERR-1", "ERR-2", "ISO-1"],
    mode: "race",
    runs: 20,
    arbitrary: fc.record({
      conversations: fc.integer({ min: 3, max: 6 }),
      orders: fc.array(
        fc.record({ reversed: fc.boolean(), rotated: fc.nat(5), lag: fc.constantFrom(0, 0, 1) }),
        {
          minLength: 3,
          maxLength: 4,
        },
      ),
      /** Conversations that somebody changes before, so that a part of every batch must fail. */
      spoiled: fc.uniqueArray(fc.nat(5), { minLength: 0, maxLength: 3 }),
      /** Conversations in which a key is held. */
      keyed: fc.uniqueArray(fc.nat(5), { maxLength: 2 }),
      rounds: fc.integer({ min: 1, max: 2 }),
    }),
    run: async (world, { conversations, orders, spoiled, keyed, rounds }) => {
      const ids = Array.from({ length: conversations }, (_, index) => world.id(`b${index}`));
      const handles = await racingHandles(world, 3);
      const actors = actorsOn(
        world,
        orders.map((_, index) => handles[index % handles.length]).filter((handle) => handle !== undefined),
      );
      const [first] = actors;
      if (first === undefined) return;
      const chosen = (places: readonly number[]): string[] => places.flatMap((place) => ids[place] ?? []);
      const held = chosen(keyed);
      for (let round = 0; round < rounds; round++) {
        const keys = held.length > 0 ? { keys: ["held"] } : {};
        // Some of the conversations do not exist yet: creations and changes in one batch.
        if (round === 0 && held.length > 0)
          await first.commit(held.map((id) => first.decide(id, { size: 1, ...keys })));
        await Promise.all(actors.map((actor) => actor.look(ids)));
        const batches = actors.map((actor, index) => {
          const { reversed = false, rotated = 0 } = orders[index] ?? {};
          const from = rotated % ids.length;
          const order = [...ids.slice(from), ...ids.slice(0, from)];
          if (reversed) order.reverse();
          return order.map((id) =>
            actor.decide(id, { size: 1, ...(held.includes(id) && index === 0 && keys) }),
          );
        });
        const early = chosen(spoiled).map((id) => first.decide(id, { size: 2 }));
        if (early.length > 0) await first.handle.commit(early);
        await Promise.all(
          actors.map(async (actor, index) => {
            await turns(orders[index]?.lag ?? 0);
            await actor.commit(batches[index] ?? []);
          }),
        );
      }
      await audit(world, handles, ids);
    },
  }),
];

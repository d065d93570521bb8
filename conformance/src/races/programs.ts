import fc from "fast-check";
import { check, type Check } from "../check.js";
import { audit, EVERYTHING, racingHandles, runLabel, turns, Actor } from "./actor.js";

const step = fc.record({
  conversation: fc.nat(2),
  size: fc.integer({ min: 0, max: 2 }),
  key: fc.option(fc.nat(3), { nil: undefined, freq: 3 }),
  do: fc.oneof(
    { weight: 8, arbitrary: fc.constant("append" as const) },
    { weight: 2, arbitrary: fc.constant("mark" as const) },
    { weight: 2, arbitrary: fc.constant("batch" as const) },
    { weight: 1, arbitrary: fc.constant("purge" as const) },
    { weight: 1, arbitrary: fc.constant("tombstone" as const) },
    { weight: 1, arbitrary: fc.constant("prune" as const) },
    { weight: 1, arbitrary: fc.constant("list" as const) },
    { weight: 3, arbitrary: fc.constant("read" as const) },
    { weight: 2, arbitrary: fc.constant("wait" as const) },
  ),
});

/** Several actors, each deciding on what it last saw. */
export const PROGRAM_RACES: readonly Check[] = [
  check({
    name: "race-programs",
    invariants: ["CAS-7", "VER-2", "GAP-2", "CAS-5", "KEY-1", "TMB-4"],
    mode: "race",
    runs: 40,
    arbitrary: fc.array(fc.array(step, { minLength: 3, maxLength: 8 }), { minLength: 3, maxLength: 5 }),
    run: async (world, programs) => {
      const ids = [0, 1, 2].map((index) => world.id(`p${index}`));
      const handles = await racingHandles(world, 3);
      await Promise.all(
        programs.map(async (program, index) => {
          const handle = handles[index % handles.length];
          if (handle === undefined) return;
          const actor = new Actor(world, handle, String.fromCodePoint(97 + index));
          for (const { do: what, conversation, size, key } of program) {
            const id = ids[conversation] ?? world.id("p0");
            const keys = key === undefined ? {} : { keys: [`k${key}`] };
            const head = actor.known(id);
            if (what === "append") await actor.commit([actor.decide(id, { size, ...keys })]);
            else if (what === "mark") {
              await actor.commit([
                actor.decide(id, { size, marks: [{ kind: "compaction", body: `{"at":${index}}` }] }),
              ]);
            } else if (what === "batch")
              await actor.commit(ids.map((one) => actor.decide(one, { size: 1, ...keys })));
            else if (what === "purge") await actor.commit([actor.decide(id, { purge: true })]);
            else if (what === "tombstone") await actor.commit([actor.decide(id, { tombstone: true })]);
            else if (what === "prune") {
              // Only what a head says is gone may be freed.
              if (head === undefined || head.purged) continue;
              const firstSeq = Math.min(head.firstSeq + 1, head.lastSeq + 1);
              const [outcome] = await actor.commit([actor.decide(id, { firstSeq })]);
              if (outcome?.status === "committed") await handle.prune(id, firstSeq);
            } else if (what === "list") await handle.list({ limit: 10, labels: [runLabel(world)] });
            else if (what === "read") {
              await actor.look(ids);
              await handle.messages(id, 1, actor.known(id)?.lastSeq ?? EVERYTHING);
              await handle.keys(id, ["k0", "k1", "k2", "k3"]);
            } else await turns(size);
          }
        }),
      );
      await audit(world, handles, ids);
    },
  }),
];

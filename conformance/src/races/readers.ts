import fc from "fast-check";
import { check, type Check } from "../check.js";
import { actorsOn, audit, EVERYTHING, racingHandles, turns, type Actor } from "./actor.js";

/** Times that a reader looks at most while somebody writes. */
const LOOKS = 12;

/** Somebody reads while somebody writes. */
export const READER_RACES: readonly Check[] = [
  check({
    name: "race-readers",
    invariants: ["CAS-5", "GAP-2", "VER-2", "KEY-6"],
    mode: "race",
    runs: 20,
    arbitrary: fc.record({
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 6 }),
      marks: fc.integer({ min: 0, max: 2 }),
      /** Turns of the event loop between two looks of each reader, so that they fall into different moments. */
      lags: fc.array(fc.array(fc.nat(2), { minLength: 3, maxLength: 3 }), { minLength: 3, maxLength: 3 }),
    }),
    run: async (world, { sizes, marks, lags }) => {
      const id = world.id("read");
      const handles = await racingHandles(world, 3);
      const [writer, one, two] = actorsOn(world, handles);
      if (writer === undefined || one === undefined || two === undefined) return;
      let writing = true;
      const keys = sizes.flatMap((_, step) => [`${step}a`, `${step}b`]);
      const write = async (): Promise<void> => {
        for (const [step, size] of sizes.entries()) {
          const marked = { kind: "compaction" as const, body: `{"step":${step}}` };
          await writer.commit([
            writer.decide(id, {
              size,
              keys: [`${step}a`, `${step}b`],
              marks: Array.from({ length: marks }, () => marked),
            }),
          ]);
        }
        writing = false;
      };
      const look = [
        // What a head promises is there, at once.
        async ({ handle }: Actor): Promise<void> => {
          const [head] = await handle.heads([id]);
          await Promise.all([
            handle.messages(id, 1, head?.lastSeq ?? EVERYTHING),
            handle.marks(id, 0, EVERYTHING),
            handle.keys(id, keys),
          ]);
        },
        // And whoever sees something of a commit sees its head.
        async ({ handle }: Actor): Promise<void> => {
          await handle.messages(id, 1, EVERYTHING);
          await handle.heads([id]);
        },
        async ({ handle }: Actor): Promise<void> => {
          await Promise.all([handle.keys(id, keys), handle.marks(id, 0, EVERYTHING)]);
          await handle.heads([id]);
        },
      ];
      await Promise.all([
        write(),
        ...[one, two, one].map(async (reader, index) => {
          for (let looks = 0; looks < LOOKS && writing; looks++) {
            await turns(lags[index]?.[looks % 3] ?? 0);
            await look[index]?.(reader);
          }
        }),
      ]);
      await audit(world, handles, [id]);
    },
  }),
  check({
    name: "race-acknowledged",
    invariants: ["VER-2", "GAP-2", "CAS-1", "CAS-4", "CAS-3"],
    mode: "race",
    runs: 10,
    arbitrary: fc.record({
      steps: fc.array(
        fc.record({ size: fc.integer({ min: 1, max: 2 }), by: fc.nat(2), warm: fc.boolean() }),
        {
          minLength: 2,
          maxLength: 4,
        },
      ),
    }),
    run: async (world, { steps }) => {
      const id = world.id("told");
      const handles = await racingHandles(world, 3);
      const actors = actorsOn(world, handles);
      for (const { size, by, warm } of steps) {
        const writer = actors[by];
        if (writer === undefined) continue;
        const others = actors.filter((actor) => actor !== writer);
        // Whoever keeps what it saw has something old now.
        if (warm) await Promise.all(others.map((other) => other.look([id])));
        const [slow] = others;
        const stale = slow?.decide(id, { size: 1 });
        await writer.look([id]);
        await writer.commit([writer.decide(id, { size, keys: [`${writer.known(id)?.revision ?? 0}`] })]);
        // It was told: everybody sees it from now on.
        await Promise.all(
          others.flatMap(({ handle }) => [
            handle.heads([id]),
            handle.messages(id, 1, EVERYTHING),
            handle.keys(id, [`${(writer.known(id)?.revision ?? 1) - 1}`]),
          ]),
        );
        if (stale !== undefined) await slow?.handle.commit([stale]);
        const next = others.at(-1);
        next?.believe(writer.known(id));
        if (next !== undefined) await next.commit([next.decide(id, { size: 1 })]);
      }
      await audit(world, handles, [id]);
    },
  }),
];

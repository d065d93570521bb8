import fc from "fast-check";
import { check, type Check } from "../check.js";
import { actorsOn, audit, EVERYTHING, racingHandles, turns, type Actor } from "./actor.js";

/** Something goes away while others write and read. */
export const REMOVAL_RACES: readonly Check[] = [
  check({
    name: "race-purge",
    invariants: ["TMB-2", "TMB-3", "TMB-4", "CAS-5"],
    mode: "race",
    runs: 20,
    arbitrary: fc.record({
      size: fc.integer({ min: 1, max: 4 }),
      lag: fc.constantFrom(0, 0, 1, 2),
      rebirth: fc.boolean(),
      /** Whether somebody appends meanwhile. */
      rival: fc.boolean(),
      /** Turns of the event loop before each look of each reader. */
      lags: fc.array(fc.array(fc.nat(2), { minLength: 2, maxLength: 5 }), { minLength: 2, maxLength: 2 }),
    }),
    run: async (world, { size, lag, rebirth, rival, lags }) => {
      const id = world.id("purge");
      const handles = await racingHandles(world, 3);
      const [eraser, writer, reader] = actorsOn(world, handles);
      if (eraser === undefined || writer === undefined || reader === undefined) return;
      await writer.commit([
        writer.decide(id, { size, keys: ["k"], marks: [{ kind: "compaction", body: "{}" }] }),
      ]);
      await eraser.look([id]);
      const late = writer.decide(id, { size, keys: ["late"] });
      await Promise.all([
        (async () => {
          await turns(lag);
          await eraser.commit([eraser.decide(id, { purge: true })]);
          await eraser.commit([eraser.decide(id, { purge: true })]);
          if (rebirth) await eraser.commit([eraser.decide(id, { size: 2, keys: ["k"] })]);
        })(),
        (async () => {
          if (!rival) return;
          await writer.commit([late]);
          await writer.commit([
            writer.decide(id, { size, keys: ["k2"], marks: [{ kind: "reset", body: "{}" }] }),
          ]);
        })(),
        ...lags.map(async (pauses, index) => {
          const { handle } = index === 0 ? reader : eraser;
          for (const pause of pauses) {
            await turns(pause);
            await Promise.all([
              handle.messages(id, 1, EVERYTHING),
              handle.marks(id, 0, EVERYTHING),
              handle.keys(id, ["k", "late", "k2"]),
            ]);
            await handle.heads([id]);
          }
        }),
      ]);
      // The one that was slow still holds the commit of an earlier life.
      await writer.handle.commit([late]);
      await audit(world, handles, [id]);
    },
  }),
  check({
    name: "race-prune",
    invariants: ["TRM-1", "TRM-3", "TRM-4", "TRM-5"],
    mode: "race",
    runs: 30,
    arbitrary: fc.record({
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 5 }),
      /** Messages that are gone when the race begins. */
      past: fc.oneof({ withCrossShrink: true }, fc.nat(10), fc.constant(EVERYTHING)),
      rounds: fc.array(
        fc.record({
          /** Messages that the head gives up. */
          less: fc.constantFrom(0, 1, 2, EVERYTHING, EVERYTHING),
          /** What is pruned meanwhile, each a turn of the event loop later. */
          bounds: fc.array(fc.constantFrom("newest", "newest", "gone", "first"), {
            minLength: 4,
            maxLength: 6,
          }),
          /** Sizes of commits that do not wait for each other, and how many turns they let the prunes go first. */
          appends: fc.constantFrom([1, 1], [1, 1, 1], [1], [2]),
          lag: fc.integer({ min: 2, max: 5 }),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      looks: fc.integer({ min: 2, max: 4 }),
    }),
    run: async (world, { sizes, past, rounds, looks }) => {
      const id = world.id("prune");
      const handles = await racingHandles(world, 3);
      const [pruner, writer, reader] = actorsOn(world, handles);
      if (pruner === undefined || writer === undefined || reader === undefined) return;
      for (const [step, size] of sizes.entries()) {
        const marks = [
          { kind: step % 2 === 0 ? ("compaction" as const) : ("config" as const), body: `{"step":${step}}` },
        ];
        await writer.commit([writer.decide(id, { size, marks, keys: [`${step}`] })]);
      }
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const below = Math.min(past, total) + 1;
      await writer.commit([writer.decide(id, { firstSeq: below })]);
      await Promise.all([
        (async () => {
          for (const [round, { less, bounds, appends, lag }] of rounds.entries()) {
            const { firstSeq: gone = 1, lastSeq = 0 } = writer.known(id) ?? {};
            await pruner.handle.prune(id, gone);
            // The head says it before anything is freed.
            const newest = Math.min(gone + less, lastSeq + 1);
            if (newest > gone) await writer.commit([writer.decide(id, { firstSeq: newest })]);
            // All but the newest come late: below what is gone already.
            const seqs = { newest, gone: Math.max(1, gone - 1), first: 1 };
            await Promise.all([
              ...bounds.map(async (bound, place) => {
                await turns(place);
                await pruner.handle.prune(id, seqs[bound]);
              }),
              (async () => {
                await turns(lag);
                await appendAtOnce(writer, id, appends, `late${round}`);
              })(),
            ]);
            await reader.handle.messages(id, newest, EVERYTHING);
          }
        })(),
        (async () => {
          for (let look = 0; look < looks; look++) {
            await Promise.all([
              reader.handle.messages(id, 1, EVERYTHING),
              reader.handle.marks(id, 0, EVERYTHING),
              reader.handle.keys(id, ["0", "late0.0"]),
            ]);
            await reader.look([id]);
          }
        })(),
        // As the store asks: it knows what the head keeps.
        (async () => {
          for (let look = 0; look < 3 * looks; look++) await reader.handle.messages(id, below, EVERYTHING);
        })(),
      ]);
      await audit(world, handles, [id]);
    },
  }),
  check({
    name: "race-late-prune",
    invariants: ["TRM-5", "TRM-4"],
    mode: "race",
    runs: 15,
    arbitrary: fc.record({
      size: fc.integer({ min: 2, max: 5 }),
      /** Turns of the event loop before each prune, and before the purge. */
      lags: fc.array(fc.nat(3), { minLength: 2, maxLength: 4 }),
      lag: fc.nat(2),
      looks: fc.integer({ min: 1, max: 3 }),
    }),
    run: async (world, { size, lags, lag, looks }) => {
      const id = world.id("late");
      const handles = await racingHandles(world, 3);
      const [pruner, eraser, reader] = actorsOn(world, handles);
      if (pruner === undefined || eraser === undefined || reader === undefined) return;
      const config = { kind: "config" as const, body: "{}" };
      const compaction = { kind: "compaction" as const, body: "{}" };
      // Versions of the former life are far above those of the next one.
      const marks = [config, compaction, config, config];
      await eraser.commit([eraser.decide(id, { size, keys: ["k"], marks })]);
      await eraser.commit([eraser.decide(id, { firstSeq: size + 1 })]);
      await Promise.all([
        ...lags.map(async (pause) => {
          await turns(pause);
          await pruner.handle.prune(id, size + 1);
        }),
        (async () => {
          await turns(lag);
          await eraser.commit([eraser.decide(id, { purge: true })]);
          await eraser.commit([eraser.decide(id, { size: 1, keys: ["k"], marks: [config] })]);
          await eraser.commit([eraser.decide(id, { size, marks: [compaction] })]);
        })(),
        (async () => {
          for (let look = 0; look < looks; look++) {
            await reader.look([id]);
            await reader.handle.messages(id, 1, EVERYTHING);
          }
        })(),
      ]);
      await pruner.handle.prune(id, size + 1);
      await audit(world, handles, [id]);
    },
  }),
];

/** Appends on top of each other, before any is answered: one that comes before its base does conflicts. */
async function appendAtOnce(writer: Actor, id: string, sizes: readonly number[], key: string): Promise<void> {
  await Promise.all(
    sizes.map((size, place) => {
      const commit = writer.decide(id, { size, keys: [`${key}.${place}`] });
      writer.believe(commit.head);
      return writer.handle.commit([commit]);
    }),
  );
  await writer.look([id]);
}

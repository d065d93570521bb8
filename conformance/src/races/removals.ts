import fc from "fast-check";
import { check, type Check } from "../check.js";
import { actorsOn, audit, EVERYTHING, racingHandles, turns } from "./actor.js";

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
    invariants: ["TRM-1", "TRM-3", "TRM-4"],
    mode: "race",
    runs: 15,
    arbitrary: fc
      .record({
        sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 5 }),
        appends: fc.integer({ min: 1, max: 3 }),
        looks: fc.integer({ min: 2, max: 4 }),
      })
      .chain((plan) => {
        const total = plan.sizes.reduce((sum, size) => sum + size, 0);
        return fc.record({
          plan: fc.constant(plan),
          below: fc.integer({ min: 1, max: total + 1 }),
        });
      }),
    run: async (world, { plan: { sizes, appends, looks }, below }) => {
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
      // The head says it before anything is freed.
      await writer.commit([writer.decide(id, { firstSeq: below })]);
      await Promise.all([
        pruner.handle.prune(id, below),
        pruner.handle.prune(id, Math.max(1, below - 1)),
        (async () => {
          for (let append = 0; append < appends; append++) {
            await writer.commit([writer.decide(id, { size: 2, keys: [`late${append}`] })]);
            // More goes while others read.
            const firstSeq = (writer.known(id)?.firstSeq ?? below) + 1;
            await writer.commit([writer.decide(id, { firstSeq })]);
            await writer.handle.prune(id, firstSeq);
          }
        })(),
        (async () => {
          for (let look = 0; look < looks; look++) {
            await Promise.all([
              reader.handle.messages(id, 1, EVERYTHING),
              reader.handle.marks(id, 0, EVERYTHING),
              reader.handle.keys(id, ["0", "late0"]),
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

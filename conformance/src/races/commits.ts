import fc from "fast-check";
import { check, type Check } from "../check.js";
import { actorsOn, audit, racingHandles, turns } from "./actor.js";

const racers = fc.array(
  fc.record({
    size: fc.integer({ min: 0, max: 3 }),
    /** Turns of the event loop that it lets the others go first. */
    lag: fc.constantFrom(0, 0, 0, 1),
    mark: fc.boolean(),
  }),
  { minLength: 3, maxLength: 5 },
);

/** Everybody wants the same revision. */
export const COMMIT_RACES: readonly Check[] = [
  check({
    name: "race-one-base",
    invariants: ["CAS-2", "CAS-7", "GAP-1", "SEQ-1", "CAS-4", "CAS-1"],
    mode: "race",
    runs: 30,
    arbitrary: fc.record({ racers, rounds: fc.integer({ min: 2, max: 4 }) }),
    run: async (world, { racers, rounds }) => {
      const id = world.id("one");
      const handles = await racingHandles(world, 3);
      const actors = actorsOn(
        world,
        racers
          .map((_, index) => handles[index % handles.length] ?? handles[0])
          .filter((handle) => handle !== undefined),
      );
      // The first round races for the creation.
      for (let round = 0; round < rounds; round++) {
        await Promise.all(
          actors.map(async (actor, index) => {
            const { size = 1, lag = 0, mark = false } = racers[index] ?? {};
            const commit = actor.decide(id, {
              size,
              ...(mark && { marks: [{ kind: "reset", body: "{}" }] }),
            });
            await turns(lag);
            await actor.commit([commit]);
          }),
        );
        // Whoever lost knows the head that won; whoever was not told asks.
        await Promise.all(actors.map((actor) => actor.look([id])));
      }
      await audit(world, handles, [id]);
    },
  }),
  check({
    name: "race-one-key",
    invariants: ["KEY-1", "KEY-4", "KEY-6"],
    mode: "race",
    runs: 20,
    arbitrary: fc.record({
      racers: fc.integer({ min: 2, max: 4 }),
      others: fc.array(fc.constantFrom("x", "y"), { maxLength: 1 }),
      created: fc.boolean(),
    }),
    run: async (world, { racers, others, created }) => {
      const id = world.id("key");
      const handles = await racingHandles(world, 3);
      const actors = actorsOn(
        world,
        Array.from({ length: racers }, (_, index) => handles[index % handles.length]).filter(
          (handle) => handle !== undefined,
        ),
      );
      if (created) {
        await actors[0]?.commit([actors[0].decide(id)]);
        await Promise.all(actors.map((actor) => actor.look([id])));
      }
      await Promise.all(
        actors.map(async (actor, index) => {
          // The first ones race on one base; the last one waits for a new head, and is upon it at once.
          if (index === actors.length - 1) {
            const before = actor.known(id)?.revision ?? 0;
            for (let look = 0; look < 8 && (actor.known(id)?.revision ?? 0) === before; look++) {
              await actor.look([id]);
            }
          }
          for (let attempt = 0; attempt < 5; attempt++) {
            const own = others.map((key) => `${key}${index}`);
            const [outcome] = await actor.commit([actor.decide(id, { size: 1, keys: ["k", ...own] })]);
            if (outcome?.status !== "conflict") break;
          }
        }),
      );
      await audit(world, handles, [id]);
    },
  }),
  check({
    name: "race-handed-over-again",
    invariants: ["CAS-8", "CAS-7"],
    mode: "race",
    runs: 15,
    arbitrary: fc.record({
      times: fc.array(fc.constantFrom(0, 0, 1, 2), { minLength: 2, maxLength: 4 }),
      steps: fc.integer({ min: 0, max: 1 }),
      rival: fc.boolean(),
    }),
    run: async (world, { times, steps, rival }) => {
      const id = world.id("again");
      const handles = await racingHandles(world, 3);
      const actors = actorsOn(world, handles);
      const [first, second] = actors;
      if (first === undefined || second === undefined) return;
      for (let step = 0; step < steps; step++) await first.commit([first.decide(id, { size: 1 })]);
      second.believe(first.known(id));
      const commit = first.decide(id, { size: 2, keys: ["again"], marks: [{ kind: "config", body: "{}" }] });
      const other = second.decide(id, { size: 1 });
      await Promise.all([
        ...times.map(async (lag, index) => {
          await turns(lag);
          const handle = handles[index % handles.length];
          await handle?.commit([commit]);
        }),
        ...(rival ? [second.commit([other])] : []),
      ]);
      await first.commit([commit]);
      await audit(world, handles, [id]);
    },
  }),
];

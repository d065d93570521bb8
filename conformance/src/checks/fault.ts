import fc from "fast-check";
import { check, type Check } from "../check.js";
import { move, type Move } from "../crash/writer.js";
import type { Fault } from "../fault/proxy.js";
import { Trial, type Planned } from "../fault/trial.js";

/** Milliseconds that a disturbance lasts. */
const lasts = fc.integer({ min: 0, max: 120 });
const from = fc.constantFrom("client" as const, "server" as const);

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({
    from,
    after: fc.integer({ min: 1, max: 4 }),
    unit: fc.constant("chunks" as const),
    action: fc.constantFrom(
      "cut" as const,
      "deliver-and-cut" as const,
      "end" as const,
      "hold-and-cut" as const,
    ),
    lasts,
  }),
  fc.record({
    from,
    after: fc.integer({ min: 1, max: 400 }),
    unit: fc.constant("bytes" as const),
    action: fc.constantFrom("cut" as const, "end" as const, "hold-and-cut" as const),
    lasts,
  }),
  fc.record({
    from,
    after: fc.integer({ min: 1, max: 3 }),
    unit: fc.constant("chunks" as const),
    action: fc.constant("delay" as const),
    lasts,
  }),
);

/** The request gets there, and the answer does not come back. */
const answerLost: fc.Arbitrary<Fault> = fc.record({
  from: fc.constant("server" as const),
  after: fc.constant(1),
  unit: fc.constant("chunks" as const),
  action: fc.constant("cut" as const),
  lasts,
});
/** The request does not get there, not all of it at least. */
const requestLost: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({
    from: fc.constant("client" as const),
    after: fc.integer({ min: 1, max: 60 }),
    unit: fc.constant("bytes" as const),
    action: fc.constant("cut" as const),
    lasts,
  }),
  fc.record({
    from: fc.constant("client" as const),
    after: fc.constant(1),
    unit: fc.constant("chunks" as const),
    action: fc.constantFrom("cut" as const, "hold-and-cut" as const),
    lasts,
  }),
);

/** Each a few commits after the one before, so that it finds the driver at work again. */
const plan: fc.Arbitrary<readonly Planned[]> = fc
  .tuple(
    answerLost,
    requestLost,
    fc.array(fault, { maxLength: 2 }),
    fc.array(fc.nat({ max: 5 }), { minLength: 4, maxLength: 4 }),
    fc.boolean(),
  )
  .map(([answer, request, others, gaps, swapped]) => {
    const faults = swapped ? [request, ...others, answer] : [answer, ...others, request];
    let at = -1;
    return faults.map((each, n) => ({ ...each, at: (at += 1 + (gaps[n] ?? 0)) }));
  });

/** Nothing is ever taken away from these conversations, so that any answer can be judged afterwards. */
const script: fc.Arbitrary<readonly Move[]> = fc.array(
  move.filter(({ kind }) => kind !== "purge" && kind !== "trim"),
  { minLength: 3, maxLength: 8 },
);

/** Connections that break between the driver and its database. */
export const FAULT: readonly Check[] = [
  check({
    name: "fault-broken-connections",
    invariants: ["ERR-5", "ERR-3", "ERR-6", "ERR-1"],
    mode: "fault",
    needs: ["network"],
    runs: 14,
    // A smaller case breaks something else: it is no simpler.
    arbitrary: fc.noShrink(fc.record({ plan, script, steps: fc.integer({ min: 4, max: 7 }) })),
    run: (world, { plan, script, steps }) =>
      Trial.run(world, "n", (trial) => trial.disturb(plan, script, steps)),
  }),
  check({
    name: "fault-silence",
    invariants: ["ERR-1", "ERR-5", "ERR-3", "ERR-6"],
    mode: "fault",
    needs: ["network"],
    runs: 1,
    arbitrary: fc.noShrink(script),
    run: async (world, script) => {
      // Each takes as long as the driver waits for an answer.
      const silence = (from: Fault["from"]): Promise<void> =>
        Trial.run(world, from, (trial) => trial.silence(from, script));
      if (!world.subject.traits.shared) {
        await silence("server");
        await silence("client");
        return;
      }
      for (const one of await Promise.allSettled([silence("server"), silence("client")])) {
        if (one.status === "rejected") throw one.reason;
      }
    },
  }),
];

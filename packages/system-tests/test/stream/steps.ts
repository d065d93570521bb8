import fc from "fast-check";

/** More than a feed keeps of the newest events. */
const MANY = 600;

/** Something that happens. */
export type Step =
  | { readonly do: "append"; readonly count: number; readonly large: boolean }
  | { readonly do: "compact" | "reset" | "patch" | "tombstone" | "purge" | "create" | "poll" }
  | { readonly do: "configure"; readonly budget: number; readonly limit: number }
  | { readonly do: "trim"; readonly share: number }
  | {
      readonly do: "subscribe";
      readonly context: boolean;
      readonly messages: boolean;
      readonly from: "now" | "start" | "before" | "end" | "beyond";
      readonly back: number;
    }
  | { readonly do: "read" | "hurry" | "leave" | "return"; readonly who: number };

export interface Turn {
  readonly step: Step;
  /** Which store is asked. */
  readonly by: number;
  /** Turns of the event loop until the next one; undefined: until this one is done. */
  readonly wait: number | undefined;
}

/** What may happen beside events. */
export type Kind = "events" | "lives" | "trims";

function steps(kinds: readonly Kind[]): fc.Arbitrary<Step> {
  const who = fc.nat(7);
  const common: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant("append"),
        count: fc.integer({ min: 1, max: 4 }),
        large: fc.constant(false),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: "append", count: MANY, large: false }) },
    { weight: 1, arbitrary: fc.constant({ do: "append", count: 3, large: true }) },
    { weight: 5, arbitrary: fc.constantFrom({ do: "compact" }, { do: "reset" }) },
    { weight: 3, arbitrary: fc.constantFrom({ do: "patch" }, { do: "poll" }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("configure"),
        budget: fc.integer({ min: 1, max: 20 }),
        limit: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("subscribe"),
        context: fc.boolean(),
        messages: fc.boolean(),
        from: fc.constantFrom("now", "start", "before", "end", "beyond"),
        back: fc.integer({ min: 1, max: 40 }),
      }),
    },
    { weight: 10, arbitrary: fc.record({ do: fc.constant("read"), who }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("hurry"), who }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("leave"), who }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("return"), who }) },
  ];
  const lives: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        { do: "purge" },
        { do: "tombstone" },
        { do: "create" },
        { do: "create" },
        { do: "create" },
      ),
    },
  ];
  const trims: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("trim"), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
  ];
  return fc.oneof(
    ...common,
    ...(kinds.includes("lives") ? lives : []),
    ...(kinds.includes("trims") ? trims : []),
  );
}

export function turnsOf(kinds: readonly Kind[]): fc.Arbitrary<Turn[]> {
  const turn = fc.record({
    step: steps(kinds),
    by: fc.nat(1),
    wait: fc.option(fc.nat(6), { nil: undefined }),
  });
  return fc.array(turn, { minLength: 5, maxLength: 60, size: "max" });
}

import fc from "fast-check";
import { afterEach, beforeEach, describe, test, vi } from "vitest";
import { parameters } from "../runner.js";
import { Play } from "./play.js";
import { turnsOf, type Kind, type Turn } from "./steps.js";
import { World, type WorldOptions } from "./world.js";

interface Setting {
  readonly name: string;
  readonly stores: number;
  readonly kinds: readonly Kind[];
  readonly slow: boolean;
  readonly runs: number;
  /** Played first, each time. */
  readonly examples?: [WorldOptions, Turn[]][];
}

/** What a feed reads on from is pruned meanwhile: messages, and the mark of a summary that another one has replaced. */
const OVERTAKEN: [WorldOptions, Turn[]] = [
  { stores: 2, cacheBytes: undefined, delays: [3, 1], hints: ["prompt"] },
  [
    { step: { do: "configure", budget: 1, limit: 1 }, by: 0, wait: undefined },
    {
      step: { do: "subscribe", context: false, messages: false, from: "now", back: 1 },
      by: 0,
      wait: undefined,
    },
    { step: { do: "append", count: 3, large: true }, by: 0, wait: undefined },
    { step: { do: "compact" }, by: 0, wait: undefined },
    { step: { do: "append", count: 1, large: false }, by: 0, wait: undefined },
    { step: { do: "configure", budget: 1, limit: 1 }, by: 0, wait: undefined },
    { step: { do: "compact" }, by: 1, wait: 0 },
    { step: { do: "trim", share: 0 }, by: 0, wait: undefined },
    { step: { do: "trim", share: 0.8333333333333333 }, by: 0, wait: undefined },
    { step: { do: "read", who: 0 }, by: 0, wait: undefined },
  ],
];

const SETTINGS: readonly Setting[] = [
  { name: "one store, in one life", stores: 1, kinds: ["events"], slow: false, runs: 100 },
  { name: "one store, over a slow database", stores: 1, kinds: ["events"], slow: true, runs: 100 },
  { name: "one store, through lives", stores: 1, kinds: ["events", "lives"], slow: true, runs: 100 },
  { name: "two stores, in one life", stores: 2, kinds: ["events"], slow: true, runs: 100 },
  { name: "two stores, through lives", stores: 2, kinds: ["events", "lives"], slow: true, runs: 100 },
  {
    name: "two stores, trimmed",
    stores: 2,
    kinds: ["events", "trims"],
    slow: true,
    runs: 100,
    examples: [OVERTAKEN],
  },
  {
    name: "two stores, through lives and trimmed",
    stores: 2,
    kinds: ["events", "lives", "trims"],
    slow: true,
    runs: 100,
  },
];

describe("what subscribers are told is the log behind their cursors", { timeout: 120_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each(SETTINGS)("of $name", async ({ stores, kinds, slow, runs, examples = [] }) => {
    const options: fc.Arbitrary<WorldOptions> = fc.record({
      stores: fc.constant(stores),
      cacheBytes: fc.constantFrom(undefined, 0),
      delays: slow ? fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1 }) : fc.constant([]),
      hints: fc.array(fc.constantFrom("prompt", "late", "lost", "doubled"), { minLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(options, turnsOf(kinds), async (options, turns) => {
        await using world = new World(options);
        const play = new Play(world);
        await play.begin();
        for (const turn of turns) await play.take(turn);
        await play.finish();
      }),
      { ...parameters(runs), examples, timeout: 5000 },
    );
  });
});

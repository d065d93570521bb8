/**
 * The store against the model: whatever is done to a few conversations, every answer and everything that can be read
 * afterwards is what the contract says. A failure prints the seed, the path and the shrunk history; to run it again:
 *
 *     FASTPACA_SEED=… FASTPACA_PATH=… vitest run semantics.property -t "<name of the test>"
 */
import type { Driver } from "@fastpaca/core";
import fc from "fast-check";
import { describe, test } from "vitest";
import { overriding, slow, uncertain, type Fate } from "./drivers.js";
import { BACKENDS } from "./http/backends.js";
import { intent, opening, type Intent } from "./intents.js";
import { parameters, Runner, type Setup } from "./runner.js";
import { sharedDatabase } from "./shared-database.js";

const TIMEOUT = 120_000;

const history = fc
  .tuple(opening, fc.array(intent, { minLength: 1, maxLength: 40, size: "max" }))
  .map(([first, rest]) => [...first, ...rest]);

const bursts = fc
  .tuple(
    opening,
    fc.array(fc.array(intent, { minLength: 1, maxLength: 10, size: "max" }), {
      minLength: 1,
      maxLength: 8,
      size: "max",
    }),
  )
  .map(([first, rest]) => [first, ...rest]);

const turns = fc.array(fc.nat(4), { minLength: 1, maxLength: 7 });

/** Told at least now and then: after each answer that tells nothing, the store waits a little longer before it asks again. */
const fates = fc
  .array(fc.constantFrom<Fate>("told", "untold", "lost"), { maxLength: 3 })
  .map((fates): Fate[] => [...fates, "told"]);

async function inTurn(setup: Setup, intents: readonly Intent[]): Promise<void> {
  await using runner = new Runner(setup);
  await runner.playInTurn(intents);
  await runner.finish();
}

async function inBursts(setup: Setup, intents: readonly (readonly Intent[])[]): Promise<void> {
  await using runner = new Runner(setup);
  await runner.playInBursts(intents);
  await runner.finish();
}

describe.each(BACKENDS)(
  "the store over $name answers what the model answers",
  { timeout: TIMEOUT },
  (backend) => {
    const database = sharedDatabase(backend);

    async function alone({
      over = same,
      ...options
    }: { cacheBytes?: number; over?: (driver: Driver) => Driver } = {}): Promise<Setup> {
      const driver = await database.driver();
      return { driver, drivers: [over(driver)], ...options };
    }

    async function together(over: (driver: Driver) => Driver = same): Promise<Setup> {
      const [driver, another] = await database.drivers(2);
      return { driver, drivers: [over(driver), another] };
    }

    test("call by call", async () => {
      await fc.assert(
        fc.asyncProperty(history, async (intents) => inTurn(await alone(), intents)),
        parameters(1000, backend.pace),
      );
    });

    test("call by call, from a cold cache", async () => {
      await fc.assert(
        fc.asyncProperty(history, async (intents) => inTurn(await alone({ cacheBytes: 0 }), intents)),
        parameters(600, backend.pace),
      );
    });

    test("call by call, from a cache that holds little", async () => {
      await fc.assert(
        fc.asyncProperty(history, fc.integer({ min: 500, max: 8000 }), async (intents, cacheBytes) =>
          inTurn(await alone({ cacheBytes }), intents),
        ),
        parameters(300, backend.pace),
      );
    });

    test("call by call, alternating between two stores over one database", async () => {
      await fc.assert(
        fc.asyncProperty(history, async (intents) => inTurn(await together(), intents)),
        parameters(300, backend.pace),
      );
    });

    test("in bursts, however they are folded into commits", async () => {
      await fc.assert(
        fc.asyncProperty(bursts, async (intents) => inBursts(await alone(), intents)),
        parameters(700, backend.pace),
      );
    });

    test("in bursts, on a slow driver that takes two commits at a time, from a cold cache", async () => {
      await fc.assert(
        fc.asyncProperty(bursts, turns, async (intents, turns) => {
          const narrow = (driver: Driver): Driver =>
            overriding(slow(driver, turns), { limits: { ...driver.limits, maxBatch: 2 } });
          return inBursts(await alone({ over: narrow, cacheBytes: 0 }), intents);
        }),
        parameters(400, backend.pace),
      );
    });

    test("in bursts, alternating between two stores over one database", async () => {
      await fc.assert(
        fc.asyncProperty(bursts, turns, async (intents, turns) =>
          inBursts(await together((driver) => slow(driver, turns)), intents),
        ),
        parameters(400, backend.pace),
      );
    });

    test("in bursts, on a driver that does not always know what it did", async () => {
      await fc.assert(
        fc.asyncProperty(bursts, fates, async (intents, fates) =>
          inBursts(await alone({ over: (driver) => uncertain(driver, fates) }), intents),
        ),
        parameters(60, backend.pace),
      );
    });
  },
);

function same(driver: Driver): Driver {
  return driver;
}

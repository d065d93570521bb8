/**
 * The store against the model: whatever is done to a few conversations, every answer and everything that can be read
 * afterwards is what the contract says. A failure prints the seed, the path and the shrunk history; to run it again:
 *
 *     FASTPACA_SEED=… FASTPACA_PATH=… vitest run semantics.property -t "<name of the test>"
 */
import { openMemory } from "@fastpaca/driver-memory";
import fc from "fast-check";
import { describe, test } from "vitest";
import { overriding, shared, slow, uncertain, type Fate } from "./drivers.js";
import { intent, opening, type Intent } from "./intents.js";
import { parameters, Runner, type Setup } from "./runner.js";

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

function alone(options: { cacheBytes?: number } = {}): Setup {
  const driver = openMemory();
  return { driver, drivers: [driver], ...options };
}

function together(): Setup {
  const driver = openMemory();
  return { driver, drivers: [shared(driver), shared(driver)] };
}

describe("the store answers what the model answers", { timeout: TIMEOUT }, () => {
  test("call by call", async () => {
    await fc.assert(
      fc.asyncProperty(history, (intents) => inTurn(alone(), intents)),
      parameters(1000),
    );
  });

  test("call by call, from a cold cache", async () => {
    await fc.assert(
      fc.asyncProperty(history, (intents) => inTurn(alone({ cacheBytes: 0 }), intents)),
      parameters(600),
    );
  });

  test("call by call, from a cache that holds little", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 500, max: 8000 }), (intents, cacheBytes) =>
        inTurn(alone({ cacheBytes }), intents),
      ),
      parameters(300),
    );
  });

  test("call by call, alternating between two stores over one driver", async () => {
    await fc.assert(
      fc.asyncProperty(history, (intents) => inTurn(together(), intents)),
      parameters(300),
    );
  });

  test("in bursts, however they are folded into commits", async () => {
    await fc.assert(
      fc.asyncProperty(bursts, (intents) => inBursts(alone(), intents)),
      parameters(700),
    );
  });

  test("in bursts, on a slow driver that takes two commits at a time, from a cold cache", async () => {
    await fc.assert(
      fc.asyncProperty(bursts, turns, (intents, turns) => {
        const driver = openMemory();
        const narrow = overriding(slow(driver, turns), { limits: { ...driver.limits, maxBatch: 2 } });
        return inBursts({ driver, drivers: [narrow], cacheBytes: 0 }, intents);
      }),
      parameters(400),
    );
  });

  test("in bursts, alternating between two stores over one driver", async () => {
    await fc.assert(
      fc.asyncProperty(bursts, turns, (intents, turns) => {
        const driver = openMemory();
        return inBursts({ driver, drivers: [shared(slow(driver, turns)), shared(driver)] }, intents);
      }),
      parameters(400),
    );
  });

  test("in bursts, on a driver that does not always know what it did", async () => {
    await fc.assert(
      fc.asyncProperty(bursts, fates, (intents, fates) => {
        const driver = openMemory();
        return inBursts({ driver, drivers: [uncertain(driver, fates)] }, intents);
      }),
      parameters(60),
    );
  });
});

import { describe, expect, test } from "vitest";
import type { InvariantId } from "../src/catalogue.js";
import { RACES } from "../src/checks/races.js";
import type { DriverUnderTest } from "../src/subject.js";
import { Violation } from "../src/violation.js";
import { World } from "../src/world.js";
import { modelSubject } from "./model-driver.js";
import { racer, WRONG_RACERS } from "./wrong-racers.js";

interface Found {
  readonly check: string;
  readonly invariant: InvariantId;
  readonly message: string;
}

/** Runs every race once through at default settings: what each found, and the calls that it made. */
async function race(subject: DriverUnderTest, seed: number): Promise<{ found: Found[]; calls: number }> {
  const found: Found[] = [];
  let calls = 0;
  for (const { name, runs, execute } of RACES) {
    let world: World | undefined;
    let failed: unknown;
    // The first failure of each is enough here: what follows it only looks for a smaller one.
    await execute(
      async (run) => {
        if (failed !== undefined) return;
        world ??= await World.create(subject);
        world.begin();
        try {
          await run(world);
        } catch (error) {
          failed = error;
          throw error;
        } finally {
          calls += world.history.calls.length;
        }
      },
      { seed, runs, deadline: 60_000, path: undefined },
    );
    await world?.dispose();
    if (failed === undefined) continue;
    if (!(failed instanceof Violation)) throw new Error(`${name} failed`, { cause: failed });
    found.push({ check: name, invariant: failed.invariant, message: failed.message });
  }
  return { found, calls };
}

const SEEDS = Array.from({ length: 20 }, (_, index) => index * 7919 + 1);

describe("a driver that is right", () => {
  test.each([
    ["the model", modelSubject()],
    ["tables", racer()],
    ["one handle only", { ...modelSubject(), traits: { durable: false, shared: false, watch: false } }],
  ])("passes every race: %s", { timeout: 240_000 }, async (_name, subject) => {
    for (const seed of SEEDS) expect(await race(subject, seed)).toMatchObject({ found: [] });
  });

  test("is asked less than 12000 times", async () => {
    expect((await race(modelSubject(), 1)).calls).toBeLessThan(12_000);
  });
});

describe("a driver with a race in it is caught with every seed", () => {
  test.each(Object.entries(WRONG_RACERS))("%s", { timeout: 240_000 }, async (_name, { breaks, wrong }) => {
    for (const seed of SEEDS.slice(0, 5)) {
      const { found } = await race(racer(wrong), seed);
      expect(found).not.toEqual([]);
      for (const { invariant, message } of found)
        expect(breaks, `${invariant}: ${message}`).toContain(invariant);
    }
  });
});

test("every race names a promise first that no other one is for", () => {
  const first = RACES.map(({ invariants }) => invariants[0]);
  expect(new Set(first).size).toBe(first.length);
});

import type { Driver } from "@fastpaca/core";
import { expect, test } from "vitest";
import { runChecks } from "../src/runner.js";
import { played } from "./played.js";
import { fileSubject, type Wrong } from "./file-driver.js";
import { modelSubject } from "./model-driver.js";

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

async function failure(wrong: Wrong, seed: number, check: string) {
  const { checks } = await runChecks(fileSubject(wrong), { only: [check], seed });
  return played(checks).failure;
}

test("a driver that keeps everything may be closed and opened anywhere", { timeout: 240_000 }, async () => {
  for (const seed of SEEDS) expect(await failure("no", seed, "reopen-anywhere")).toBeUndefined();
});

test.for(["forgets-marks", "forgets-keys", "forgets-purges"] as const)(
  "a driver that %s when it is opened again is caught with any seed",
  { timeout: 240_000 },
  async (wrong) => {
    for (const seed of SEEDS) {
      expect(await failure(wrong, seed, "reopen-anywhere")).toMatchObject({ invariant: "DUR-3" });
    }
  },
);

test("a failure comes back exactly with its seed and path", async () => {
  const found = await failure("forgets-marks", 7, "reopen-anywhere");
  const { checks } = await runChecks(fileSubject("forgets-marks"), {
    only: ["reopen-anywhere"],
    seed: 7,
    path: found?.path ?? "",
  });
  expect(found?.exact).toBe(true);
  expect(checks[0]).toMatchObject({ runs: 1, failure: { counterexample: found?.counterexample } });
});

test("a driver that finishes its commits may be closed at any time", { timeout: 240_000 }, async () => {
  for (const seed of SEEDS) {
    expect(await failure("no", seed, "close-while-committing")).toBeUndefined();
    const { checks } = await runChecks(modelSubject(), { only: ["close-while-committing"], seed });
    expect(played(checks).failure).toBeUndefined();
  }
});

test("a driver that drops running commits is caught with any seed", { timeout: 240_000 }, async () => {
  for (const seed of SEEDS) {
    expect(await failure("drops-running", seed, "close-while-committing")).toMatchObject({
      invariant: "DUR-4",
    });
  }
});

test("a driver that closes before its commits are answered is caught with any seed", async () => {
  const late = (driver: Driver): Driver => ({
    ...driver,
    commit: async (commits) => {
      const outcomes = await driver.commit(commits);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      return outcomes;
    },
  });
  for (const seed of SEEDS) {
    const { checks } = await runChecks(modelSubject(late), { only: ["close-while-committing"], seed });
    expect(checks[0]?.failure).toMatchObject({ invariant: "DUR-4" });
  }
});

import { expect, test } from "vitest";
import { runChecks } from "../src/runner.js";
import { played } from "./played.js";
import type { DriverUnderTest } from "../src/subject.js";
import { modelSubject } from "./model-driver.js";
import { sharedFileSubject } from "./shared-file-driver.js";

const SEEDS = Array.from({ length: 3 }, (_, seed) => seed);
const LONG = { timeout: 240_000 };

async function failure(subject: DriverUnderTest, seed: number, check = "start-at-once") {
  const { checks } = await runChecks(subject, { only: [check], seed });
  return played(checks).failure;
}

test("a driver whose databases may be opened by many at once is right", LONG, async () => {
  for (const seed of SEEDS) {
    expect(await failure(modelSubject(), seed)).toBeUndefined();
    expect(await failure(sharedFileSubject(), seed)).toBeUndefined();
  }
});

test.for(["sets-up-twice", "empties"] as const)(
  "a driver that %s is caught with any seed",
  LONG,
  async (wrong) => {
    for (const seed of SEEDS) {
      const found = await failure(sharedFileSubject(wrong), seed);
      expect(found, `seed ${seed}: ${found?.message}`).toMatchObject({ invariant: "DUR-5" });
    }
  },
);

test("several processes may be killed at once", LONG, async () => {
  for (const seed of SEEDS.slice(0, 1)) {
    expect(await failure(sharedFileSubject(), seed, "crash-killed-process")).toBeUndefined();
  }
});

test("a shared driver that writes bit by bit is caught with any seed", LONG, async () => {
  for (const seed of SEEDS) {
    const found = await failure(sharedFileSubject("bit-by-bit"), seed, "crash-killed-process");
    expect(found?.invariant).toMatch(/^(DUR-[12]|ERR-2)$/);
  }
});

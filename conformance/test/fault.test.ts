import { expect, test } from "vitest";
import { runChecks } from "../src/runner.js";
import { played } from "./played.js";
import { tcpSubject, type Lie } from "./tcp-driver.js";

const SEEDS = Array.from({ length: 3 }, (_, seed) => seed);
const LONG = { timeout: 240_000 };

async function failure(lie: Lie, seed: number, check = "fault-broken-connections") {
  const { checks } = await runChecks(tcpSubject(lie), { only: [check], seed });
  return played(checks).failure;
}

test("an honest driver survives whatever happens to its connections", LONG, async () => {
  for (const seed of SEEDS) expect(await failure("none", seed)).toBeUndefined();
});

test("an honest driver gives up where nothing comes", LONG, async () => {
  expect(await failure("none", 1, "fault-silence")).toBeUndefined();
});

test.for([
  ["rejects", "ERR-3"],
  ["claims-success", "ERR-5"],
  ["retries-blindly", "ERR-5"],
  ["reads-from-memory", "ERR-5"],
  ["mixes-up-answers", "ERR-5"],
] as const)("a driver that %s is caught with any seed, as %s", LONG, async ([lie, invariant]) => {
  for (const seed of SEEDS) expect(await failure(lie, seed)).toMatchObject({ invariant });
});

test.for([
  ["never-reconnects", "ERR-6"],
  ["hangs", "ERR-1"],
] as const)("a driver that %s is caught, as %s", LONG, async ([lie, invariant]) => {
  expect(await failure(lie, 1)).toMatchObject({ invariant });
});

test.for([
  ["never-gives-up", "ERR-1"],
  ["rejects-when-late", "ERR-3"],
] as const)("a driver that %s is caught, as %s", LONG, async ([lie, invariant]) => {
  expect(await failure(lie, 1, "fault-silence")).toMatchObject({ invariant });
});

import { expect, test } from "vitest";
import { runChecks } from "../src/runner.js";
import { played } from "./played.js";
import { fileSubject, type Wrong } from "./file-driver.js";

const only = ["crash-killed-process"];

/** Processes import a module by its default export; what is wrong with the driver is in the URL. */
async function failure(wrong: Wrong, seed: number) {
  const { checks } = await runChecks(fileSubject(wrong), { only, seed });
  return played(checks).failure;
}

test("a driver that writes before it answers survives being killed", { timeout: 240_000 }, async () => {
  for (let seed = 1; seed <= 3; seed++) {
    expect(await failure("no", seed)).toBeUndefined();
    expect(await failure("commits-apart", seed)).toBeUndefined();
  }
});

test.for([
  ["writes-at-close", /^DUR-[12]$/],
  ["writes-later", /^DUR-[12]$/],
  ["writes-after-a-while", /^DUR-[12]$/],
  ["messages-apart", /^DUR-[12]$/],
  ["forgets-marks", /^DUR-[12]$/],
  ["forgets-keys", /^DUR-[12]$/],
  ["forgets-purges", /^DUR-[12]$/],
] as const)(
  "a driver with the fault %s is caught with any seed, as %s",
  { timeout: 240_000 },
  async ([wrong, invariant]) => {
    for (let seed = 1; seed <= 3; seed++) {
      expect((await failure(wrong, seed))?.invariant).toMatch(invariant);
    }
  },
);

test("a durable driver without a module is told what to add", async () => {
  const { module: _, ...subject } = fileSubject();
  const { checks } = await runChecks(subject, { only, seed: 1 });
  expect(checks[0]?.failure?.message).toContain("add `module: import.meta.url`");
});

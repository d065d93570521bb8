import { symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { describeDriver } from "../src/vitest.js";
import { Running, subjectFolder, type Ended } from "./command.js";
import { modelSubject } from "./model-driver.js";

// Starting vitest takes seconds on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const NODE_MODULES = fileURLToPath(new URL("../node_modules", import.meta.url));

// The kit's own model, in the way in which everybody uses it.
describeDriver(modelSubject());

/** Runs vitest on a test file of its own that hands over one of the subjects. */
function runVitest(subject: string, folder: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  symlinkSync(NODE_MODULES, path.join(folder, "node_modules"));
  writeFileSync(
    path.join(folder, "driver.test.js"),
    `import { describeDriver } from ${JSON.stringify(new URL("../dist/vitest.js", import.meta.url).href)};
import subject from "./${subject}";
describeDriver(subject);`,
  );
  const vitest = path.join(NODE_MODULES, "vitest/vitest.mjs");
  const args = [vitest, "run", "--root", folder, "--reporter=verbose", "--configLoader=runner"];
  return new Running(process.execPath, args, folder, { VITEST: undefined, ...env }).ended();
}

test("a test that fails shows the invariant, the timeline and how it is played again", async () => {
  const folder = subjectFolder();
  const { code, stdout, stderr } = await runVitest("wrong.js", folder, {
    FASTPACA_CONFORMANCE_ONLY: "CAS-3",
  });
  expect(code).toBe(1);
  const text = stdout + stderr;
  expect(text).toMatch(/driver boastful > [A-Z0-9 -]*CAS-3[A-Z0-9 -]* commit-/);
  expect(text).toContain("✗ CAS-3 is broken (check commit-");
  expect(text).toContain("A commit on any other revision conflicts and changes nothing.");
  expect(text).toMatch(/● +A commit .* = committed/);
  const [, only, seed, replayed] =
    /FASTPACA_CONFORMANCE_ONLY=(\S+) FASTPACA_CONFORMANCE_SEED=(\S+) FASTPACA_CONFORMANCE_PATH=(\S+) npx vitest run driver\.test\.js/.exec(
      text,
    ) ?? [];
  const again = await runVitest("wrong.js", subjectFolder(), {
    FASTPACA_CONFORMANCE_ONLY: only,
    FASTPACA_CONFORMANCE_SEED: seed,
    FASTPACA_CONFORMANCE_PATH: replayed,
  });
  expect(again.code).toBe(1);
  expect(again.stdout + again.stderr).toContain(`✗ CAS-3 is broken (check ${only}`);
});

test("a check of which no run came to its end has not passed", async () => {
  const { code, stdout, stderr } = await runVitest("slow.js", subjectFolder(), {
    FASTPACA_CONFORMANCE_ONLY: "messages-long",
  });
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(/no run of messages-long came to its end within \d\d s/);
});

test("what is not claimed has no test", async () => {
  const { code, stdout } = await runVitest("right.js", subjectFolder(), {
    FASTPACA_CONFORMANCE_ONLY: "CAS-3,DUR-1",
  });
  expect(code).toBe(0);
  expect(stdout).toContain("CAS-3");
  expect(stdout).not.toMatch(/DUR-1|skipped/);
});

test("a durable driver has to say where it is imported from", () => {
  const subject = { ...modelSubject(), traits: { durable: true, shared: true, watch: false } };
  expect(() => describeDriver(subject)).toThrow(/module: import\.meta\.url/);
});

import path from "node:path";
import { describe, expect, test } from "vitest";
import { readRuns, readSeed } from "./cli/arguments.js";
import { failureReport } from "./report/report-of.js";
import { replayEnvironment } from "./report/replay.js";
import { renderFailure } from "./report/text.js";
import { INVARIANTS } from "./catalogue.js";
import { CHECKS } from "./checks/index.js";
import {
  claimedTraits,
  hasPassed,
  isClaimed,
  playCheck,
  randomSeed,
  select,
  type Failure,
} from "./runner.js";
import type { DriverUnderTest } from "./subject.js";
import { World } from "./world.js";

export type { ClaimedTraits, DriverUnderTest, TestDatabase } from "./subject.js";

/** Milliseconds for one check: its own deadline, and what opening and closing may take beside it. */
const TEST_TIMEOUT_MS = 180_000;

/**
 * Holds a driver to the promises of the driver interface, inside vitest: a test for each check of what it claims.
 * `createDatabase` is also called while tests are collected, before any hook: it has to bring up itself what it needs.
 *
 * The environment may set FASTPACA_CONFORMANCE_ONLY, _SEED, _PATH and _RUNS, which are the command's flags of the
 * same names; a failing test says with which of them it is played again.
 *
 * @throws TypeError for a durable driver without `module`, RangeError for a filter that names nothing
 */
export function describeDriver(subject: DriverUnderTest): void {
  if (subject.traits.durable && subject.module === undefined) {
    throw new TypeError(
      `${subject.name}: a durable driver is also tried in processes that are killed, which import the file that ` +
        "exports it by default: say module: import.meta.url in that file",
    );
  }
  const settings = readSettings(process.env);
  const selected = select(settings.only, CHECKS);
  describe(`driver ${subject.name}`, async () => {
    const traits = await claimedTraits(subject);
    const claimed = selected.filter((check) => isClaimed(check, traits));
    if (settings.path !== undefined && claimed.length > 1) {
      throw new RangeError(
        `a path belongs to one check; ${claimed.map(({ name }) => name).join(", ")} are selected`,
      );
    }
    // Not a test that passes: what was asked for rests on what the driver does not claim, and that has to show.
    if (claimed.length === 0) test.skip("nothing that it claims is selected", () => undefined);
    for (const check of claimed) {
      test(`${check.invariants.join(" ")} ${check.name}`, { timeout: TEST_TIMEOUT_MS }, async () => {
        const result = await playCheck(check, () => World.create(subject), settings);
        if (result.failure !== undefined) throw new BrokenPromise(result.failure);
        if (!hasPassed(result)) {
          const seconds = Math.round(result.milliseconds / 1000);
          throw new Error(`no run of ${check.name} came to its end within ${seconds} s`);
        }
      });
    }
  });
}

/** A failure with all there is to know about it as its message. */
class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";

  constructor(failure: Failure) {
    const report = failureReport(
      failure,
      (replay) => `${replayEnvironment(replay)} npx vitest run ${testFile()}`,
    );
    const invariants = INVARIANTS.map(
      (entry) => ({ ...entry, verdict: "failed", milliseconds: 0, checks: [] }) as const,
    );
    const text = renderFailure({ invariants }, report, (_style, text) => text).join("\n");
    super(text);
    // Where in the kit it was found helps nobody; frames of the driver are in the text.
    this.stack = `${this.name}: ${text}`;
  }
}

function testFile(): string {
  const { testPath } = expect.getState();
  return testPath === undefined ? "" : path.relative(process.cwd(), testPath);
}

interface Settings {
  readonly only: readonly string[];
  readonly seed: number;
  readonly path?: string;
  readonly runs: number;
}

function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const read = (name: string): string | undefined => environment[`FASTPACA_CONFORMANCE_${name}`] || undefined;
  const [only, seed, replayed, runs] = [read("ONLY"), read("SEED"), read("PATH"), read("RUNS")];
  return {
    only: only === undefined ? [] : only.split(",").map((name) => name.trim()),
    seed: seed === undefined ? randomSeed() : readSeed(seed, "FASTPACA_CONFORMANCE_SEED"),
    ...(replayed !== undefined && { path: replayed }),
    runs: runs === undefined ? 1 : readRuns(runs, "FASTPACA_CONFORMANCE_RUNS"),
  };
}

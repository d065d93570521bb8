import { readFileSync } from "node:fs";
import type { DriverLimits } from "@fastpaca/core";
import { invariant } from "../catalogue.js";
import type { Failure, Outcome } from "../runner.js";
import { historyReport } from "./history-report.js";
import { replayArguments, type ReplayArguments } from "./replay.js";
import type { FailureReport, Report } from "./report.js";

/** What a report says that the outcome of the checks does not know. */
export interface ReportContext {
  readonly started: Date;
  readonly only: readonly string[];
  readonly limits?: DriverLimits;
  /** How a failure is played again. */
  readonly replay: (replay: ReplayArguments) => string;
}

/** The report of a driver's checks. */
export function reportOf(outcome: Outcome, { started, only, limits, replay }: ReportContext): Report {
  return {
    format: 1,
    kit: kitVersion(),
    subject: {
      name: outcome.subject,
      traits: outcome.traits,
      ...(limits !== undefined && { limits }),
    },
    seed: outcome.seed,
    runs: outcome.runs,
    only,
    date: started.toISOString(),
    milliseconds: Math.round(outcome.milliseconds),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    passed: outcome.passed,
    interrupted: outcome.interrupted,
    invariants: outcome.invariants.map(({ id, verdict, milliseconds, checks }) => {
      const { says, rule } = invariant(id);
      return { id, says, rule, verdict, milliseconds: Math.round(milliseconds), checks };
    }),
    checks: outcome.checks.map(({ check, mode, invariants, runs, cutShort, milliseconds, failure }) => ({
      name: check,
      mode,
      invariants,
      runs,
      cutShort,
      milliseconds: Math.round(milliseconds),
      failed: failure !== undefined,
    })),
    failures: outcome.checks.flatMap(({ failure }) =>
      failure === undefined ? [] : [failureReport(failure, replay)],
    ),
  };
}

/** One failure, with the command that plays it again. */
export function failureReport(failure: Failure, replay: ReportContext["replay"]): FailureReport {
  const { check, mode, invariant, message, stack, seed, path, exact, counterexample, shrinks } = failure;
  return {
    check,
    mode,
    ...(invariant !== undefined && { invariant }),
    message: message.slice(0, 4000),
    stack: stack.slice(0, 4000),
    seed,
    path,
    exact,
    counterexample: counterexample.slice(0, 4000),
    shrinks,
    replay: replay(replayArguments(failure)),
    history: historyReport(failure.calls, failure.notes),
  };
}

let version: string | undefined;

/** Version of the kit, from its package. */
export function kitVersion(): string {
  version ??= readVersion(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return version;
}

function readVersion(manifest: string): string {
  const parsed: unknown = JSON.parse(manifest);
  if (typeof parsed === "object" && parsed !== null && "version" in parsed) return String(parsed.version);
  throw new Error("the package of the kit says no version");
}

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { inspect, styleText } from "node:util";
import type { Check } from "../check.js";
import { CHECKS } from "../checks/index.js";
import { isClaimed, runChecks, select, type Progress } from "../runner.js";
import { SERVER_CHECKS } from "../server/checks/index.js";
import { runServerChecks } from "../server/index.js";
import { obstacleAt } from "../server/probe.js";
import { visibleLines } from "../report/plain.js";
import { reportOf } from "../report/report-of.js";
import { replayCommand, type ReplayArguments } from "../report/replay.js";
import type { Report } from "../report/report.js";
import { renderReport } from "../report/render.js";
import { renderText, type Paint } from "../report/text.js";
import type { RunArguments } from "./arguments.js";
import { interruptible } from "./interruption.js";
import { loadSubject, probe } from "./load-subject.js";
import { LiveProgress } from "./progress.js";
import { UsageError } from "./usage-error.js";

/** How a run of the command ends. */
export const EXIT = { passed: 0, violated: 1, untested: 2, interrupted: 130 } as const;

/** A set of checks, played: whatever is tested, progress and reports are the same. */
export type Play = (signal: AbortSignal, onProgress: (progress: Progress) => void) => Promise<Report>;

/** Checks a driver from its file, tells how it went, writes the reports. @returns the exit code */
export async function runDriver(args: RunArguments & { readonly file: string }): Promise<number> {
  const { file, only, seed, path: replayed, runs, bail } = args;
  const selected = selectChecks(only, CHECKS);
  const subject = await loadSubject(file);
  return playAndTell(args.reports, async (signal, onProgress) => {
    const { limits, traits } = await probe(subject, file);
    const claimed = selected.filter((check) => isClaimed(check, traits));
    if (claimed.length === 0) {
      throw new UsageError(`nothing to check: ${subject.name} does not claim what ${only.join(", ")} needs`);
    }
    if (replayed !== undefined && claimed.length > 1) {
      const names = claimed.map(({ name }) => name).join(", ");
      throw new UsageError(`--path belongs to one check, and --only selects ${claimed.length}: ${names}`);
    }
    const started = new Date();
    const options = { only, runs, bail, signal, onProgress };
    const outcome = await runChecks(subject, {
      ...options,
      ...(seed !== undefined && { seed }),
      ...(replayed !== undefined && { path: replayed }),
    });
    return reportOf(outcome, { started, only, limits, replay: (replay) => replayCommand([file], replay) });
  });
}

/** Checks a running server, tells how it went, writes the reports. @returns the exit code */
export async function runServer(args: RunArguments & { readonly server: string }): Promise<number> {
  const { server, only, seed, path: replayed, runs, bail } = args;
  const selected = selectChecks(only, SERVER_CHECKS);
  if (replayed !== undefined && selected.length > 1) {
    const names = selected.map(({ name }) => name).join(", ");
    throw new UsageError(`--path belongs to one check, and --only selects ${selected.length}: ${names}`);
  }
  const key = process.env["FASTPACA_API_KEY"];
  const subject = { url: server, apiKey: key === "" ? undefined : key };
  const obstacle = await obstacleAt(subject);
  if (obstacle !== undefined) throw new UsageError(obstacle);
  return playAndTell(args.reports, async (signal, onProgress) => {
    const started = new Date();
    const outcome = await runServerChecks(subject, {
      only,
      runs,
      bail,
      signal,
      onProgress,
      ...(seed !== undefined && { seed }),
      ...(replayed !== undefined && { path: replayed }),
    });
    const replay = (replay: ReplayArguments): string => replayCommand(["--server", server], replay);
    return reportOf(outcome, { started, only, replay });
  });
}

/** Plays a set of checks with progress, prints the report and writes the others. @returns the exit code */
async function playAndTell(reports: readonly string[], play: Play): Promise<number> {
  const out = process.stdout;
  const paint: Paint = (style, text) => styleText(style, text, { stream: out });
  const live = out.isTTY && process.env["CI"] === undefined && process.env["TERM"] !== "dumb";
  const progress = new LiveProgress(out, paint, live);
  const { report, stray } = await interruptible(
    (signal) => play(signal, progress.tell),
    () => progress.end(),
  );
  progress.end();
  if (report !== undefined) {
    out.write(`\n${renderText(report, paint)}`);
    await writeReports(report, reports);
  }
  if (stray !== undefined) {
    const what = stray instanceof Error ? (stray.stack ?? stray.message) : inspect(stray);
    const check = progress.current === "" ? "" : ` while check ${progress.current} ran`;
    out.write(
      `\n${paint("red", "✗ an error that nobody caught")}${check}; it would have ended the server's process:\n${visibleLines(what).join("\n")}\n`,
    );
    return EXIT.violated;
  }
  return report === undefined ? EXIT.interrupted : exitCode(report);
}

function exitCode({ passed, interrupted, failures }: Report): number {
  if (interrupted) return EXIT.interrupted;
  if (failures.some(({ invariant }) => invariant !== undefined)) return EXIT.violated;
  return passed ? EXIT.passed : EXIT.untested;
}

function selectChecks<C extends Pick<Check, "name" | "invariants">>(
  only: readonly string[],
  checks: readonly C[],
): readonly C[] {
  try {
    return select(only, checks);
  } catch (error) {
    if (error instanceof RangeError)
      throw new UsageError(`${error.message}; --list shows them`, { cause: error });
    throw error;
  }
}

async function writeReports(report: Report, files: readonly string[]): Promise<void> {
  for (const file of files) {
    try {
      await writeFile(file, renderReport(report, file, files));
    } catch (error) {
      throw new UsageError(`${path.basename(file)} cannot be written: ${String(error)}`, { cause: error });
    }
  }
}

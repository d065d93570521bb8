import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { RunArguments } from "./arguments.js";
import { EXIT } from "./run.js";
import { UsageError } from "./usage-error.js";

/** Milliseconds without a further change after which a run begins: editors write in several steps. */
const QUIET_MS = 100;
/** What a driver is made of; a database that it keeps beside its source must not start a run. */
const SOURCES = /\.(?:[cm]?[jt]s|json|sql)$/;

/**
 * Runs the command again and again in a process of its own, so that every run loads the files anew: at once, and
 * whenever the file or one beside it changes. What failed last is checked first; all the rest follows only when that
 * passes.
 *
 * @returns the exit code, when it is interrupted
 */
export async function watchDriver(args: RunArguments & { readonly file: string }): Promise<number> {
  if (!existsSync(args.file)) throw new UsageError(`there is no file ${args.file}`);
  const folder = await mkdtemp(path.join(tmpdir(), "conformance-"));
  const sources = watch(path.dirname(path.resolve(args.file)));
  let child: ChildProcess | undefined;
  let wake: () => void = () => undefined;
  let stopped = false;
  let changed = false;
  let timer: NodeJS.Timeout | undefined;
  sources.on("change", (_event, name) => {
    if (name !== null && !SOURCES.test(String(name))) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      changed = true;
      child?.kill("SIGTERM");
      wake();
    }, QUIET_MS);
  });
  const stop = (): void => {
    stopped = true;
    child?.kill("SIGTERM");
    wake();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);

  const run = async (only: readonly string[]): Promise<readonly string[] | undefined> => {
    const report = path.join(folder, "report.json");
    await rm(report, { force: true });
    // A process group of its own: Ctrl-C reaches it through this process, once.
    child = spawn(process.execPath, [...process.execArgv, CLI, ...childArguments(args, only, report)], {
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
    });
    await once(child, "exit");
    child = undefined;
    return existsSync(report) ? failedChecks(await readFile(report, "utf8")) : undefined;
  };

  try {
    let failed: readonly string[] = [];
    while (!stopped) {
      changed = false;
      if (failed.length > 0) {
        const again = await run(failed);
        if (again !== undefined && !changed) failed = again;
      }
      if (!stopped && !changed && failed.length === 0) {
        const found = await run(args.only);
        if (found !== undefined && !changed) failed = found;
      }
      if (!stopped && !changed) {
        process.stdout.write("\nwaiting for a change; Ctrl-C ends\n");
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (changed || stopped) resolve();
        });
      }
    }
    return EXIT.interrupted;
  } finally {
    clearTimeout(timer);
    sources.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const CLI = fileURLToPath(new URL("../cli.js", import.meta.url));

function childArguments(
  args: RunArguments & { readonly file: string },
  only: readonly string[],
  report: string,
): string[] {
  return [
    args.file,
    ...only.flatMap((name) => ["--only", name]),
    ...(args.seed === undefined ? [] : [`--seed=${args.seed}`]),
    ...(args.path === undefined ? [] : ["--path", args.path]),
    ...(args.bail ? ["--bail"] : []),
    "--runs",
    String(args.runs),
    ...[...args.reports, report].flatMap((file) => ["--report", file]),
  ];
}

function failedChecks(json: string): readonly string[] {
  const report: unknown = JSON.parse(json);
  if (typeof report !== "object" || report === null || !("failures" in report)) return [];
  return Array.isArray(report.failures) ? report.failures.map(({ check }) => String(check)) : [];
}

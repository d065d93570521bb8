import type { Failure } from "../runner.js";

/** How often a race is tried when it is played again, as a multiple of the runs of its check. */
const RACE_RUNS = 10;

/** The arguments that play one failure again, for the command or for environment variables. */
export function replayArguments(
  failure: Pick<Failure, "check" | "seed" | "path" | "exact">,
): ReplayArguments {
  return {
    only: failure.check,
    seed: String(failure.seed),
    ...(failure.path !== "" && { path: failure.path }),
    ...(!failure.exact && { runs: String(RACE_RUNS) }),
  };
}

export interface ReplayArguments {
  readonly only: string;
  readonly seed: string;
  readonly path?: string;
  readonly runs?: string;
}

/** As a command line. @param subject what was checked, as it was given: a file, or a server's flag */
export function replayCommand(subject: readonly string[], replay: ReplayArguments): string {
  const flags = Object.entries(replay).map(([name, value]) => `--${name} ${shellWord(String(value))}`);
  return ["npx @fastpaca/conformance", ...subject.map(shellWord), ...flags].join(" ");
}

/** As environment variables before a run of vitest. */
export function replayEnvironment(replay: ReplayArguments): string {
  const set = Object.entries(replay).map(
    ([name, value]) => `FASTPACA_CONFORMANCE_${name.toUpperCase()}=${shellWord(String(value))}`,
  );
  return set.join(" ");
}

/** Said wherever a replay is not exact. */
export const RACE_NOTE = "a race: this tries the same case again, and it may take several attempts";

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

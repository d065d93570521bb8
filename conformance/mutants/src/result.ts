import type { Mutant } from "./mutant.js";
import type { Played } from "./play.js";

/** What became of one driver. */
export interface Result {
  readonly name: string;
  /** Undefined for a driver that is right. */
  readonly mutant: Mutant | undefined;
  /** How often it was to be played; where it was played less often, its process ended early. */
  readonly runs: number;
  readonly played: readonly Played[];
}

/** Whether a run ended as it should: caught for a fitting reason, or passed. */
function isFitting(mutant: Mutant | undefined, { found }: Played): boolean {
  if (mutant === undefined) return found === undefined;
  return mutant.invariants.some((id) => id === found?.invariant);
}

export function isRight({ mutant, runs, played }: Result): boolean {
  return played.length === runs && played.every((one) => isFitting(mutant, one));
}

/** One driver on one line, and what went wrong with it behind. */
export function lineOf(result: Result): string {
  const { name, mutant, runs, played } = result;
  const fitting = played.filter((one) => isFitting(mutant, one));
  const head = [
    isRight(result) ? "ok  " : "FAIL",
    name.padEnd(38),
    `${mutant === undefined ? "passed" : "caught"} ${fitting.length} of ${runs}`,
    timesOf(played).padEnd(22),
    invariantsOf(played),
  ].join("  ");
  const others = played.filter((one) => !isFitting(mutant, one));
  return [head, ...others.map((one) => `      ${explain(mutant, one)}`)].join("\n");
}

function explain(mutant: Mutant | undefined, { seed, found }: Played): string {
  if (found === undefined) return `seed ${seed}: not caught`;
  const expected = mutant === undefined ? "" : ` (fitting: ${mutant.invariants.join(", ")})`;
  return `seed ${seed}: ${found.invariant ?? "no invariant"}${expected} by ${found.check}: ${found.message}`;
}

/** Totals, as sentences. */
export function summaryOf(results: readonly Result[]): string {
  const wrong = results.filter(({ mutant }) => mutant !== undefined);
  const right = results.filter(({ mutant }) => mutant === undefined);
  const lines: string[] = [];
  if (wrong.length > 0) {
    const { middle, worst } = times(wrong.flatMap(({ played }) => played));
    const caught = wrong.filter(isRight).length;
    const runs = wrong[0]?.runs ?? 0;
    lines.push(
      `${caught} of ${wrong.length} wrong drivers were caught in each of ${runs} runs with a seed of its own.`,
      `Time until one was caught: ${seconds(middle)} s (median of all runs), ${seconds(worst)} s (worst).`,
    );
  }
  if (right.length > 0) {
    const passed = right.filter(isRight).length;
    lines.push(`${passed} of ${right.length} right drivers passed each of ${right[0]?.runs ?? 0} runs.`);
  }
  return lines.join("\n");
}

/** The same as tables, for the documentation. */
export function markdownOf(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { name, mutant, runs, played } = result;
    const fitting = played.filter((one) => isFitting(mutant, one)).length;
    const { middle, worst } = times(played);
    const says = mutant?.says ?? "A driver that is right.";
    const told = mutant === undefined ? "" : invariantsOf(played);
    return `| \`${name}\` | ${says.replaceAll("|", "\\|")} | ${fitting} of ${runs} | ${told} | ${seconds(middle)} | ${seconds(worst)} |`;
  });
  return [
    summaryOf(results),
    "",
    "| driver | what is wrong | caught, or passed | reported as | median (s) | worst (s) |",
    "|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

function invariantsOf(played: readonly Played[]): string {
  const counts = new Map<string, number>();
  for (const { found } of played) {
    if (found !== undefined)
      counts.set(found.invariant ?? "none", (counts.get(found.invariant ?? "none") ?? 0) + 1);
  }
  const ordered = [...counts].sort(([, a], [, b]) => b - a);
  return ordered.map(([id, count]) => (ordered.length === 1 ? id : `${id} (${count})`)).join(", ");
}

function timesOf(played: readonly Played[]): string {
  const { middle, worst } = times(played);
  return `${seconds(middle)} s, worst ${seconds(worst)} s`;
}

function times(played: readonly Played[]): { readonly middle: number; readonly worst: number } {
  const sorted = played.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  return { middle: sorted[Math.floor(sorted.length / 2)] ?? 0, worst: sorted.at(-1) ?? 0 };
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CORRECT, MUTANTS } from "./index.js";
import type { Played } from "./play.js";
import { isRight, lineOf, markdownOf, summaryOf, type Result } from "./result.js";

const USAGE = `pnpm mutants [--short] [--runs N] [--only NAME] [--markdown]

Plays the conformance kit on drivers that are wrong, each in one way, and on drivers that are right. Fails unless every
wrong one is caught every time, under the name of an invariant that fits, and every right one passes.

  --short      each driver once; 20 times by default
  --runs N     each driver N times
  --only NAME  drivers whose name contains this
  --markdown   prints a table for docs/conformance.md instead of lines
  --help       this`;

const CHILD = fileURLToPath(new URL("child.js", import.meta.url));
/** Milliseconds for one run of a driver; far beyond what the kit takes. */
const RUN_DEADLINE_MS = 120_000;
/** Drivers that are played at the same time, each in a process of its own. */
const AT_ONCE = 2;

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    runs: { type: "string" },
    only: { type: "string", default: "" },
    markdown: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const runs = Number(values.runs ?? (values.short ? 1 : 20));
if (!Number.isInteger(runs) || runs < 1) throw new RangeError("--runs is a whole number, 1 or more");

/** Plays one driver in a process of its own: what it leaves behind disturbs nobody. */
async function playAll(name: string): Promise<readonly Played[]> {
  const seeds = Array.from({ length: runs }, () => String(randomInt(2 ** 31)));
  const child = spawn(process.execPath, [CHILD, name, ...seeds], { stdio: ["ignore", "pipe", "inherit"] });
  const late = setTimeout(() => child.kill("SIGKILL"), RUN_DEADLINE_MS * runs);
  const exited = once(child, "exit");
  const output = await text(child.stdout);
  await exited;
  clearTimeout(late);
  // Only whole lines: a process that was killed may have left half of one.
  return output
    .split("\n")
    .slice(0, -1)
    .map((line): Played => JSON.parse(line));
}

const wrong = MUTANTS.filter(({ name }) => name.includes(values.only));
const right = CORRECT.filter(({ name }) => name.includes(values.only));
if (wrong.length + right.length === 0) throw new RangeError(`no driver's name contains ${values.only}`);
const drivers = [
  ...wrong.map((mutant) => ({ name: mutant.name, mutant })),
  ...right.map(({ name }) => ({ name, mutant: undefined })),
];
const results: Result[] = [];
const waiting = [...drivers];
const playWaiting = async (): Promise<void> => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const result = { ...next, runs, played: await playAll(next.name) };
    results.push(result);
    if (!values.markdown) console.log(lineOf(result));
  }
};
await Promise.all(Array.from({ length: AT_ONCE }, playWaiting));
results.sort((a, b) => place(a) - place(b));
console.log(values.markdown ? markdownOf(results) : summaryOf(results));
if (results.some((result) => !isRight(result))) process.exitCode = 1;

function place({ name }: Result): number {
  return drivers.findIndex((driver) => driver.name === name);
}

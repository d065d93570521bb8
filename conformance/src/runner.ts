import fc from "fast-check";
import { INVARIANTS, invariant, type InvariantId, type Trait } from "./catalogue.js";
import { EXACT_MODES, type Check, type Mode, type Played } from "./check.js";
import { CHECKS } from "./checks/index.js";
import { addressOf } from "./fault/address.js";
import type { Call, Note } from "./history.js";
import type { DriverUnderTest } from "./subject.js";
import { Violation } from "./violation.js";
import { World } from "./world.js";

/** Milliseconds after which a check stops and reports how far it came. */
const CHECK_DEADLINE_MS = 60_000;

export interface RunOptions {
  /** Where generation starts: a 32-bit integer. By default another one each time. */
  readonly seed?: number;
  /** Replays one failure of one check: what the report of the failure says. */
  readonly path?: string;
  /** Scales the number of runs of every check; 1 by default. */
  readonly runs?: number;
  /** Ids of invariants, their prefixes such as `CAS`, or names of checks; all by default. */
  readonly only?: readonly string[];
  /** Stops at the first failure. */
  readonly bail?: boolean;
  /** Hears what is going on. */
  readonly onProgress?: (progress: Progress) => void;
}

export type Progress =
  | { readonly type: "started"; readonly checks: number; readonly seed: number }
  | { readonly type: "checking"; readonly check: string; readonly invariants: readonly InvariantId[] }
  | { readonly type: "checked"; readonly result: CheckResult };

export interface Failure {
  readonly check: string;
  readonly mode: Mode;
  /** The promise that was broken; undefined where the subject itself failed, as when `createDatabase` threw. */
  readonly invariant: InvariantId | undefined;
  readonly message: string;
  readonly stack: string;
  readonly seed: number;
  readonly path: string;
  /** Whether seed and path repeat it exactly. If not it is a race, which can only be tried again. */
  readonly exact: boolean;
  /** What was generated, as text. */
  readonly counterexample: string;
  readonly shrinks: number;
  readonly calls: readonly Call[];
  readonly notes: readonly Note[];
}

export interface CheckResult {
  readonly check: string;
  readonly mode: Mode;
  readonly invariants: readonly InvariantId[];
  readonly runs: number;
  /** Fewer than intended, because time was up. */
  readonly cutShort: boolean;
  readonly milliseconds: number;
  readonly failure?: Failure;
}

/**
 * `passed`: at least one check of it was played to the end and none found it broken. `unfinished`: the only checks of
 * it stopped early, because they found something else. `unclaimed`: it rests on a trait that the driver does not
 * claim. `unselected`: left out by `only`.
 */
export type Verdict = "passed" | "failed" | "unfinished" | "unclaimed" | "unselected";

export interface InvariantResult {
  readonly id: InvariantId;
  readonly verdict: Verdict;
  /** Of the checks that are for it. */
  readonly milliseconds: number;
  readonly checks: readonly string[];
}

export interface Outcome {
  readonly subject: string;
  readonly traits: readonly Trait[];
  readonly seed: number;
  readonly runs: number;
  readonly milliseconds: number;
  readonly passed: boolean;
  readonly invariants: readonly InvariantResult[];
  readonly checks: readonly CheckResult[];
}

/** Checks a driver. @throws RangeError for a filter that names nothing, or a path without exactly one check */
export async function runChecks(subject: DriverUnderTest, options: RunOptions = {}): Promise<Outcome> {
  const { seed = fc.sample(fc.integer(), 1)[0] ?? 0, runs = 1, onProgress = () => undefined } = options;
  const traits = await claimedTraits(subject);
  const selected = select(options.only ?? []);
  const claimed = selected.filter((check) => isClaimed(check, traits));
  if (options.path !== undefined && claimed.length !== 1) {
    throw new RangeError(`a path belongs to one check; the filter selects ${claimed.length}`);
  }
  onProgress({ type: "started", checks: claimed.length, seed });
  const started = performance.now();
  const results: CheckResult[] = [];
  for (const check of claimed) {
    onProgress({ type: "checking", check: check.name, invariants: check.invariants });
    const result = await play(check, subject, { seed, runs, path: options.path });
    results.push(result);
    onProgress({ type: "checked", result });
    if (result.failure !== undefined && options.bail === true) break;
  }
  return {
    subject: subject.name,
    traits: [...traits],
    seed,
    runs,
    milliseconds: performance.now() - started,
    passed: results.every(({ failure }) => failure === undefined),
    invariants: INVARIANTS.map(({ id }) => judge(id, selected, traits, results)),
    checks: results,
  };
}

/** The checks that a filter names. @throws RangeError for a name that is none */
export function select(only: readonly string[]): readonly Check[] {
  for (const name of only) {
    if (!CHECKS.some((check) => matches(check, name))) {
      throw new RangeError(`there is no invariant or check called ${name}`);
    }
  }
  return only.length === 0 ? CHECKS : CHECKS.filter((check) => only.some((name) => matches(check, name)));
}

/** Whether the driver claims enough for the check to mean something. */
export function isClaimed({ needs = [], without }: Check, traits: ReadonlySet<Trait>): boolean {
  return needs.every((trait) => traits.has(trait)) && (without === undefined || !traits.has(without));
}

/** What the author claims, and what the URL of a database shows. */
export async function claimedTraits(subject: DriverUnderTest): Promise<ReadonlySet<Trait>> {
  const traits = new Set<Trait>();
  for (const trait of ["durable", "shared", "watch"] as const) if (subject.traits[trait]) traits.add(trait);
  const database = await subject.createDatabase();
  if (addressOf(database.url) !== undefined) traits.add("network");
  await database.drop?.();
  return traits;
}

function matches({ name, invariants }: Check, filter: string): boolean {
  return name === filter || invariants.some((id) => id === filter || id.startsWith(`${filter}-`));
}

/** Plays one check to its end, or to its smallest failure. */
async function play(
  check: Check,
  subject: DriverUnderTest,
  { seed, runs, path }: { seed: number; runs: number; path: string | undefined },
): Promise<CheckResult> {
  const started = performance.now();
  let world: World | undefined;
  let last: { calls: readonly Call[]; notes: readonly Note[] } = { calls: [], notes: [] };
  const played = await check.execute(
    async (run) => {
      world ??= await World.create(subject);
      try {
        world.begin();
        await run(world);
        await world.end();
      } catch (error) {
        // Whatever state the database is in now, the next attempt must not suffer from it.
        last = { calls: [...world.history.calls], notes: [...world.history.notes] };
        const broken = world;
        world = undefined;
        await broken.dispose().catch((cause: unknown) => {
          last = {
            ...last,
            notes: [...last.notes, { lane: "kit", at: Infinity, text: `dispose: ${String(cause)}` }],
          };
        });
        throw error;
      }
    },
    {
      seed,
      runs: Math.max(1, Math.round(check.runs * runs)),
      deadline: CHECK_DEADLINE_MS,
      path,
    },
  );
  const failed = (failure: NonNullable<Played["failure"]>): Failure => ({
    check: check.name,
    mode: check.mode,
    ...described(failure.error),
    seed,
    path: failure.path,
    exact: EXACT_MODES.has(check.mode),
    counterexample: failure.counterexample,
    shrinks: failure.shrinks,
    ...last,
  });
  let failure = played.failure === undefined ? undefined : failed(played.failure);
  try {
    await world?.dispose();
  } catch (error) {
    failure ??= failed({ error, path: "", shrinks: 0, counterexample: "" });
  }
  const result = {
    check: check.name,
    mode: check.mode,
    invariants: check.invariants,
    runs: played.runs,
    cutShort: played.interrupted,
    milliseconds: performance.now() - started,
  };
  return failure === undefined ? result : { ...result, failure };
}

function described(error: unknown): Pick<Failure, "invariant" | "message" | "stack"> {
  return {
    invariant: error instanceof Violation ? error.invariant : undefined,
    message: error instanceof Error ? error.message : String(error),
    stack: error instanceof Error ? (error.stack ?? "") : "",
  };
}

function judge(
  id: InvariantId,
  selected: readonly Check[],
  traits: ReadonlySet<Trait>,
  results: readonly CheckResult[],
): InvariantResult {
  const { trait, without } = invariant(id);
  const own = results.filter((result) => result.invariants.includes(id));
  const checks = own.map(({ check }) => check);
  const milliseconds = own
    .filter((result) => result.invariants[0] === id)
    .reduce((sum, result) => sum + result.milliseconds, 0);
  const verdict = (): Verdict => {
    // A check may find more broken than what it is for.
    if (results.some(({ failure }) => failure?.invariant === id)) return "failed";
    if (own.some(({ failure }) => failure === undefined)) return "passed";
    if ((trait !== undefined && !traits.has(trait)) || (without !== undefined && traits.has(without))) {
      return "unclaimed";
    }
    if (!selected.some((check) => check.invariants.includes(id))) return "unselected";
    return own.length === 0 ? "unclaimed" : "unfinished";
  };
  return { id, verdict: verdict(), milliseconds, checks };
}

import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { inspect } from "node:util";
import fc from "fast-check";
import { INVARIANTS, invariant, type InvariantId, type Trait } from "./catalogue.js";
import { EXACT_MODES, type Check, type Mode, type Played } from "./check.js";
import { CHECKS } from "./checks/index.js";
import { addressOf } from "./fault/address.js";
import type { Call, History, Note } from "./history.js";
import type { DriverUnderTest } from "./subject.js";
import { Violation } from "./violation.js";
import { settled, World } from "./world.js";

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
  /** Ends it early: what is running comes to its end, its database is dropped, and nothing more is started. */
  readonly signal?: AbortSignal;
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
 * it stopped early, because they found something else, or were never begun. `unclaimed`: it rests on a trait that the driver does not
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
  /** Every check that was claimed and selected ran, and none failed. */
  readonly passed: boolean;
  /** Ended by {@link RunOptions.signal}. */
  readonly interrupted: boolean;
  readonly invariants: readonly InvariantResult[];
  readonly checks: readonly CheckResult[];
}

/** What a run is played on: made for a check's first run, kept for the next ones, given up with one that fails. */
export interface Stage {
  readonly history: History;
  begin(): void;
  end(): Promise<void>;
  dispose(): Promise<void>;
}

/** What is checked, and by which checks. */
export interface Suite<W extends Stage> {
  readonly subject: string;
  readonly traits: ReadonlySet<Trait>;
  readonly invariants: readonly { readonly id: InvariantId }[];
  /** Those that a filter selects. */
  readonly selected: readonly Check<W>[];
  readonly create: () => Promise<W>;
}

/** Checks a driver. @throws RangeError for a filter that names nothing, or a path without exactly one check */
export async function runChecks(subject: DriverUnderTest, options: RunOptions = {}): Promise<Outcome> {
  const suite: Suite<World> = {
    subject: subject.name,
    traits: await claimedTraits(subject),
    invariants: INVARIANTS,
    selected: select(options.only ?? [], CHECKS),
    create: () => World.create(subject),
  };
  return runSuite(suite, options);
}

/** Plays the checks of a suite, one after the other. @throws RangeError for a path without exactly one check */
export async function runSuite<W extends Stage>(suite: Suite<W>, options: RunOptions): Promise<Outcome> {
  const { seed = randomSeed(), runs = 1, onProgress = () => undefined } = options;
  const { subject, traits, selected, create } = suite;
  const claimed = selected.filter((check) => isClaimed(check, traits));
  if (options.path !== undefined && claimed.length !== 1) {
    throw new RangeError(`a path belongs to one check; the filter selects ${claimed.length}`);
  }
  onProgress({ type: "started", checks: claimed.length, seed });
  const started = performance.now();
  const results: CheckResult[] = [];
  const interrupted = (): boolean => options.signal?.aborted === true;
  for (const check of claimed) {
    if (interrupted()) break;
    onProgress({ type: "checking", check: check.name, invariants: check.invariants });
    const result = await playCheck(check, create, { ...options, seed, runs });
    // What it found may come of being interrupted.
    if (interrupted()) break;
    results.push(result);
    onProgress({ type: "checked", result });
    if (result.failure !== undefined && options.bail === true) break;
  }
  return {
    subject,
    traits: [...traits],
    seed,
    runs,
    milliseconds: performance.now() - started,
    passed: results.length === claimed.length && results.every(hasPassed),
    interrupted: interrupted(),
    invariants: suite.invariants.map(({ id }) => judge(id, selected, traits, results)),
    checks: results,
  };
}

/** Whether a check was played to the end at least once, and found nothing. */
export function hasPassed({ failure, runs }: CheckResult): boolean {
  return failure === undefined && runs > 0;
}

/** Where generation may start, another one each time. */
export function randomSeed(): number {
  return randomBytes(4).readInt32LE();
}

/** The checks that a filter names. @throws RangeError for a name that is none */
export function select<C extends Pick<Check, "name" | "invariants">>(
  only: readonly string[],
  checks: readonly C[],
): readonly C[] {
  for (const name of only) {
    if (!checks.some((check) => matches(check, name))) {
      throw new RangeError(`there is no invariant or check called ${name}`);
    }
  }
  return only.length === 0 ? checks : checks.filter((check) => only.some((name) => matches(check, name)));
}

/** Whether the driver claims enough for the check to mean something. */
export function isClaimed(
  { needs = [], without }: Pick<Check, "needs" | "without">,
  traits: ReadonlySet<Trait>,
): boolean {
  return needs.every((trait) => traits.has(trait)) && (without === undefined || !traits.has(without));
}

/** What the author claims, and what the URL of a database shows. */
export async function claimedTraits(subject: DriverUnderTest): Promise<ReadonlySet<Trait>> {
  const traits = new Set<Trait>();
  for (const trait of ["durable", "shared", "watch"] as const) if (subject.traits[trait]) traits.add(trait);
  const database = await settled(subject.createDatabase(), "createDatabase");
  if (addressOf(database.url) !== undefined) traits.add("network");
  if (database.drop !== undefined) await settled(database.drop(), "drop");
  return traits;
}

function matches({ name, invariants }: Pick<Check, "name" | "invariants">, filter: string): boolean {
  return name === filter || invariants.some((id) => id === filter || id.startsWith(`${filter}-`));
}

/** Plays one check to its end, or to its smallest failure. */
export async function playCheck<W extends Stage>(
  check: Check<W>,
  create: () => Promise<W>,
  { seed, runs = 1, path, signal }: RunOptions & { readonly seed: number },
): Promise<CheckResult> {
  const started = performance.now();
  let world: W | undefined;
  let last: { calls: readonly Call[]; notes: readonly Note[] } = { calls: [], notes: [] };
  const played = await check.execute(
    async (run) => {
      // A driver that never leaves its process would let no signal be heard, and nothing be shown, until the check ends.
      await setImmediate();
      if (signal?.aborted === true) throw new fc.PreconditionFailure(true);
      world ??= await create();
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
    stack: stackOf(error),
  };
}

/** Where it was thrown, and where what caused it was: for a call that rejects, that is inside the driver. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const own = error.stack ?? error.message;
  return error.cause === undefined
    ? own
    : `${own}\ncaused by ${stackOf(error.cause) || inspect(error.cause)}`;
}

function judge(
  id: InvariantId,
  selected: readonly Pick<Check, "invariants" | "needs" | "without">[],
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
    if (own.some(hasPassed)) return "passed";
    if (!selected.some((check) => check.invariants.includes(id))) return "unselected";
    if ((trait !== undefined && !traits.has(trait)) || (without !== undefined && traits.has(without))) {
      return "unclaimed";
    }
    const claimed = selected.some((check) => check.invariants.includes(id) && isClaimed(check, traits));
    return claimed ? "unfinished" : "unclaimed";
  };
  return { id, verdict: verdict(), milliseconds, checks };
}

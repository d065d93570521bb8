import fc from "fast-check";
import type { InvariantId, Trait } from "./catalogue.js";
import { Violation } from "./violation.js";
import type { World } from "./world.js";

/**
 * How a check goes about it. `sequence`: one call after the other, so that the seed repeats it exactly. `reopen`: the
 * same, with handles closed and opened in between. `race`: calls overlap, and what the database makes of them is its
 * own affair. `crash`: processes are killed. `fault`: connections are cut. `start`: opening an empty database.
 */
export type Mode = "sequence" | "reopen" | "race" | "crash" | "fault" | "start";

/** Modes whose failures come back exactly with the same seed and path. */
export const EXACT_MODES: ReadonlySet<Mode> = new Set(["sequence", "reopen"]);

export interface CheckDefinition<T, W = World> {
  /** Kebab-case and unique: what `--only` and replay commands name. */
  readonly name: string;
  /** Those that it can find broken; the first is what it is for. */
  readonly invariants: readonly [InvariantId, ...InvariantId[]];
  readonly mode: Mode;
  /** Claimed traits without which there is nothing to check. */
  readonly needs?: readonly Trait[];
  /** Only where this is not claimed. */
  readonly without?: Trait;
  /** Times that it runs at default settings. */
  readonly runs: number;
  readonly arbitrary: fc.Arbitrary<T>;
  /** One run, on ids of its own. @throws Violation, or anything else for a defect of the kit or the subject */
  readonly run: (world: W, value: T) => Promise<void>;
}

export interface Check<W = World> extends Omit<CheckDefinition<unknown, W>, "arbitrary" | "run"> {
  /** Generates cases until one fails or there were enough, and looks for a smaller one that fails too. */
  readonly execute: (play: Play<W>, effort: Effort) => Promise<Played>;
}

/** Gives a run its world. */
export type Play<W = World> = (run: (world: W) => Promise<void>) => Promise<void>;

/**
 * Milliseconds for looking for a smaller case that fails too. A call that hangs, a process that is killed take seconds
 * each time, and a smaller one is a different race there.
 */
const SHRINKING_MS = 5000;
const UNSHRUNK_MODES: ReadonlySet<Mode> = new Set(["crash", "fault", "start"]);

export interface Effort {
  readonly seed: number;
  readonly runs: number;
  /** Milliseconds after which it stops with what it has. */
  readonly deadline: number;
  /** Goes straight to one case. */
  readonly path: string | undefined;
}

export interface Played {
  readonly runs: number;
  readonly interrupted: boolean;
  readonly failure?: {
    readonly error: unknown;
    readonly path: string;
    readonly shrinks: number;
    /** What was generated, as text. */
    readonly counterexample: string;
  };
}

/** Makes a check of its definition; what it generates stays its own affair. */
export function check<T, W = World>(definition: CheckDefinition<T, W>): Check<W> {
  const { arbitrary, run, ...rest } = definition;
  return {
    ...rest,
    execute: async (play, { seed, runs, deadline, path }) => {
      // What a race makes of one case differs from time to time: the case that failed is tried again and again.
      const again = path !== undefined && !EXACT_MODES.has(definition.mode);
      const cases = again ? fc.constantFrom(...fc.sample(arbitrary, { seed, path, numRuns: 1 })) : arbitrary;
      let failedAt: number | undefined;
      let hung = false;
      const property = fc.asyncProperty(cases, async (value) => {
        const late = failedAt !== undefined && performance.now() - failedAt > SHRINKING_MS;
        if (hung || late) throw new fc.PreconditionFailure(true);
        try {
          await play((world) => run(world, value));
        } catch (error) {
          failedAt ??= performance.now();
          hung ||= error instanceof Violation && error.invariant === "ERR-1";
          throw error;
        }
      });
      const details = await fc.check(property, {
        seed,
        numRuns: runs,
        interruptAfterTimeLimit: deadline,
        markInterruptAsFailure: false,
        endOnFailure: UNSHRUNK_MODES.has(definition.mode),
        ...(path !== undefined && !again && { path }),
      });
      const played = { runs: details.numRuns, interrupted: details.interrupted };
      // Stopped before the first run was over: nothing was found, and nothing is known.
      if (!details.failed || details.counterexamplePath === null) return played;
      const failure = {
        error: details.errorInstance,
        path: again ? path : details.counterexamplePath,
        shrinks: details.numShrinks,
        counterexample: details.counterexample === null ? "" : fc.stringify(details.counterexample[0]),
      };
      return { ...played, failure };
    },
  };
}

/** For checks that have nothing to choose: every run is the same. */
export const NOTHING = fc.constant(undefined);

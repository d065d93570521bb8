import type { DriverLimits } from "@fastpaca/core";

/**
 * The result of one run of the kit: what every renderer reads, and what `--report out.json` writes as it is. Whoever
 * reads it should look at `format` first; within one format nothing is removed or changes its meaning.
 */
export interface Report {
  readonly format: 1;
  /** Version of the kit. */
  readonly kit: string;
  readonly subject: SubjectReport;
  /** Where generation started. */
  readonly seed: number;
  /** Scale of the number of runs of each check; 1 by default. */
  readonly runs: number;
  /** Filters; empty where everything was selected. */
  readonly only: readonly string[];
  /** When it started, as in ISO 8601. */
  readonly date: string;
  readonly milliseconds: number;
  /** `process.version`. */
  readonly node: string;
  /** Operating system and architecture. */
  readonly platform: string;
  /** Everything that was claimed and selected was played to its end, and nothing was found broken. */
  readonly passed: boolean;
  /** Ended by a signal, before it was through. */
  readonly interrupted: boolean;
  readonly invariants: readonly InvariantReport[];
  readonly checks: readonly CheckReport[];
  readonly failures: readonly FailureReport[];
}

export interface SubjectReport {
  readonly name: string;
  /** What was claimed, and `network` where the database's URL names a host. */
  readonly traits: readonly string[];
  /** What the driver states; absent where it is not known. */
  readonly limits?: DriverLimits;
}

/**
 * `passed`: at least one check of it was played to the end and none found it broken. `unfinished`: its checks stopped
 * early. `unclaimed`: it rests on something that is not claimed. `unselected`: left out by a filter.
 */
export const VERDICTS = ["failed", "passed", "unfinished", "unclaimed", "unselected"] as const;
export type ReportedVerdict = (typeof VERDICTS)[number];

export interface InvariantReport {
  readonly id: string;
  readonly says: string;
  /** The promise of the product that rests on it, and where that is written. */
  readonly rule: string;
  readonly verdict: ReportedVerdict;
  /** Of the checks that are for it. */
  readonly milliseconds: number;
  readonly checks: readonly string[];
}

export interface CheckReport {
  readonly name: string;
  readonly mode: string;
  /** Those that it can find broken; the first is what it is for. */
  readonly invariants: readonly string[];
  readonly runs: number;
  /** Fewer runs than intended, because time was up. */
  readonly cutShort: boolean;
  readonly milliseconds: number;
  readonly failed: boolean;
}

export interface FailureReport {
  readonly check: string;
  readonly mode: string;
  /** The promise that was broken; absent where what was tested could not be tested, as when `createDatabase` threw. */
  readonly invariant?: string;
  readonly message: string;
  readonly stack: string;
  readonly seed: number;
  readonly path: string;
  /** Whether the replay repeats it exactly. If not it is a race: each replay tries again. */
  readonly exact: boolean;
  /** What was generated, as text. */
  readonly counterexample: string;
  readonly shrinks: number;
  /** The command that plays it again. */
  readonly replay: string;
  readonly history: HistoryReport;
}

/** What happened in the failing run, the smallest that was found. */
export interface HistoryReport {
  /** Handles in the order in which they appear. */
  readonly lanes: readonly string[];
  /** Calls and notes of the beginning that are left out, because there were too many. */
  readonly omitted: number;
  readonly calls: readonly CallReport[];
  readonly notes: readonly NoteReport[];
}

export interface CallReport {
  readonly lane: string;
  readonly method: string;
  /** Place of the call among all calls, answers and notes. */
  readonly invoked: number;
  /** Place of the answer; absent while there is none. */
  readonly answered?: number;
  /** The call in short, such as `commit c1 1→2 +2 msgs key k`. */
  readonly call: string;
  /** The answer in short, such as `conflict, head c1@3`. */
  readonly outcome: string;
  readonly kind: OutcomeKind;
  /** Arguments as JSON text, shortened. */
  readonly args: string;
  /** The answer or the error as JSON text, shortened. */
  readonly answer: string;
}

export type OutcomeKind = "committed" | "refused" | "unknown" | "answered" | "rejected" | "pending";

export interface NoteReport {
  readonly lane: string;
  readonly at: number;
  readonly text: string;
}

/** Invariants by verdict. */
export function countVerdicts(report: Report): Readonly<Record<ReportedVerdict, number>> {
  const count = { failed: 0, passed: 0, unfinished: 0, unclaimed: 0, unselected: 0 };
  for (const { verdict } of report.invariants) count[verdict] += 1;
  return count;
}

import { FastpacaError, invalid } from "../errors.js";
import { DEFAULT_POLICY, normalizePolicy, type Policy, type PolicyInput } from "./policy.js";
import type { WindowIndex } from "./window-index.js";

export interface WindowConfig {
  /** Tokens the window may hold. */
  readonly budget: number;
  /** Part of the budget, above 0 and up to 1, from which on compaction is due. */
  readonly ratio: number;
  readonly policy: Policy;
}

export interface WindowConfigInput {
  readonly token_budget?: number | undefined;
  readonly trigger_ratio?: number | undefined;
  readonly policy?: PolicyInput | undefined;
}

/** Replacement messages that stand for everything up to `to`. Their text is in the mark of the compaction. */
export interface Summary {
  readonly from: number;
  readonly to: number;
  /** Tokens of all replacement messages. */
  readonly tokens: number;
  /** Number of replacement messages. */
  readonly count: number;
  /** Version of the mark. */
  readonly version: number;
}

/** Parts of these kinds are left out of every live message up to `through`. */
export interface Skip {
  readonly through: number;
  readonly kinds: readonly string[];
}

/** The window of a context: a summary or none, then live messages up to the end of the log. */
export interface Window extends WindowConfig {
  readonly summary: Summary | undefined;
  /** Seq of the oldest live message; one past the end of the log where none is live. */
  readonly liveFrom: number;
  /** Live messages. Fewer than the seqs from `liveFrom` on when messages were left without parts. */
  readonly liveCount: number;
  /** Tokens of summary and live messages. */
  readonly used: number;
  /** Newest first, `through` descending; no kind is named twice. */
  readonly skips: readonly Skip[];
}

export interface Segment {
  readonly type: "summary" | "live";
  readonly from_seq: number;
  readonly to_seq: number;
}

const DEFAULT_BUDGET = 8000;
const DEFAULT_RATIO = 0.7;
/** Most bytes of JSON for all kinds that are left out of some message: the window's state must stay small. */
const MAX_SKIPPED_KINDS = 1024;

export function configure(present: WindowConfig | undefined, input: WindowConfigInput): WindowConfig {
  return {
    budget: input.token_budget ?? present?.budget ?? DEFAULT_BUDGET,
    ratio: input.trigger_ratio ?? present?.ratio ?? DEFAULT_RATIO,
    policy: input.policy === undefined ? (present?.policy ?? DEFAULT_POLICY) : normalizePolicy(input.policy),
  };
}

export function sameConfig(a: WindowConfig, b: WindowConfig): boolean {
  return (
    a.budget === b.budget && a.ratio === b.ratio && JSON.stringify(a.policy) === JSON.stringify(b.policy)
  );
}

/** A window with nothing in it, behind the messages up to `lastSeq`. */
export function emptyWindow(config: WindowConfig, lastSeq: number): Window {
  return { ...config, summary: undefined, liveFrom: lastSeq + 1, liveCount: 0, used: 0, skips: [] };
}

/** Whether the rules may have to leave out parts, and so need the index's shapes. */
export function needsShapes(window: Pick<Window, "policy"> & { skips?: readonly Skip[] }): boolean {
  return window.policy.strategy === "skip_parts" || (window.skips?.length ?? 0) > 0;
}

/** Rule 1, then the rules: message `seq`, the next of the log, joins the live end. */
export function join(window: Window, seq: number, index: WindowIndex): Window {
  const draft: Draft = { ...window };
  draft.liveCount += 1;
  draft.used += index.tokens(seq);
  return applyRules(draft, seq, index);
}

/** Rule 9: the window as if the messages `from` to `to` had just been appended in order. */
export function rebuild(config: WindowConfig, from: number, to: number, index: WindowIndex): Window {
  let window = emptyWindow(config, from - 1);
  for (let seq = from; seq <= to; seq++) window = join(window, seq, index);
  return window;
}

/** Rule 10: from here on `config` holds. What was dropped stays dropped. */
export function reconfigure(
  window: Window,
  config: WindowConfig,
  lastSeq: number,
  index: WindowIndex,
): Window {
  if (config.policy.strategy === "skip_parts") {
    const kinds = new Set([
      ...window.skips.flatMap((skip) => skip.kinds),
      ...config.policy.config.skip_kinds,
    ]);
    if (Buffer.byteLength(JSON.stringify([...kinds])) > MAX_SKIPPED_KINDS) {
      throw invalid(
        "policy.config.skip_kinds",
        "differs from earlier ones by too much: reset the context first",
      );
    }
  }
  return applyRules({ ...window, ...config }, lastSeq, index);
}

export interface Replacement {
  readonly tokens: number;
  readonly count: number;
  /** Last seq that the replacement stands for; the end of the log where absent. */
  readonly throughSeq: number | undefined;
}

/**
 * Rule 8: one summary stands for everything up to `throughSeq`.
 * @param version of the compaction's mark
 * @throws FastpacaError `invalid_request` when the range is not in the window, `conflict` when a newer compaction
 * already stands for part of it
 */
export function compact(
  window: Window,
  replacement: Replacement,
  version: number,
  lastSeq: number,
  index: WindowIndex,
): { window: Window; summary: Summary } {
  const { summary } = window;
  const to = replacement.throughSeq ?? lastSeq;
  const from = summary?.from ?? window.liveFrom;
  if (lastSeq === 0) throw invalid("through_seq", "has nothing to stand for: the context is empty");
  if (to > lastSeq) throw invalid("through_seq", `must be at most the newest message, ${lastSeq}`);
  if (summary === undefined && to < from) {
    throw invalid("through_seq", `must be at least ${from}, where the window begins`);
  }
  if (summary !== undefined && to < summary.to) {
    throw new FastpacaError(
      "conflict",
      `a newer compaction already stands for everything up to ${summary.to}`,
      {
        field: "through_seq",
        version: version - 1,
      },
    );
  }
  const next = { from, to, tokens: replacement.tokens, count: replacement.count, version };
  const draft: Draft = {
    ...window,
    summary: next,
    skips: window.skips.filter((skip) => skip.through > to),
  };
  draft.used += replacement.tokens - (summary?.tokens ?? 0);
  while (draft.liveFrom <= to && draft.liveCount > 0) dropOldest(draft, lastSeq, index, window.skips);
  draft.liveFrom = Math.max(draft.liveFrom, to + 1);
  return { window: applyRules(draft, lastSeq, index), summary: next };
}

/** Rule 6. */
export function needsCompaction(config: WindowConfig, used: number): boolean {
  return used > config.budget * config.ratio;
}

/** What a reader with a budget of its own sees of the window. */
export interface WindowView {
  readonly liveFrom: number;
  readonly used: number;
  readonly needsCompaction: boolean;
  readonly segments: readonly Segment[];
}

/**
 * Rule 7: the window as it is, or, with `budget`, cut down to it.
 * @param index needed where the window holds more than the budget
 */
export function viewOf(window: Window, lastSeq: number, budget?: number, index?: WindowIndex): WindowView {
  const draft: Draft = { ...window };
  if (budget !== undefined) {
    draft.budget = budget;
    if (index !== undefined) dropOverBudget(draft, lastSeq, index);
  }
  const segments: Segment[] = [];
  if (window.summary !== undefined) {
    segments.push({ type: "summary", from_seq: window.summary.from, to_seq: window.summary.to });
  }
  if (draft.liveCount > 0) segments.push({ type: "live", from_seq: draft.liveFrom, to_seq: lastSeq });
  const { liveFrom, used } = draft;
  return { liveFrom, used, needsCompaction: needsCompaction(draft, used), segments };
}

/** The kinds whose parts are left out of message `seq`. */
export function skippedKinds(skips: readonly Skip[], seq: number): readonly string[] {
  let kinds: readonly string[] = [];
  for (const skip of skips) {
    if (skip.through < seq) break;
    kinds = kinds.length === 0 ? skip.kinds : [...kinds, ...skip.kinds];
  }
  return kinds;
}

/** Whether parts of this type are among the kinds: a kind is a prefix of the types it means. */
export function isOfKind(type: string, kinds: readonly string[]): boolean {
  return kinds.some((kind) => type.startsWith(kind));
}

type Draft = { -readonly [K in keyof Window]: Window[K] };

/** Rules 2 to 5, which run after each event, on a window that nobody else has seen yet. */
function applyRules(draft: Draft, lastSeq: number, index: WindowIndex): Window {
  const { policy } = draft;
  if (policy.strategy === "manual") return draft;
  if (policy.strategy === "skip_parts" && needsCompaction(draft, draft.used)) {
    skipParts(draft, policy.config.skip_kinds, lastSeq, index);
  }
  const { limit, retain = limit } = policy.config;
  if (limit !== undefined && retain !== undefined && messageCount(draft) > limit) {
    while (messageCount(draft) > retain && draft.liveFrom < lastSeq) dropOldest(draft, lastSeq, index);
  }
  dropOverBudget(draft, lastSeq, index);
  return draft;
}

function messageCount(window: Window): number {
  return (window.summary?.count ?? 0) + window.liveCount;
}

/** Rule 5. The newest message stays, whatever its size. */
function dropOverBudget(draft: Draft, lastSeq: number, index: WindowIndex): void {
  while (draft.used > draft.budget && draft.liveFrom < lastSeq) dropOldest(draft, lastSeq, index);
}

/** Rule 3. */
function skipParts(draft: Draft, kinds: readonly string[], lastSeq: number, index: WindowIndex): void {
  const through = lastSeq - 1;
  const { skips } = draft;
  const [newest] = skips;
  const done =
    newest !== undefined && kinds.every((kind) => newest.kinds.includes(kind)) ? newest.through : 0;
  for (let seq = Math.max(draft.liveFrom, done + 1); seq <= through; seq++) {
    const before = sizeWithout(index, seq, skippedKinds(skips, seq));
    if (before === undefined) continue;
    const after = sizeWithout(index, seq, [...skippedKinds(skips, seq), ...kinds]);
    draft.used -= before - (after ?? 0);
    if (after === undefined) draft.liveCount -= 1;
  }
  draft.skips = [
    { through, kinds },
    ...skips
      .filter((skip) => skip.through >= draft.liveFrom)
      .map((skip) => ({ ...skip, kinds: skip.kinds.filter((kind) => !kinds.includes(kind)) }))
      .filter((skip) => skip.kinds.length > 0),
  ];
  passEmptied(draft, lastSeq, index, draft.skips);
}

function dropOldest(
  draft: Draft,
  lastSeq: number,
  index: WindowIndex,
  skips: readonly Skip[] = draft.skips,
): void {
  draft.used -= sizeWithout(index, draft.liveFrom, skippedKinds(skips, draft.liveFrom)) ?? 0;
  draft.liveCount -= 1;
  draft.liveFrom += 1;
  passEmptied(draft, lastSeq, index, skips);
}

/** Moves the live beginning past messages that were left without parts. */
function passEmptied(draft: Draft, lastSeq: number, index: WindowIndex, skips: readonly Skip[]): void {
  while (draft.liveFrom <= lastSeq) {
    const kinds = skippedKinds(skips, draft.liveFrom);
    if (kinds.length === 0 || sizeWithout(index, draft.liveFrom, kinds) !== undefined) return;
    draft.liveFrom += 1;
  }
}

/** Tokens of a message without its parts of the given kinds; undefined when no part is left. */
function sizeWithout(index: WindowIndex, seq: number, kinds: readonly string[]): number | undefined {
  const tokens = index.tokens(seq);
  if (kinds.length === 0) return tokens;
  const { length, parts } = index.shape(seq);
  let kept = length;
  let left = 0;
  for (const part of parts) {
    // With the part goes the comma that separated it from a neighbour.
    if (isOfKind(part.type, kinds)) kept -= part.length + 1;
    else left += 1;
  }
  if (left === 0) return undefined;
  return left === parts.length ? tokens : Math.ceil((tokens * kept) / length);
}

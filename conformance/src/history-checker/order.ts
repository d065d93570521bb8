import type { State } from "./chain.js";
import { landing, type Conversation, type Observation, type Submission } from "./conversation.js";
import { explains } from "./explain.js";

/** Who says something about when a revision was made. */
export type Witness = Observation | Submission;

/** Why a chain of commits cannot be what happened. */
export type Contradiction =
  /** No state between invocation and answer explains what was seen; these were possible then. */
  | { readonly seen: Observation; readonly first: number; readonly last: number }
  /** The revision was there before the one answered, and not yet when the other began, which was later. */
  | { readonly revision: number; readonly present: Witness; readonly absent: Witness }
  /** Whatever explains this contradicts others. */
  | { readonly seen: Observation };

/** Either revision `later` was made after place `from`, or revision `sooner` before place `to`. */
interface Choice {
  readonly seen: Observation;
  readonly later: number;
  readonly from: number;
  readonly sooner: number;
  readonly to: number;
}

/**
 * Looks for places at which each revision of a chain was made, such that every answer is right at some moment between
 * its invocation and itself. The reasoning is at the top of `history-checker.ts`.
 */
export function contradictionIn(
  chain: readonly State[],
  conversation: Conversation,
): Contradiction | undefined {
  const bounds = new Bounds(chain);
  bounds.settle();
  const start = bounds.conflict();
  if (start !== undefined) return start;
  const choices: Choice[] = [];
  const limits: (() => void)[] = [];
  for (const seen of conversation.observations) {
    const first = bounds.lowestAfter(seen.from);
    const last = bounds.highestBefore(seen.to);
    let gap = -1;
    let matched = false;
    for (let revision = first; revision <= last; revision++) {
      const state = chain[revision];
      if (state === undefined || !explains(state, seen, conversation)) {
        if (gap < 0) gap = revision;
        continue;
      }
      if (!matched && revision > 0) limits.push(() => bounds.before(revision, seen.to, seen));
      if (matched && gap >= 0) {
        choices.push({ seen, later: gap, from: seen.from, sooner: revision, to: seen.to });
      }
      matched = true;
      gap = -1;
    }
    if (!matched) return { seen, first, last };
    const end = gap < 0 ? last : gap - 1;
    if (end + 1 < chain.length) limits.push(() => bounds.after(end + 1, seen.from, seen));
  }
  for (const limit of limits) limit();
  bounds.settle();
  return bounds.conflict() ?? decide(bounds, choices);
}

/**
 * Draws what is certain until nothing more follows. Choices that are open then can all be made the later way at once:
 * each of these lower bounds is below the upper one of its revision, and so of all that follow.
 */
function decide(bounds: Bounds, choices: readonly Choice[]): Contradiction | undefined {
  let open = choices;
  for (let moved = true; moved;) {
    moved = false;
    const rest: Choice[] = [];
    for (const choice of open) {
      const { later, from, sooner, to, seen } = choice;
      if (bounds.low(later) >= from || bounds.high(sooner) <= to) continue;
      const canLater = bounds.high(later) > from;
      const canSooner = bounds.low(sooner) < to;
      if (!canLater && !canSooner) return { seen };
      if (canLater && canSooner) rest.push(choice);
      else {
        if (canLater) bounds.after(later, from, seen);
        else bounds.before(sooner, to, seen);
        bounds.settle();
        moved = true;
      }
    }
    open = rest;
  }
  return bounds.conflict();
}

interface Bound {
  readonly at: number;
  readonly by: Witness | undefined;
}

/** For each revision the places between which it was made, both exclusive. */
class Bounds {
  readonly #low: Bound[];
  readonly #high: Bound[];

  constructor(chain: readonly State[]) {
    // Revision 0 was always there.
    this.#low = [{ at: -Infinity, by: undefined }];
    this.#high = [{ at: -Infinity, by: undefined }];
    for (const { entry } of chain.slice(1)) {
      const span = entry === undefined ? undefined : landing(entry);
      this.#low.push({ at: span?.from ?? -1, by: span?.by });
      this.#high.push({ at: span?.to ?? Infinity, by: span?.by });
    }
  }

  low(revision: number): number {
    return this.#low[revision]?.at ?? Infinity;
  }

  high(revision: number): number {
    return this.#high[revision]?.at ?? Infinity;
  }

  after(revision: number, place: number, by: Witness): void {
    if (place > this.low(revision)) this.#low[revision] = { at: place, by };
  }

  before(revision: number, place: number, by: Witness): void {
    if (place < this.high(revision)) this.#high[revision] = { at: place, by };
  }

  /** Revisions are made one after the other. */
  settle(): void {
    for (let revision = 2; revision < this.#low.length; revision++) {
      const [low, previous] = [this.#low[revision], this.#low[revision - 1]];
      if (low !== undefined && previous !== undefined && previous.at > low.at) this.#low[revision] = previous;
    }
    for (let revision = this.#high.length - 2; revision > 0; revision--) {
      const [high, next] = [this.#high[revision], this.#high[revision + 1]];
      if (high !== undefined && next !== undefined && next.at < high.at) this.#high[revision] = next;
    }
  }

  conflict(): Contradiction | undefined {
    for (let revision = 1; revision < this.#low.length; revision++) {
      const [low, high] = [this.#low[revision], this.#high[revision]];
      if (low?.by === undefined || high?.by === undefined || low.at < high.at) continue;
      return { revision, present: high.by, absent: low.by };
    }
    return undefined;
  }

  /** The lowest revision that can have been the present one after this place. */
  lowestAfter(place: number): number {
    return this.#first(this.#high, ({ at }) => at > place) - 1;
  }

  /** The highest one that can have been the present one before this place. */
  highestBefore(place: number): number {
    return this.#first(this.#low, ({ at }) => at >= place) - 1;
  }

  /** The first place where a condition holds that goes on holding: both rows ascend. */
  #first(row: readonly Bound[], holds: (bound: Bound) => boolean): number {
    let [from, to] = [1, row.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const bound = row[middle];
      if (bound !== undefined && holds(bound)) to = middle;
      else from = middle + 1;
    }
    return from;
  }
}

import { chainsOf } from "./history-checker/chain.js";
import { collect } from "./history-checker/collect.js";
import { diagnose } from "./history-checker/diagnose.js";
import { demandLegalLists } from "./history-checker/listing.js";
import { contradictionIn } from "./history-checker/order.js";
import type { Call } from "./history.js";
import { Violation } from "./violation.js";

/*
 * Decides whether a recorded history is legal: whether there is one moment for every call, between its invocation and
 * its answer, such that a database that does one thing at a time would have given these answers. Conversations have
 * nothing to do with each other (a batch is as many commits as it holds, a read of heads as many reads), so each is
 * decided for itself: a history is legal if and only if each conversation's part of it is.
 *
 * What is asked of each call:
 *  - A commit that is told as committed takes effect once, at its moment, on its base, where none of its keys is held.
 *    One that is told as unknown, or never answered, takes effect at a moment after its invocation, however late, or
 *    never. One that rejected never does. Handing over the identical commit is another call of the same commit.
 *  - A conflict is told where the revision is not the base, and shows the head of that moment or none; a duplicate
 *    where the revision is the base, and shows exactly the held records of its keys.
 *  - A read of heads, messages, marks or keys tells what is there at its moment. What a prune may free may be missing
 *    from every read that was answered after the prune was invoked: pruning goes on for as long as it likes, in the
 *    lives of the conversation that may have begun when it was answered, and need not be atomic for a read under way.
 *    In each of them it stops at the largest `firstSeq` that a head of that life may have had by then.
 *
 * It is taken for granted that the history starts with the conversation, that no two commits of one conversation have
 * both base and state in common (the state carries a token), and that writers are sane: a commit's messages continue
 * those of the head that it was decided on, which somebody was shown or made.
 *
 * 1. The chain. Revisions are dense and never used twice, so whichever commits landed form one chain, ordered by their
 *    bases. A place in it is known where a commit on that base was told as committed, or where its head was shown. Two
 *    for one place, or one that was only ever told as refused, is illegal at once. Places that stay open can only hold
 *    commits with an open outcome; every way to fill them is tried, and so is every way to go on above the highest
 *    known place. So the chains tried are all that there are: none is left out (sound), none is made up (complete).
 *    Nearly always there is one. A chain gives the state at each of its revisions; a held key used again, or messages
 *    that do not continue those before, rule a chain out.
 *
 * 2. The moments. Let t(k) be the moment at which revision k is made: t(0) before everything, t(k) < t(k + 1), and
 *    t(k) within the call that landed it. For commits with an open outcome, that is any time after it was first handed
 *    over; a submission that was told as committed is the one that landed. Every other answer is right at some
 *    revisions and wrong at others, which is found by comparing. A call between places i and a meets the revisions
 *    from the last one made before i to the last one made before a, without holes. So it has a moment at which its
 *    answer is right unless all that it meets lies in one gap of wrong ones, from x to y: unless t(x) < i and
 *    a < t(y + 1). For each gap, then: t(x) > i or t(y + 1) < a. Gaps at the bottom and at the top leave only one of
 *    the two (nothing is before revision 0 or above the last). All of that together says exactly that moments exist,
 *    because each call's condition depends on nothing but the t(k), and calls do not constrain each other otherwise.
 *
 * 3. The decision. What is left are bounds for each t(k), and pairs of bounds of which one must hold. Bounds alone
 *    hold together if and only if the largest lower bound up to k is below every upper bound from k on, for every k:
 *    then t(k) = that lower bound plus k times something tiny satisfies all, and otherwise nothing does, as places are
 *    whole numbers and no two calls share one. A pair of which one bound is impossible leaves the other, which is
 *    drawn until nothing more follows. All pairs still open then can be settled by their lower bounds, t(x) > i: each
 *    is below the upper bounds of x and of whatever follows, so the largest of them is too, and upper bounds stay as
 *    they are. So no legal history is accused and no illegal one accepted. The cost is linear in the calls, but for
 *    pairs, which need an answer that is right before and after something but not in between.
 *
 * Lists promise less, and are checked apart from that (`listing.ts`): what they show was handed over and not
 * superseded by something acknowledged before the page was asked for, and what no commit may have touched while
 * somebody paged is shown exactly once. There the checker only accuses what is certain, and is not complete.
 *
 * A test compares all of that with a search through every order, on many small histories of both kinds.
 */

export interface CheckerOptions {
  /** Whether something was done to the database or its connections: only then may calls reject and outcomes be unknown. */
  readonly faults: boolean;
}

/** The promise that a recorded history breaks, if it is illegal. @throws Error where too many outcomes are open to decide */
export function violationIn(calls: readonly Call[], options: CheckerOptions): Violation | undefined {
  try {
    demandLegalHistory(calls, options);
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}

/** @throws Violation unless the history has a legal order that respects real time */
export function demandLegalHistory(calls: readonly Call[], { faults }: CheckerOptions): void {
  const record = collect(calls, faults);
  for (const conversation of record.conversations.values()) {
    let refused: Violation | undefined;
    for (const chain of chainsOf(conversation)) {
      const contradiction = contradictionIn(chain, conversation);
      refused =
        contradiction && (refused ?? diagnose(conversation, chain, contradiction, record.conversations));
      if (refused === undefined) break;
    }
    if (refused !== undefined) throw refused;
  }
  demandLegalLists(record);
}

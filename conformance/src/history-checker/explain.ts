import type { KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import { isDeepStrictEqual } from "node:util";
import type { Life, State } from "./chain.js";
import type { Conversation, Observation } from "./conversation.js";

/** Whether an answer is right at this state. */
export function explains(state: State, seen: Observation, conversation: Conversation): boolean {
  switch (seen.saw) {
    case "head": {
      return isDeepStrictEqual(seen.head, state.head);
    }
    case "conflict": {
      if (state.revision === seen.submission.entry.commit.base) return false;
      return seen.head === undefined || isDeepStrictEqual(seen.head, state.head);
    }
    case "duplicate": {
      const { base, keys } = seen.submission.entry.commit;
      if (state.revision !== base || seen.keys.length === 0) return false;
      return sameKeys(
        state,
        keys.map(({ key }) => key),
        seen.keys,
      );
    }
    case "keys": {
      return sameKeys(state, seen.wanted, seen.keys);
    }
    case "messages": {
      return sameMessages(state, seen, freedBy(state, seen, conversation));
    }
    case "marks": {
      return sameMarks(state, seen, freedBy(state, seen, conversation));
    }
  }
}

/** Messages below this may be missing from the answer: prunes were told, and some head says that they are gone. */
export function freedBy(state: State, seen: Observation, conversation: Conversation): number {
  const pruned = prunedBy(state.life, seen, conversation);
  return pruned === 0 ? 0 : Math.min(pruned, keptFrom(state, seen, conversation));
}

/** The largest seq that was given to a prune that may have met the life before the answer. */
export function prunedBy(life: Life, seen: Observation, { prunings }: Conversation): number {
  let pruned = 0;
  for (const pruning of prunings) {
    // One that was done before this life began has nothing to do with it.
    if (pruning.from < seen.to && pruning.to > life.from) pruned = Math.max(pruned, pruning.below);
  }
  return pruned;
}

/** The largest `firstSeq` that a head of the life may have had before the answer. */
function keptFrom({ head }: State, seen: Observation, { entries }: Conversation): number {
  let kept = head?.firstSeq ?? 0;
  for (const { commit, submissions } of entries.values()) {
    if (commit.head.life !== head?.life || commit.head.firstSeq <= kept) continue;
    if (submissions.some(({ from }) => from < seen.to)) kept = commit.head.firstSeq;
  }
  return kept;
}

function sameMessages(
  { life, messages }: State,
  { first, last, messages: answer }: Extract<Observation, { saw: "messages" }>,
  freed: number,
): boolean {
  let place = 0;
  for (let seq = Math.max(1, first); seq <= Math.min(last, messages); seq++) {
    const right = life.messages[seq - 1];
    const given = answer[place];
    if (given !== undefined && right !== undefined && sameMessage(given, right)) place += 1;
    else if (seq >= freed) return false;
  }
  return place === answer.length;
}

function sameMarks(
  { life, messages, marks }: State,
  { after, limit, marks: answer }: Extract<Observation, { saw: "marks" }>,
  freed: number,
): boolean {
  const held = life.marks.slice(0, marks);
  const summary = held.findLast(({ kind }) => kind === "compaction");
  const oldest =
    freed === 0 ? 0 : freed <= messages ? (life.messages[freed - 1]?.version ?? Infinity) : Infinity;
  let place = 0;
  for (const mark of held) {
    if (mark.version <= after) continue;
    if (place === limit) break;
    const given = answer[place];
    if (given !== undefined && sameMark(given, mark)) place += 1;
    else if (mark.version >= oldest || mark === summary) return false;
  }
  return place === answer.length;
}

function sameKeys(
  { life, revision }: State,
  wanted: readonly string[],
  answer: readonly KeyRecord[],
): boolean {
  const held = [...new Set(wanted)].flatMap((key) => {
    const found = life.keys.get(key);
    return found === undefined || found.since > revision ? [] : [found.record];
  });
  if (held.length !== answer.length) return false;
  return held.every((record) => answer.some((given) => isDeepStrictEqual(given, record)));
}

export function sameMessage(a: StoredMessage, b: StoredMessage): boolean {
  return (
    a === b ||
    (a.seq === b.seq &&
      a.version === b.version &&
      a.tokens === b.tokens &&
      a.insertedAt === b.insertedAt &&
      a.body === b.body)
  );
}

export function sameMark(a: Mark, b: Mark): boolean {
  return a === b || (a.version === b.version && a.kind === b.kind && a.at === b.at && a.body === b.body);
}

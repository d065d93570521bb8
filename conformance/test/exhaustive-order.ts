import type { Commit, CommitOutcome, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import { isDeepStrictEqual } from "node:util";
import type { Call } from "../src/history.js";

/** The commits that landed so far, each with the place from which it was on its way. */
type State = readonly { readonly commit: Commit; readonly from: number }[];

interface Operation {
  readonly from: number;
  readonly to: number;
  /** Whether it must have happened. */
  readonly required: boolean;
  /** The state after it; undefined where it cannot happen here. */
  readonly step: (state: State) => State | undefined;
}

/**
 * Whether a history of one conversation has a legal order, found by trying every order that respects real time. Slow
 * and plain on purpose: what the checker is held against.
 */
export function hasLegalOrder(calls: readonly Call[], id: string): boolean {
  const operations = calls.flatMap((call) => operationsOf(call, id, calls));
  const refuted = new Set<string>();
  const search = (done: number, state: State): boolean => {
    if (operations.every(({ required }, index) => !required || (done & (1 << index)) !== 0)) return true;
    const key = `${done}:${state.map(({ commit }) => commit.head.state).join()}`;
    if (refuted.has(key)) return false;
    for (const [index, operation] of operations.entries()) {
      if ((done & (1 << index)) !== 0) continue;
      const waits = operations.some(
        (other, place) => other.required && (done & (1 << place)) === 0 && other.to < operation.from,
      );
      if (waits) continue;
      const next = operation.step(state);
      if (next !== undefined && search(done | (1 << index), next)) return true;
    }
    refuted.add(key);
    return false;
  };
  return search(0, []);
}

function operationsOf(call: Call, id: string, calls: readonly Call[]): Operation[] {
  const { method, args, invoked: from, answered, error, result } = call;
  if (error !== undefined && answered !== undefined) return [];
  const to = answered ?? Infinity;
  if (method === "commit") {
    return (args[0] as Commit[]).flatMap((commit, index): Operation[] => {
      if (commit.id !== id) return [];
      const outcome = answered === undefined ? undefined : (result as CommitOutcome[])[index];
      if (outcome === undefined || outcome.status === "unknown") {
        return [{ from, to: Infinity, required: false, step: (state) => land(state, commit, from) }];
      }
      return [{ from, to, required: true, step: (state) => answer(state, commit, from, outcome) }];
    });
  }
  if (answered === undefined) return [];
  const read = (right: (state: State) => boolean): Operation[] => [
    { from, to, required: true, step: (state) => (right(state) ? state : undefined) },
  ];
  if (method === "heads") {
    return (args[0] as string[]).flatMap((asked, index) =>
      asked === id ? read((state) => isDeepStrictEqual(headOf(state), (result as Head[])[index])) : [],
    );
  }
  if (args[0] !== id) return [];
  if (method === "keys") {
    return read((state) => sameSet(heldOf(state, args[1] as string[]), result as KeyRecord[]));
  }
  if (method === "messages") {
    const [, first, last] = args as [string, number, number];
    return read((state) => {
      const held = lifeOf(state).commits.flatMap(({ messages }) => messages);
      const freed = freedOf(state, to, calls, id);
      const inRange = held.filter(({ seq }) => seq >= first && seq <= last);
      return isWhatIsLeft(result as StoredMessage[], inRange, ({ seq }) => seq < freed);
    });
  }
  if (method === "marks") {
    const [, after, limit] = args as [string, number, number];
    return read((state) => {
      const { commits } = lifeOf(state);
      const held = commits.flatMap(({ marks }) => marks);
      const freed = freedOf(state, to, calls, id);
      const oldest = commits.flatMap(({ messages }) => messages).find(({ seq }) => seq >= freed)?.version;
      const summary = held.findLast(({ kind }) => kind === "compaction");
      const free = (mark: Mark): boolean =>
        freed > 0 && mark !== summary && mark.version < (oldest ?? Infinity);
      const asked = held.filter(({ version }) => version > after);
      // Whatever may be missing is there or not: every way to fill the page.
      const ways = asked.reduce<Mark[][]>(
        (sofar, mark) => [...sofar.map((way) => [...way, mark]), ...(free(mark) ? sofar : [])],
        [[]],
      );
      return ways.some((way) => isDeepStrictEqual(way.slice(0, limit), result));
    });
  }
  return [];
}

function answer(state: State, commit: Commit, from: number, outcome: CommitOutcome): State | undefined {
  const right = (headOf(state)?.revision ?? 0) === commit.base;
  if (outcome.status === "committed") return land(state, commit, from);
  if (outcome.status === "conflict") {
    const shows = outcome.head === undefined || isDeepStrictEqual(outcome.head, headOf(state));
    return !right && shows ? state : undefined;
  }
  if (outcome.status === "unknown") throw new Error("an open outcome is no answer");
  const held = heldOf(
    state,
    commit.keys.map(({ key }) => key),
  );
  return right && held.length > 0 && sameSet(held, outcome.held) ? state : undefined;
}

function land(state: State, commit: Commit, from: number): State | undefined {
  if ((headOf(state)?.revision ?? 0) !== commit.base) return undefined;
  if (
    !isNextStep(
      state.map((landed) => landed.commit),
      commit,
    )
  )
    return undefined;
  return [...state, { commit, from }];
}

/** Whether a writer that knows this state would decide on this commit, and none of its keys is held. */
export function isNextStep(landed: readonly Commit[], commit: Commit): boolean {
  if (commit.head.purged) return true;
  const state = landed.map((one) => ({ commit: one, from: 0 }));
  const held = lifeOf(state).commits.flatMap(({ messages }) => messages).length;
  const next = commit.messages[0]?.seq ?? held + 1;
  return (
    next === held + 1 &&
    heldOf(
      state,
      commit.keys.map(({ key }) => key),
    ).length === 0
  );
}

function headOf(state: State): Head | undefined {
  return state.at(-1)?.commit.head;
}

function lifeOf(state: State): { commits: Commit[]; from: number } {
  const purge = state.findLastIndex(({ commit }) => commit.head.purged);
  return { commits: state.slice(purge + 1).map(({ commit }) => commit), from: state[purge]?.from ?? -1 };
}

function heldOf(state: State, wanted: readonly string[]): KeyRecord[] {
  return lifeOf(state).commits.flatMap(({ keys }) => keys.filter(({ key }) => wanted.includes(key)));
}

function freedOf(state: State, to: number, calls: readonly Call[], id: string): number {
  const { from } = lifeOf(state);
  const belows = calls
    .filter(({ method, args }) => method === "prune" && args[0] === id)
    .filter((call) => {
      const end = call.error === undefined ? (call.answered ?? Infinity) : Infinity;
      return call.invoked < to && end > from;
    })
    .map(({ args }) => args[1] as number);
  const life = headOf(state)?.life;
  const kept = calls
    .filter(({ method, invoked }) => method === "commit" && invoked < to)
    .flatMap(({ args }) => args[0] as Commit[])
    .filter((commit) => commit.id === id && commit.head.life === life)
    .map(({ head }) => head.firstSeq);
  return Math.min(Math.max(0, ...belows), Math.max(0, ...kept));
}

function isWhatIsLeft<T>(given: readonly T[], held: readonly T[], free: (item: T) => boolean): boolean {
  const there = held.filter((item) => given.some((other) => isDeepStrictEqual(item, other)));
  return isDeepStrictEqual(there, given) && held.every((item) => free(item) || there.includes(item));
}

function sameSet(a: readonly KeyRecord[], b: readonly KeyRecord[]): boolean {
  return a.length === b.length && a.every((record) => b.some((other) => isDeepStrictEqual(record, other)));
}

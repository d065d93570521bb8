import type { Commit, CommitOutcome, Head, KeyRecord, ListPage, Mark, StoredMessage } from "@fastpaca/core";
import { commitOn, type Step } from "../src/commits.js";
import type { Call } from "../src/history.js";

/** From where to where: `[3, 5]`; `[3]` was never answered. */
export type When = readonly [number] | readonly [number, number];

/** An answer that is none: the call rejected. */
export const REJECTED = Symbol("rejected");
/** What a commit can be told, in short. A head: a conflict that shows it. Records: a duplicate. */
export type Told = "committed" | "conflict" | "unknown" | Head | readonly KeyRecord[];

export const C = "c";

/** The next commit on a head: `on(a, "b", { messages: ["1"] })`. */
export function on(
  before: Commit | undefined,
  token: string,
  step: Omit<Step, "token"> = {},
  id = C,
): Commit {
  return commitOn(before?.head, id, { ...step, token });
}

function call(when: When, method: string, args: readonly unknown[], result: unknown, lane = "A"): Call {
  const [invoked, answered] = when;
  if (answered === undefined) return { lane, method, args, invoked };
  if (result === REJECTED)
    return { lane, method, args, invoked, answered, error: new Error("no connection") };
  return { lane, method, args, invoked, answered, result };
}

function outcome(told: Told): CommitOutcome {
  if (told === "conflict") return { status: "conflict", head: undefined };
  if (told === "committed" || told === "unknown") return { status: told };
  return "revision" in told ? { status: "conflict", head: told } : { status: "duplicate", held: told };
}

export function put(when: When, commit: Commit, told: Told | typeof REJECTED = "committed"): Call {
  return call(when, "commit", [[commit]], told === REJECTED ? told : [outcome(told)]);
}

export function batch(when: When, pairs: readonly (readonly [Commit, Told])[]): Call {
  return call(
    when,
    "commit",
    [pairs.map(([commit]) => commit)],
    pairs.map(([, told]) => outcome(told)),
  );
}

export function head(when: When, seen: Commit | undefined, id = C): Call {
  return call(when, "heads", [[id]], [seen?.head]);
}

/** The whole log, or as much as `first` and `last` ask for. */
export function log(when: When, messages: readonly StoredMessage[], first = 1, last = 100, id = C): Call {
  return call(when, "messages", [id, first, last], messages);
}

export function marks(when: When, seen: readonly Mark[], after = 0, limit = 100): Call {
  return call(when, "marks", [C, after, limit], seen);
}

export function keys(when: When, wanted: readonly string[], seen: readonly KeyRecord[]): Call {
  return call(when, "keys", [C, wanted], seen);
}

export function prune(when: When, below: number): Call {
  return call(when, "prune", [C, below], undefined);
}

/** A page of conversations with a label, or of all. */
export function list(
  when: When,
  seen: readonly Commit[],
  options: { limit?: number; label?: string; after?: Commit; more?: boolean } = {},
): Call {
  const { limit = 10, label, after, more = false } = options;
  const position = (commit: Commit | undefined) =>
    commit && { updatedAt: commit.head.updatedAt, id: commit.id };
  const page: ListPage = {
    heads: seen.map((commit) => commit.head),
    ...(more && { next: position(seen.at(-1)) }),
  };
  const query = { limit, labels: label === undefined ? [] : [label], after: position(after) };
  return call(when, "list", [query], page);
}

/** The messages of some commits, one after the other. */
export function of(...commits: readonly Commit[]): StoredMessage[] {
  return commits.flatMap(({ messages }) => messages);
}

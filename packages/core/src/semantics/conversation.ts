import type { Head } from "../driver.js";
import type { Policy } from "./policy.js";
import type { Skip, Summary, Window } from "./window.js";

/**
 * What the store knows of a conversation between two commits: the head's fields, with its `state` decoded. The pure
 * counterpart of {@link Head}; `revision` is left to whoever commits.
 */
export interface Conversation extends Omit<Head, "revision" | "state"> {
  /** Absent on a conversation that is no context. */
  readonly window: Window | undefined;
  /** Tokens of the latest commits, newest last. */
  readonly commits: readonly string[];
}

/** Commits whose tokens the head remembers: how far behind an unknown outcome can still be told. */
export const REMEMBERED_COMMITS = 16;

/** The window as it is written with every commit, so its names are short. */
interface WindowRecord {
  readonly b: number;
  readonly r: number;
  readonly p: Policy;
  readonly s?: readonly [from: number, to: number, tokens: number, count: number, version: number];
  readonly f: number;
  readonly n: number;
  readonly u: number;
  readonly k?: readonly (readonly [through: number, kinds: readonly string[]])[];
}

interface StateRecord {
  readonly w?: WindowRecord;
  /** Commit tokens, separated by spaces. */
  readonly c: string;
}

export function encodeState(window: Window | undefined, commits: readonly string[]): string {
  const record: StateRecord = {
    ...(window === undefined ? {} : { w: encodeWindow(window) }),
    c: commits.join(" "),
  };
  return JSON.stringify(record);
}

export function decodeHead(head: Head): Conversation {
  const { revision: _, state, ...fields } = head;
  // The state was written by encodeState; drivers hand it back untouched.
  const record = JSON.parse(state) as StateRecord;
  return {
    ...fields,
    window: record.w === undefined ? undefined : decodeWindow(record.w),
    commits: record.c === "" ? [] : record.c.split(" "),
  };
}

function encodeWindow(window: Window): WindowRecord {
  const { summary, skips } = window;
  return {
    b: window.budget,
    r: window.ratio,
    p: window.policy,
    ...(summary && { s: [summary.from, summary.to, summary.tokens, summary.count, summary.version] }),
    f: window.liveFrom,
    n: window.liveCount,
    u: window.used,
    ...(skips.length > 0 && { k: skips.map((skip): [number, readonly string[]] => [skip.through, skip.kinds]) }),
  };
}

function decodeWindow(record: WindowRecord): Window {
  let summary: Summary | undefined;
  if (record.s !== undefined) {
    const [from, to, tokens, count, version] = record.s;
    summary = { from, to, tokens, count, version };
  }
  const skips = (record.k ?? []).map(([through, kinds]): Skip => ({ through, kinds }));
  return {
    budget: record.b,
    ratio: record.r,
    policy: record.p,
    summary,
    liveFrom: record.f,
    liveCount: record.n,
    used: record.u,
    skips,
  };
}

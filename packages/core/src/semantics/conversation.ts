import type { Head } from "../driver.js";
import type { Policy } from "./policy.js";
import type { Skip, Summary, Window } from "./window.js";

/**
 * What the store knows of a conversation between two commits: the head's fields, with the window of its `state`. The
 * pure counterpart of {@link Head}: revisions and commits are left to whoever commits.
 */
export interface Conversation extends Omit<Head, "revision" | "state"> {
  /** Absent on a conversation that is no context. */
  readonly window: Window | undefined;
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
  /** Tokens of commits. */
  readonly c: string;
}

/**
 * The head that a commit makes of a conversation.
 * @param commits as {@link remember} returns them
 */
export function encodeHead(conversation: Conversation, revision: number, commits: string): Head {
  const { window } = conversation;
  return {
    id: conversation.id,
    revision,
    life: conversation.life,
    version: conversation.version,
    lastSeq: conversation.lastSeq,
    firstSeq: conversation.firstSeq,
    archivedSeq: conversation.archivedSeq,
    tombstoned: conversation.tombstoned,
    purged: conversation.purged,
    metadata: conversation.metadata,
    labels: conversation.labels,
    createdAt: conversation.createdAt,
    updatedAt: conversation.updatedAt,
    state: window === undefined ? `{"c":"${commits}"}` : `{"w":${encodeWindow(window)},"c":"${commits}"}`,
  };
}

/** Length of a commit's token, which is base64url text. */
export const TOKEN_LENGTH = 13;

/**
 * Adds a commit's token to those of the latest commits: separated by spaces, newest last, at most
 * {@link REMEMBERED_COMMITS} of them.
 */
export function remember(commits: string, token: string): string {
  if (commits === "") return token;
  const most = REMEMBERED_COMMITS * (TOKEN_LENGTH + 1) - 1;
  return `${commits.length < most ? commits : commits.slice(TOKEN_LENGTH + 1)} ${token}`;
}

export function decodeHead(head: Head): { conversation: Conversation; commits: string } {
  const { revision: _, state, ...fields } = head;
  // The state was written by encodeHead; drivers hand it back untouched.
  const { w, c }: StateRecord = JSON.parse(state);
  return { conversation: { ...fields, window: w && decodeWindow(w) }, commits: c };
}

/** Whether the commit of this token is among the latest ones. */
export function remembers(head: Head, token: string): boolean {
  return decodeHead(head).commits.split(" ").includes(token);
}

// By hand: it is written with every commit, and all but the policy are numbers.
function encodeWindow({ budget, ratio, policy, summary, liveFrom, liveCount, used, skips }: Window): string {
  let text = `{"b":${budget},"r":${ratio},"p":${policyText(policy)},"f":${liveFrom},"n":${liveCount},"u":${used}`;
  if (summary !== undefined) {
    text += `,"s":[${summary.from},${summary.to},${summary.tokens},${summary.count},${summary.version}]`;
  }
  if (skips.length > 0) text += `,"k":${JSON.stringify(skips.map(({ through, kinds }) => [through, kinds]))}`;
  return `${text}}`;
}

const policyTexts = new WeakMap<Policy, string>();

function policyText(policy: Policy): string {
  let text = policyTexts.get(policy);
  if (text === undefined) {
    text = JSON.stringify(policy);
    policyTexts.set(policy, text);
  }
  return text;
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

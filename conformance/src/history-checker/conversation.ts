import type { Commit, CommitOutcome, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import type { Call } from "../history.js";

/** A call as a stretch of time: something happened between these two places. */
export interface Span {
  readonly call: Call;
  readonly from: number;
  /** Infinity where it was never answered. */
  readonly to: number;
}

/** One commit handed over once. */
export interface Submission extends Span {
  readonly entry: Entry;
  readonly outcome: CommitOutcome | { readonly status: "rejected" };
}

/** One commit, however often it was handed over. */
export interface Entry {
  readonly commit: Commit;
  readonly submissions: Submission[];
  /** An answer that showed its head. */
  shown?: Call;
}

/** An answer that tells something about the state at one moment between its invocation and itself. */
export type Observation = Span &
  (
    | { readonly saw: "head"; readonly head: Head | undefined }
    | {
        readonly saw: "messages";
        readonly first: number;
        readonly last: number;
        readonly messages: readonly StoredMessage[];
      }
    | {
        readonly saw: "marks";
        readonly after: number;
        readonly limit: number;
        readonly marks: readonly Mark[];
      }
    | { readonly saw: "keys"; readonly wanted: readonly string[]; readonly keys: readonly KeyRecord[] }
    | { readonly saw: "conflict"; readonly submission: Submission; readonly head: Head | undefined }
    | { readonly saw: "duplicate"; readonly submission: Submission; readonly keys: readonly KeyRecord[] }
  );

/** From the moment it was asked for, messages below may be missing. */
export interface Pruning extends Span {
  readonly below: number;
}

/** Everything that was asked and answered about one conversation. */
export interface Conversation {
  readonly id: string;
  readonly entries: Map<string, Entry>;
  readonly observations: Observation[];
  readonly prunings: Pruning[];
}

export function newConversation(id: string): Conversation {
  return { id, entries: new Map(), observations: [], prunings: [] };
}

/** Tokens make commits of one base differ. */
export function entryOf({ entries }: Conversation, { revision, state }: Head): Entry | undefined {
  return entries.get(`${revision}\n${state}`);
}

export function entryFor(conversation: Conversation, commit: Commit): Entry {
  const present = entryOf(conversation, commit.head);
  if (present !== undefined) return present;
  const entry: Entry = { commit, submissions: [] };
  conversation.entries.set(`${commit.head.revision}\n${commit.head.state}`, entry);
  return entry;
}

/** The submission that was told that it landed. */
export function acknowledged({ submissions }: Entry): Submission | undefined {
  return submissions.find(({ outcome }) => outcome.status === "committed");
}

/** When the commit can have taken effect: undefined where every one that handed it over was told that it did not. */
export function landing(
  entry: Entry,
): { readonly from: number; readonly to: number; readonly by: Submission } | undefined {
  const told = acknowledged(entry);
  if (told !== undefined) return { from: told.from, to: told.to, by: told };
  const [open] = entry.submissions
    .filter(({ outcome }) => outcome.status === "unknown")
    .sort((a, b) => a.from - b.from);
  return open === undefined ? undefined : { from: open.from, to: Infinity, by: open };
}

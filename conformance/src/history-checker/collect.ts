import type {
  Commit,
  CommitOutcome,
  Head,
  KeyRecord,
  ListPage,
  ListQuery,
  Mark,
  StoredMessage,
} from "@fastpaca/core";
import { isDeepStrictEqual } from "node:util";
import type { InvariantId } from "../catalogue.js";
import type { Call } from "../history.js";
import { demand, show, Violation } from "../violation.js";
import {
  entryFor,
  entryOf,
  newConversation,
  type Conversation,
  type Observation,
  type Span,
  type Submission,
} from "./conversation.js";

/** One page of a list. */
export interface Listing extends Span {
  readonly query: ListQuery;
  readonly page: ListPage;
}

/** A history, sorted by what it is about. */
export interface Recording {
  readonly conversations: ReadonlyMap<string, Conversation>;
  readonly listings: readonly Listing[];
}

/** @throws Violation for an answer that is wrong whatever else happened */
export function collect(calls: readonly Call[], faults: boolean): Recording {
  const conversations = new Map<string, Conversation>();
  const listings: Listing[] = [];
  const about = (id: string): Conversation => {
    const present = conversations.get(id);
    if (present !== undefined) return present;
    const conversation = newConversation(id);
    conversations.set(id, conversation);
    return conversation;
  };
  for (const call of calls) {
    const { error } = call;
    if (error instanceof Violation && error.invariant === "ERR-1") throw error;
    if (error !== undefined && !faults && READING_OR_WRITING.has(call.method)) {
      throw new Violation("ERR-2", `${call.method} rejected although nothing was wrong`, { cause: error });
    }
  }
  // Everything that was handed over first: an answer may show what another call handed over.
  for (const call of calls) if (call.method === "commit") submit(call, about, faults);
  for (const call of calls) {
    if (call.method === "prune") {
      const [id, below] = call.args;
      // One that rejected may have done some of its work.
      const to = call.error === undefined ? (call.answered ?? Infinity) : Infinity;
      if (typeof id === "string" && typeof below === "number") {
        about(id).prunings.push({ call, from: call.invoked, to, below });
      }
    }
    if (call.answered === undefined || call.error !== undefined) continue;
    const span = { call, from: call.invoked, to: call.answered };
    if (call.method === "list") listings.push(listing(span));
    else for (const [id, seen] of observed(span)) about(id).observations.push(seen);
  }
  for (const conversation of conversations.values()) {
    for (const seen of conversation.observations) {
      if (seen.saw === "head" || seen.saw === "conflict") shown(seen.head, seen.call, conversations);
    }
  }
  for (const { page, call, query } of listings) {
    for (const head of page.heads) {
      // Without a filter a list also shows what is none of this history's business.
      if (query.labels.length > 0 || conversations.has(head.id)) shown(head, call, conversations);
    }
  }
  return { conversations, listings };
}

const READING_OR_WRITING = new Set(["heads", "commit", "messages", "marks", "keys", "list", "prune"]);

function submit(call: Call, about: (id: string) => Conversation, faults: boolean): void {
  const [commits] = call.args;
  if (!isArray<Commit>(commits)) return;
  const outcomes = call.result;
  const answered = call.answered !== undefined && call.error === undefined;
  if (answered) {
    demand(
      isArray<CommitOutcome>(outcomes) && outcomes.length === commits.length,
      "CAS-6",
      () => `${commits.length} commits were answered by ${show(outcomes)}`,
    );
  }
  commits.forEach((commit, index) => {
    const conversation = about(commit.id);
    const entry = entryFor(conversation, commit);
    const outcome = outcomeOf(call, isArray<CommitOutcome>(outcomes) ? outcomes[index] : undefined);
    if (outcome.status === "unknown" && answered && !faults) {
      throw new Violation("ERR-2", `the outcome of a commit is unknown although nothing was wrong`);
    }
    const to = outcome.status === "unknown" ? Infinity : (call.answered ?? Infinity);
    const submission: Submission = { call, from: call.invoked, to, entry, outcome };
    entry.submissions.push(submission);
    const span = { call, from: call.invoked, to };
    if (outcome.status === "conflict") {
      const head = optional(outcome.head);
      conversation.observations.push({ ...span, saw: "conflict", submission, head });
    } else if (outcome.status === "duplicate") {
      demand(isArray<KeyRecord>(outcome.held), "KEY-1", () => `a duplicate shows ${show(outcome.held)}`);
      conversation.observations.push({ ...span, saw: "duplicate", submission, keys: outcome.held });
    }
  });
}

function outcomeOf(call: Call, outcome: CommitOutcome | undefined): Submission["outcome"] {
  if (call.answered === undefined) return { status: "unknown" };
  if (call.error !== undefined) return { status: "rejected" };
  demand(
    outcome !== undefined && STATUSES.has(outcome.status),
    "CAS-6",
    () => `a commit was answered by ${show(outcome)}`,
  );
  return outcome;
}

const STATUSES = new Set(["committed", "conflict", "duplicate", "unknown"]);

/** What each conversation that a read was about showed. */
function observed(span: Span): readonly (readonly [string, Observation])[] {
  const { method, args, result } = span.call;
  const [subject, second, third] = args;
  const wrong = (id: InvariantId): never => {
    throw new Violation(id, `${method} was answered by ${show(result)}`);
  };
  if (method === "heads") {
    if (!isArray<string>(subject)) return [];
    if (!isArray<Head | undefined>(result) || result.length !== subject.length) return wrong("VER-4");
    return subject.map((id, index): [string, Observation] => {
      const head = optional(result[index]);
      const elsewhere = head !== undefined && head.id !== id;
      demand(!elsewhere, "VER-4", () => `heads shows ${show(head?.id)} in the place of ${id}`);
      return [id, { ...span, saw: "head", head }];
    });
  }
  if (typeof subject !== "string") return [];
  if (method === "messages" && typeof second === "number" && typeof third === "number") {
    if (!isArray<StoredMessage>(result)) return wrong("SEQ-1");
    return [[subject, { ...span, saw: "messages", first: second, last: third, messages: result }]];
  }
  if (method === "marks" && typeof second === "number" && typeof third === "number") {
    if (!isArray<Mark>(result)) return wrong("CMP-1");
    return [[subject, { ...span, saw: "marks", after: second, limit: third, marks: result }]];
  }
  if (method === "keys" && isArray<string>(second)) {
    if (!isArray<KeyRecord>(result)) return wrong("KEY-6");
    return [[subject, { ...span, saw: "keys", wanted: second, keys: result }]];
  }
  return [];
}

function listing(span: Span): Listing {
  const [query] = span.call.args;
  const { result } = span.call;
  if (!isListQuery(query) || !isListPage(result)) {
    throw new Violation("LST-5", `list was answered by ${show(result)}`);
  }
  return { ...span, query, page: result };
}

/** Notes that a head was seen. @throws Violation where nobody ever handed it over */
function shown(head: Head | undefined, call: Call, conversations: ReadonlyMap<string, Conversation>): void {
  if (head === undefined) return;
  const conversation = conversations.get(head.id);
  const entry = conversation === undefined ? undefined : entryOf(conversation, head);
  if (entry === undefined) {
    const stranger = [...conversations.values()].find((other) => entryOf(other, head) !== undefined);
    const invariant = stranger !== undefined ? "ISO-1" : call.method === "commit" ? "CAS-4" : "VER-1";
    throw new Violation(invariant, `${call.method} shows a head that nobody handed over: ${show(head)}`);
  }
  if (!isDeepStrictEqual(head, entry.commit.head)) {
    throw new Violation(
      call.method === "commit" ? "CAS-4" : "VER-1",
      `${call.method} shows ${show(head)}, but what was committed is ${show(entry.commit.head)}`,
    );
  }
  entry.shown ??= call;
}

/** Some databases say null for nothing; that is not what was agreed, but no race either. */
function optional<T>(value: T | undefined | null): T | undefined {
  return value ?? undefined;
}

function isArray<T>(value: unknown): value is readonly T[] {
  return Array.isArray(value);
}

function isListQuery(value: unknown): value is ListQuery {
  return typeof value === "object" && value !== null && "labels" in value && "limit" in value;
}

function isListPage(value: unknown): value is ListPage {
  return typeof value === "object" && value !== null && "heads" in value && Array.isArray(value.heads);
}

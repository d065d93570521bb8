import { show, Violation } from "../violation.js";
import { name, refusedLanded, type State } from "./chain.js";
import { acknowledged, landing, type Conversation, type Entry, type Observation } from "./conversation.js";
import { explains, freedBy, prunedBy, sameMark, sameMessage } from "./explain.js";
import type { Contradiction, Witness } from "./order.js";

/** A contradiction as the promise that was broken. */
export function diagnose(
  conversation: Conversation,
  chain: readonly State[],
  found: Contradiction,
  all: ReadonlyMap<string, Conversation>,
): Violation {
  const { id, prunings } = conversation;
  if ("revision" in found) return late(id, chain[found.revision], found.present, found.absent);
  if (!("first" in found)) {
    return stale(found.seen, `${describe(found.seen)} fits none of the orders that the other answers allow`);
  }
  const { seen, first, last } = found;
  const fitting = chain.filter((state) => explains(state, seen, conversation));
  const possible = `between revisions ${first} and ${last}`;
  const older = fitting.findLast(({ revision }) => revision < first);
  const answered = answerOf(seen);
  if (seen.saw === "conflict" && seen.head === undefined) {
    return baseWasRight(seen, `${describe(seen)}, but its base was right`);
  }
  if (older !== undefined && Array.isArray(answered)) {
    if (answered.length === 0 && prunings.length > 0) return impossible(chain, found, all, conversation);
    if (answered.length > 0 && older.life !== chain[first]?.life) {
      return new Violation("TMB-2", `${describe(seen)} shows what was purged: ${show(answered)}`);
    }
  }
  if (older !== undefined) {
    return stale(seen, `${describe(seen)} shows revision ${older.revision}, but the call was ${possible}`);
  }
  const [newer] = fitting;
  if (newer !== undefined) {
    const again = newer.entry !== undefined && newer.entry.submissions.length > 1;
    const when = again ? "before the call that was told that it landed" : "before it was handed over";
    return new Violation(
      again ? "CAS-8" : "VER-1",
      `${describe(seen)} shows revision ${newer.revision} ${when}`,
    );
  }
  return impossible(chain, found, all, conversation);
}

/** What a commit adds, beside its head. */
const PARTS: ReadonlySet<Observation["saw"]> = new Set(["messages", "marks", "keys"]);

/** Something was there, and later it was not. */
function late(id: string, state: State | undefined, present: Witness, absent: Witness): Violation {
  if ("saw" in absent) {
    const revision = state?.revision ?? 0;
    const who = "saw" in present ? describe(present) : name(present.entry);
    const told = state?.entry === undefined ? Infinity : (landing(state.entry)?.to ?? Infinity);
    const parts = "saw" in present && PARTS.has(present.saw) && present.saw !== absent.saw;
    if (parts && (absent.saw === "head" || PARTS.has(absent.saw)) && absent.from < told) {
      return new Violation(
        "CAS-5",
        `${describe(absent)} shows nothing yet of revision ${revision} of ${id}, but ${who} had shown a part`,
      );
    }
    return stale(
      absent,
      `${describe(absent)} is from before revision ${revision} of ${id}, which ${who} had shown`,
    );
  }
  const again = absent.entry.submissions.length > 1;
  return new Violation(
    again ? "CAS-8" : "VER-1",
    `${name(absent.entry)} was told as committed${again ? " when handed over again" : ""}, but it was seen before`,
  );
}

/** An answer that would have been right earlier. */
function stale(seen: Observation, message: string): Violation {
  switch (seen.saw) {
    case "head": {
      return new Violation("VER-2", message);
    }
    case "messages":
    case "marks": {
      return new Violation("GAP-2", message);
    }
    case "keys": {
      return new Violation("KEY-6", message);
    }
    case "duplicate": {
      return new Violation("KEY-4", message);
    }
    case "conflict": {
      if (seen.head !== undefined) return new Violation("CAS-4", message);
      return baseWasRight(seen, message);
    }
  }
}

/** Refused although the base was the stored revision. */
function baseWasRight(seen: Extract<Observation, { saw: "conflict" }>, message: string): Violation {
  const { args, result } = seen.call;
  const [batch] = args;
  const mixed = Array.isArray(batch) && batch.length > 1 && Array.isArray(result);
  return new Violation(mixed ? "ISO-2" : "CAS-1", message);
}

/** An answer that is right at no revision of the whole chain. */
function impossible(
  chain: readonly State[],
  { seen, first, last }: Extract<Contradiction, { first: number }>,
  all: ReadonlyMap<string, Conversation>,
  conversation: Conversation,
): Violation {
  const possible = chain.slice(first, last + 1);
  const text = `${describe(seen)} is right at no revision: ${show(answerOf(seen))}`;
  switch (seen.saw) {
    case "head": {
      return new Violation("VER-1", text);
    }
    case "conflict": {
      const own = seen.head?.revision === seen.submission.entry.commit.base;
      return new Violation("CAS-4", own ? `${describe(seen)} shows its own base as the head that won` : text);
    }
    case "duplicate": {
      // Where they are held, the base is another one: a conflict that was told as a duplicate.
      const held = possible.some(({ life, revision }) =>
        seen.keys.every(({ key }) => (life.keys.get(key)?.since ?? Infinity) <= revision),
      );
      const right = possible.some(({ revision }) => revision === seen.submission.entry.commit.base);
      return new Violation(right && !(held && possible.length > 1) ? "KEY-1" : "KEY-4", text);
    }
    case "keys": {
      return new Violation(partOfCommit(chain, seen) ? "CAS-5" : "KEY-6", text);
    }
    case "messages": {
      return wrongMessages(chain, possible, seen, all, text, conversation);
    }
    case "marks": {
      const wrong = seen.marks.find(
        (mark) => !chain.some(({ life }) => life.marks.some((right) => sameMark(mark, right))),
      );
      const writer =
        wrong && writerOf(all, ({ commit }) => commit.marks.some((mark) => sameMark(mark, wrong)));
      if (writer !== undefined) return foreign(seen, writer, text);
      return new Violation(
        wrong !== undefined ? "CMP-1" : conversation.prunings.length > 0 ? "TRM-4" : "CAS-5",
        text,
      );
    }
  }
}

function wrongMessages(
  chain: readonly State[],
  possible: readonly State[],
  seen: Extract<Observation, { saw: "messages" }>,
  all: ReadonlyMap<string, Conversation>,
  text: string,
  conversation: Conversation,
): Violation {
  const { messages, first, last } = seen;
  const lives = [...new Set(chain.map(({ life }) => life))];
  for (const [index, message] of messages.entries()) {
    if (lives.some((life) => life.messages.some((right) => sameMessage(message, right)))) continue;
    const writer = writerOf(all, ({ commit }) =>
      commit.messages.some((right) => sameMessage(message, right)),
    );
    if (writer !== undefined) return foreign(seen, writer, text);
    return new Violation("SEQ-1", `message ${index} of it was never handed over: ${text}`);
  }
  const state = possible.findLast(({ life }) =>
    messages.every((message) => life.messages.some((right) => sameMessage(message, right))),
  );
  if (state === undefined) return new Violation("TMB-2", text);
  if (messages.some(({ seq }, index) => index > 0 && seq <= (messages[index - 1]?.seq ?? 0))) {
    return new Violation("SEQ-1", text);
  }
  if (messages.some(({ seq }) => seq < first || seq > last)) return new Violation("SEQ-2", text);
  const start = Math.max(first, freedBy(state, seen, conversation));
  const kept = messages.filter(({ seq }) => seq >= start);
  if (kept.length > 0 && kept.every(({ seq }, index) => seq === start + index))
    return new Violation("CAS-5", text);
  if (conversation.prunings.length === 0 || kept[0]?.seq === start) return new Violation("GAP-1", text);
  const next = kept[0]?.seq ?? Math.min(last, state.messages) + 1;
  return new Violation(next <= prunedBy(state.life, seen, conversation) ? "TRM-5" : "TRM-1", text);
}

/** What was seen belongs to a commit that cannot have made it. */
function foreign(seen: Observation, writer: Entry, text: string): Violation {
  const own = idOf(seen);
  if (writer.commit.id !== own) return new Violation("ISO-1", `${text}, from ${writer.commit.id}`);
  if (landing(writer) === undefined) return refusedLanded(writer);
  return new Violation(acknowledged(writer) === undefined ? "CAS-2" : "CAS-7", `${text}, by ${name(writer)}`);
}

function writerOf(
  all: ReadonlyMap<string, Conversation>,
  made: (entry: Entry) => boolean,
): Entry | undefined {
  for (const { entries } of all.values()) for (const entry of entries.values()) if (made(entry)) return entry;
  return undefined;
}

/** Some keys of a commit are there, and others that were asked for are not. */
function partOfCommit(chain: readonly State[], seen: Extract<Observation, { saw: "keys" }>): boolean {
  const answered = new Set(seen.keys.map(({ key }) => key));
  return chain.some(({ entry }) => {
    const own = entry?.commit.keys.filter(({ key }) => seen.wanted.includes(key)) ?? [];
    const there = own.filter(({ key }) => answered.has(key)).length;
    return there > 0 && there < own.length;
  });
}

function idOf(seen: Observation): string {
  if (seen.saw === "conflict" || seen.saw === "duplicate") return seen.submission.entry.commit.id;
  const [id] = seen.call.args;
  return typeof id === "string" ? id : seen.saw === "head" ? (seen.head?.id ?? "") : "";
}

function answerOf(seen: Observation): unknown {
  if (seen.saw === "head" || seen.saw === "conflict") return seen.head;
  if (seen.saw === "messages") return seen.messages;
  return seen.saw === "marks" ? seen.marks : seen.keys;
}

function describe(seen: Observation): string {
  const at = `on ${seen.call.lane} (${seen.from}–${seen.to})`;
  if (seen.saw === "conflict" || seen.saw === "duplicate") {
    return `the ${seen.saw} of ${name(seen.submission.entry)} ${at}`;
  }
  return `${seen.call.method}(${show(seen.call.args, 80)}) ${at}`;
}

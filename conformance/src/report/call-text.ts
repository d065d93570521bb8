import { inspect } from "node:util";
import type { Commit, CommitOutcome, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import type { Call } from "../history.js";
import { visible } from "./plain.js";
import type { OutcomeKind } from "./report.js";

/** Texts longer than this are shortened, so that an id still tells which one it is. */
const NAME_LENGTH = 32;
/** Entries of a list that are named; the rest is counted. */
const NAMED = 8;

/**
 * Calls and answers in a few words. What a wrong driver answers may have any shape: whatever does not look as it
 * should is shown as it is.
 */
export function callText({ method, args }: Pick<Call, "method" | "args">): string {
  const [first, second, third] = args;
  if (method === "commit" && Array.isArray(first)) return `commit ${list(first, commitText)}`;
  if (method === "heads" && Array.isArray(first)) return `heads ${list(first, name)}`;
  if (method === "messages") return `messages ${name(first)} ${number(second)}..${number(third)}`;
  if (method === "marks") return `marks ${name(first)} after ${number(second)} limit ${number(third)}`;
  if (method === "keys" && Array.isArray(second)) return `keys ${name(first)} ${list(second, name)}`;
  if (method === "prune") return `prune ${name(first)} below ${number(second)}`;
  if (method === "list" && isRecord(first)) return listText(first);
  return [visible(method), ...args.map((argument) => raw(argument))].join(" ");
}

/** The answer to a call, in a few words. */
export function outcomeText(call: Call): { readonly kind: OutcomeKind; readonly text: string } {
  if (call.answered === undefined) return { kind: "pending", text: "never answered" };
  if ("error" in call && call.error !== undefined) return { kind: "rejected", text: errorText(call.error) };
  const { result } = call;
  if (call.method === "commit" && Array.isArray(result)) {
    return { kind: commitKind(result), text: list(result, outcomeOf) };
  }
  return { kind: "answered", text: answerText(call.method, result) };
}

function answerText(method: string, result: unknown): string {
  if (result === undefined) return "done";
  if (typeof result === "function") return "done";
  if (method === "list" && isRecord(result) && Array.isArray(result["heads"])) {
    const next = isRecord(result["next"]) ? `, next after ${name(result["next"]["id"])}` : "";
    return `${list(result["heads"], headText)}${next}`;
  }
  if (!Array.isArray(result)) return raw(result);
  if (method === "heads") return list(result, headText);
  if (method === "messages") return positions("seq", result, "seq");
  if (method === "marks") return positions("version", result, "version");
  if (method === "keys") return list(result, keyText);
  return raw(result);
}

function commitText(value: unknown): string {
  if (!isCommit(value)) return raw(value);
  const { id, base, head, messages, marks, keys } = value;
  const parts = [`${name(id)} ${number(base)}→${number(head.revision)}`];
  if (head.purged) parts.push("purge");
  else if (head.tombstoned) parts.push("tombstone");
  if (messages.length > 0) parts.push(`+${messages.length} ${messages.length === 1 ? "msg" : "msgs"}`);
  if (marks.length > 0) parts.push(`+${marks.length} ${marks.length === 1 ? "mark" : "marks"}`);
  if (keys.length > 0) parts.push(`key ${list(keys, (record) => name(record.key))}`);
  const token = tokenOf(head);
  if (token !== undefined) parts.push(`(${token})`);
  return parts.join(" ");
}

/** What tells commits of one base apart: the token that the kit writes into the state. */
function tokenOf({ state }: Head): string | undefined {
  const [, token] = /^\{"token":"([\w-]{1,16})"\}$/.exec(state) ?? [];
  return token;
}

function outcomeOf(value: unknown): string {
  if (!isOutcome(value)) return raw(value);
  if (value.status === "conflict") {
    return value.head === undefined ? "conflict" : `conflict, head ${headText(value.head)}`;
  }
  if (value.status === "duplicate") return `duplicate ${list(value.held, keyText)}`;
  return value.status;
}

function commitKind(outcomes: readonly unknown[]): OutcomeKind {
  const statuses = outcomes.map((outcome) => (isRecord(outcome) ? outcome["status"] : undefined));
  if (statuses.includes("unknown")) return "unknown";
  if (statuses.includes("conflict") || statuses.includes("duplicate")) return "refused";
  return statuses.length > 0 && statuses.every((status) => status === "committed") ? "committed" : "answered";
}

function headText(value: unknown): string {
  if (value === undefined) return "none";
  if (!isHead(value)) return raw(value);
  const what = value.purged ? " purged" : value.tombstoned ? " tombstoned" : "";
  return `${name(value.id)}@${number(value.revision)}${what}`;
}

function keyText(value: unknown): string {
  if (!isRecord(value) || typeof value["key"] !== "string") return raw(value);
  return `${name(value["key"])} seq ${span(value["firstSeq"], value["lastSeq"])}`;
}

function listText(query: Readonly<Record<string, unknown>>): string {
  const { limit, labels, after } = query;
  const parts = [`list limit ${number(limit)}`];
  if (Array.isArray(labels) && labels.length > 0) parts.push(`labels ${list(labels, name)}`);
  if (isRecord(after)) parts.push(`after ${name(after["id"])}`);
  return parts.join(" ");
}

/** Positions as ranges: `seq 1-3, 5`. Anything out of order is seen. */
function positions(what: string, entries: readonly unknown[], field: "seq" | "version"): string {
  if (entries.length === 0) return "none";
  const ranges: [number, number][] = [];
  for (const entry of entries) {
    const at = isRecord(entry) ? entry[field] : undefined;
    if (typeof at !== "number") return raw(entries);
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === at) last[1] = at;
    else ranges.push([at, at]);
  }
  return `${what} ${list(ranges, ([from, to]) => span(from, to), false)}`;
}

function span(from: unknown, to: unknown): string {
  return from === to ? number(from) : `${number(from)}-${number(to)}`;
}

/** Several as `[a, b, 5 more]`; one as it is. */
function list<T>(entries: readonly T[], show: (entry: T) => string, brackets = true): string {
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return show(only);
  const shown = entries.slice(0, entries.length > NAMED + 1 ? NAMED : NAMED + 1).map((entry) => show(entry));
  if (shown.length < entries.length) shown.push(`${entries.length - shown.length} more`);
  return brackets ? `[${shown.join(", ")}]` : shown.join(", ");
}

/** Quoted where that is needed to see where it begins and ends. */
function name(value: unknown): string {
  if (typeof value !== "string") return raw(value);
  const shown = visible(value);
  const characters = Array.from(shown);
  const short =
    characters.length <= NAME_LENGTH
      ? shown
      : `${characters.slice(0, NAME_LENGTH - 10).join("")}…${characters.slice(-6).join("")}(${value.length})`;
  return /^[^\s,[\]"'→@]+$/.test(short) ? short : `"${short}"`;
}

function number(value: unknown): string {
  if (value === Infinity) return "∞";
  return typeof value === "number" ? String(value) : raw(value);
}

function errorText(error: unknown): string {
  return error instanceof Error ? visible(`${error.name}: ${error.message}`) : raw(error);
}

function raw(value: unknown): string {
  return json(value, 120);
}

/** A value as JSON on one line that can be shown anywhere, at most about `length` characters of it. */
export function json(value: unknown, length: number): string {
  if (value === undefined) return "nothing";
  if (value instanceof Error) return errorText(value);
  let text: string;
  try {
    text = JSON.stringify(value, replacer) ?? inspect(value);
  } catch (error) {
    text = `(cannot be shown: ${errorText(error)})`;
  }
  const shown = visible(text.slice(0, length));
  return text.length <= length ? shown : `${shown}… (${text.length} characters)`;
}

function replacer(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "(function)";
  if (typeof value === "string" && value.length > 300) return `${value.slice(0, 200)}… (${value.length})`;
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

type CommitShape = Pick<Commit, "id" | "base"> & {
  readonly head: Head;
  readonly messages: readonly StoredMessage[];
  readonly marks: readonly Mark[];
  readonly keys: readonly KeyRecord[];
};

function isCommit(value: unknown): value is CommitShape {
  return (
    isRecord(value) &&
    isRecord(value["head"]) &&
    ["messages", "marks", "keys"].every((field) => Array.isArray(value[field]))
  );
}

function isHead(value: unknown): value is Head {
  return isRecord(value) && "id" in value && "revision" in value;
}

function isOutcome(value: unknown): value is CommitOutcome {
  if (!isRecord(value) || typeof value["status"] !== "string") return false;
  if (value["status"] === "duplicate") return Array.isArray(value["held"]);
  return ["committed", "conflict", "unknown"].includes(value["status"]);
}

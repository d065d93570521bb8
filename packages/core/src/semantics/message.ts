import { hash } from "node:crypto";
import { FastpacaError } from "../errors.js";
import { MAX_TOKENS } from "../schemas.js";
import { encodeJson } from "./json-text.js";
import { parseJson } from "./parse-json.js";
import type { Estimator } from "./tokens.js";
import type { MessageShape } from "./window-index.js";

/** A message as callers give it: any JSON object with a role and parts. Unknown fields are kept. */
export interface MessageInput {
  readonly role: string;
  readonly parts: readonly PartInput[];
  /** Size for the model, 0 to 10⁹; estimated where absent. */
  readonly token_count?: number | undefined;
  readonly [field: string]: unknown;
}

export interface PartInput {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A message ready to be stored: its JSON text without the fields that are the store's own. */
export interface PreparedMessage {
  readonly body: string;
  readonly tokens: number;
  /** Of the parsed message; computed only where an index needs it. */
  readonly shape: () => MessageShape;
}

/** Levels of arrays and objects in one message or metadata object. */
export const MAX_DEPTH = 256;

/** The output's own fields. What a caller sends under these names is not part of the message. */
const OWN_FIELDS = ["seq", "version", "inserted_at", "token_count"];

/**
 * @throws FastpacaError `invalid_request` when the message cannot be kept faithfully; `internal` when the estimator fails,
 * or makes no number of tokens
 */
export function prepareMessage(input: MessageInput, field: string, estimate: Estimator): PreparedMessage {
  const message = OWN_FIELDS.some((own) => Object.hasOwn(input, own))
    ? Object.fromEntries(Object.entries(input).filter(([key]) => !OWN_FIELDS.includes(key)))
    : input;
  const body = encodeJson(message, field, MAX_DEPTH);
  const tokens = input.token_count ?? estimated(input, field, estimate);
  // Of what is stored: the caller may change its message before that is needed.
  return { body, tokens, shape: () => shapeOfBody(body) };
}

function estimated(input: MessageInput, field: string, estimate: Estimator): number {
  let tokens: unknown;
  try {
    tokens = estimate(input);
  } catch (cause) {
    throw new FastpacaError("internal", `the estimator failed at ${field}`, { cause });
  }
  if (typeof tokens === "number" && Number.isInteger(tokens) && tokens >= 0 && tokens <= MAX_TOKENS)
    return tokens;
  throw new FastpacaError(
    "internal",
    `the estimator made ${typeof tokens === "number" ? tokens : typeof tokens} of ${field}: it must make an integer from 0 to ${MAX_TOKENS}`,
  );
}

/** The shape of a stored body. */
export function shapeOfBody(body: string): MessageShape {
  return {
    length: body.length,
    parts: parseBody(body).parts.map((part) => ({
      type: part.type,
      length: encodeJson(part, "part", MAX_DEPTH).length,
    })),
  };
}

/** The body with only those parts that `keep` accepts, as JSON text; undefined when it accepts none. */
export function withParts(body: string, keep: (type: string) => boolean): string | undefined {
  const message = parseBody(body);
  const parts = message.parts.filter((part) => keep(part.type));
  if (parts.length === 0) return undefined;
  const entries = Object.entries(message).map(([key, value]) => [key, key === "parts" ? parts : value]);
  return encodeJson(Object.fromEntries(entries), "message", MAX_DEPTH);
}

function parseBody(body: string): MessageInput {
  // Bodies were made by prepareMessage; drivers hand them back untouched.
  return parseJson<MessageInput>(body);
}

/** Appends fields to the JSON text of an object. `fields` is JSON text without braces, not empty. */
function extendObject(text: string, fields: string): string {
  return text === "{}" ? `{${fields}}` : `${text.slice(0, -1)},${fields}}`;
}

/** A message as readers get it. */
export function renderMessage(
  message: { seq: number; version: number; insertedAt: number; tokens: number },
  body: string,
): string {
  const { seq, version, insertedAt, tokens } = message;
  const at = new Date(insertedAt).toISOString();
  return extendObject(
    body,
    `"seq":${seq},"version":${version},"inserted_at":"${at}","token_count":${tokens}`,
  );
}

/** Fingerprint of what an append carries: the same content, and only that, has the same one. */
export function fingerprint(messages: readonly PreparedMessage[], inputs: readonly MessageInput[]): string {
  let content = "";
  for (const [index, { body }] of messages.entries()) {
    content += `${body.length}:${inputs[index]?.token_count ?? ""}:${body}`;
  }
  return hash("sha256", content, "base64url");
}

/** The text of a compaction's mark: its range, then the replacement messages as readers get them. */
export function renderCompaction(from: number, to: number, messages: readonly PreparedMessage[]): string {
  const rendered = messages.map(({ body, tokens }) => extendObject(body, `"token_count":${tokens}`));
  return `{"range":{"from_seq":${from},"to_seq":${to}},"messages":[${rendered.join(",")}]}`;
}

/** The replacement messages in a compaction's mark, as comma-separated JSON texts. */
export function replacementIn(markBody: string): string {
  const opening = '"messages":[';
  const start = markBody.indexOf(opening);
  if (start === -1) throw new TypeError("this mark is not a compaction");
  return markBody.slice(start + opening.length, -2);
}

/** The range in a compaction's mark, as JSON text. */
export function rangeIn(markBody: string): string {
  return markBody.slice('{"range":'.length, markBody.indexOf("}") + 1);
}

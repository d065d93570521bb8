import { demand } from "../violation.js";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body; empty where it is no object of JSON. Checks compare what they find in it. */
  readonly body: Fields;
}

/** An object of JSON that may hold anything. */
export type Fields = { readonly [name: string]: unknown };

/** Codes of errors, and the statuses that they go with. */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_request: 400,
  unauthorized: 401,
  not_found: 404,
  conflict: 409,
  tombstoned: 410,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_key_reused: 422,
  rate_limited: 429,
  unavailable: 503,
  outcome_unknown: 503,
};

export function answerOf(status: number, headers: Headers, text: string): Answer {
  return { status, headers, text, body: fieldsOf(text) };
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as fields; none where it is no object. */
export function asFields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

/** What all answers have in common. @throws Violation */
export function expectForm({ status, headers, text, body }: Answer, method: string): void {
  const shown = (): string => (text === "" ? "nothing" : text.slice(0, 300));
  demand(status < 500 || status === 503, "HTT-3", () => `the server failed with ${status}: ${shown()}`);
  if (status === 429 || status === 503) {
    demand(
      headers.has("retry-after"),
      "HTT-1",
      () => `an answer ${status} says nothing of when to come back`,
    );
  }
  if (status === 204 || status === 304 || method === "HEAD") {
    demand(text === "", "HTT-1", () => `an answer ${status} has a body: ${shown()}`);
    return;
  }
  demand(text !== "", "HTT-2", () => `an answer ${status} has an empty body`);
  const type = headers.get("content-type") ?? "";
  demand(/^application\/json\b/i.test(type), "HTT-1", () => `an answer ${status} is ${type || "of no type"}`);
  demand(Object.keys(body).length > 0, "HTT-1", () => `an answer ${status} is no object of JSON: ${shown()}`);
  if (status < 400) return;
  const { error, message } = body;
  demand(
    typeof error === "string" && typeof message === "string" && message !== "",
    "HTT-1",
    () => `a refusal has no code and message: ${shown()}`,
  );
  demand(STATUSES[error] === status, "HTT-1", () => `code ${error} came with status ${status}`);
  demand(
    !/\bat .*:\d+:\d+|<html/i.test(text),
    "HTT-1",
    () => `a refusal shows the inside of the server: ${shown()}`,
  );
  if (error !== "conflict") return;
  demand(Number.isSafeInteger(body["version"]), "HTT-1", () => `a conflict says no version: ${shown()}`);
}

function fieldsOf(text: string): Fields {
  try {
    return asFields(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

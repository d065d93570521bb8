/** The codes that a Fastpaca server answers with. Frozen between major versions. */
const SERVER_CODES = [
  "invalid_request",
  "unauthorized",
  "not_found",
  "conflict",
  "tombstoned",
  "payload_too_large",
  "unsupported_media_type",
  "idempotency_key_reused",
  "rate_limited",
  "internal",
  "unavailable",
  "outcome_unknown",
] as const;

/**
 * Why a call failed. Frozen between major versions.
 *
 * From the server:
 * - `invalid_request`: not of the expected form; the message says which field. Also used for arguments that this
 *   library refuses before it sends anything (`status` is undefined then).
 * - `unauthorized`: the API key is missing or wrong.
 * - `not_found`: there is no such conversation, context or route.
 * - `conflict`: the conversation is not at `ifVersion`, or a newer compaction won; `version` is the current one.
 * - `tombstoned`: the conversation is read-only.
 * - `payload_too_large`, `unsupported_media_type`, `idempotency_key_reused`: as named.
 * - `rate_limited`: too many requests.
 * - `internal`: a defect in the server.
 * - `unavailable`: the server cannot take the request now. Said by Fastpaca itself: nothing was applied. Said by a
 *   proxy in front of it (502, 503 or 504 without a Fastpaca body): probably, but nobody knows.
 * - `outcome_unknown`: a write may or may not have been applied.
 *
 * From this library:
 * - `network`: no complete answer arrived. A write may or may not have been applied.
 * - `timeout`: no complete answer arrived in time. A write may or may not have been applied.
 * - `invalid_response`: something answered, but not a Fastpaca server; `baseUrl` is probably wrong.
 */
export type FastpacaErrorCode = (typeof SERVER_CODES)[number] | "network" | "timeout" | "invalid_response";

/** What is known about a failure besides its code. */
export interface FastpacaErrorDetails {
  readonly status?: number | undefined;
  readonly version?: number | undefined;
  readonly field?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

const PASSING: readonly FastpacaErrorCode[] = [
  "rate_limited",
  "unavailable",
  "outcome_unknown",
  "network",
  "timeout",
];

/**
 * What every call of this library rejects with, except for a call that was aborted: that one rejects with its signal's
 * reason, as `fetch` does.
 */
export class FastpacaError extends Error {
  override readonly name = "FastpacaError";
  readonly code: FastpacaErrorCode;
  /** HTTP status of the answer; undefined where there was none. */
  readonly status: number | undefined;
  /** With `conflict`: the version that the conversation is at. */
  readonly version: number | undefined;
  /** The input that the server took exception to, where it named one, such as `message.parts[0].type`. */
  readonly field: string | undefined;
  /** Milliseconds that the server asked to stay away; undefined where it did not. */
  readonly retryAfterMs: number | undefined;

  constructor(code: FastpacaErrorCode, message: string, details: FastpacaErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.version = details.version;
    this.field = details.field;
    this.retryAfterMs = details.retryAfterMs;
  }

  /**
   * Whether the reason may pass by itself, so that the same call may succeed later. It does not say that repeating is
   * harmless: after `network`, `timeout` and `outcome_unknown` a compaction may already have been applied.
   */
  get retryable(): boolean {
    return PASSING.includes(this.code);
  }

  /**
   * Whether `error` is a `FastpacaError`, with this code where one is given. Prefer it to `instanceof`: it also knows
   * the errors of another copy of this package.
   */
  static is<Code extends FastpacaErrorCode = FastpacaErrorCode>(
    error: unknown,
    code?: Code,
  ): error is FastpacaError & { readonly code: Code } {
    if (!(error instanceof Error) || error.name !== "FastpacaError") return false;
    return code === undefined || ("code" in error && error.code === code);
  }
}

/** The error for an argument that is refused before anything is sent. */
export function invalidArgument(message: string, cause?: unknown): FastpacaError {
  return new FastpacaError("invalid_request", message, { cause });
}

/** The error that an answer other than a success stands for. */
export function errorFromAnswer(
  call: string,
  status: number,
  text: string,
  retryAfterMs?: number,
): FastpacaError {
  const body = parseObject(text);
  const code = SERVER_CODES.find((known) => known === body?.["error"]);
  if (body === undefined || code === undefined) {
    const reason = text.trim() === "" ? "an empty body" : `something else than Fastpaca: ${excerpt(text)}`;
    return new FastpacaError(codeOfStatus(status), `${call}: ${status} with ${reason}`, {
      status,
      retryAfterMs,
    });
  }
  const { message, version, field } = body;
  return new FastpacaError(code, `${call}: ${typeof message === "string" ? message : code}`, {
    status,
    version: typeof version === "number" ? version : undefined,
    field: typeof field === "string" ? field : undefined,
    retryAfterMs,
  });
}

/** The JSON object that a text holds, or undefined where it holds none. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // Not JSON: an answer of something in between.
  }
  return isRecord(value) ? value : undefined;
}

/** Whether a value out of JSON is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The beginning of a text on one line, short enough for an error message. */
export function excerpt(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return JSON.stringify(line.length > 120 ? `${line.slice(0, 120)}…` : line);
}

/** What a status means that something between the client and the server answered with. */
function codeOfStatus(status: number): FastpacaErrorCode {
  if (status === 502 || status === 503 || status === 504) return "unavailable";
  if (status === 429) return "rate_limited";
  if (status === 413) return "payload_too_large";
  return "invalid_response";
}

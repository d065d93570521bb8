/** Every error code that Fastpaca answers with, its HTTP status and its meaning. Frozen between major versions. */
export const ERROR_CODES = {
  invalid_request: {
    status: 400,
    meaning: "The request is not of the expected form; `field` names the culprit.",
  },
  unauthorized: { status: 401, meaning: "The API key is missing or wrong." },
  not_found: { status: 404, meaning: "There is no such conversation, context or route." },
  conflict: {
    status: 409,
    meaning: "The conversation is not at the expected `version`, or a newer compaction won.",
  },
  tombstoned: { status: 410, meaning: "The conversation is read-only." },
  payload_too_large: { status: 413, meaning: "The request, or its answer, is larger than the limits allow." },
  unsupported_media_type: { status: 415, meaning: "The body is not `application/json`." },
  idempotency_key_reused: {
    status: 422,
    meaning: "The idempotency key was used before with another content.",
  },
  rate_limited: { status: 429, meaning: "Too many requests; `Retry-After` tells when to come back." },
  internal: { status: 500, meaning: "A defect in the server or its driver." },
  unavailable: {
    status: 503,
    meaning: "The store cannot take the request now; nothing was applied. Trying again is safe.",
  },
  outcome_unknown: {
    status: 503,
    meaning:
      "The write may or may not have been applied. Trying again is safe with an idempotency key, and only then.",
  },
} as const satisfies Record<string, { status: number; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** The input that is wrong, as a path: `message.parts[0].type`. */
  readonly field?: string;
  /** With `conflict`: the version that the conversation is at. */
  readonly version?: number;
  readonly cause?: unknown;
}

/** The only error that the store's and the server's operations fail with on purpose. */
export class FastpacaError extends Error {
  override readonly name = "FastpacaError";
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly version: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field;
    this.version = details.version;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** The error for input that is not of the expected form. */
export function invalid(field: string, message: string): FastpacaError {
  return new FastpacaError("invalid_request", `${field} ${message}`, { field });
}

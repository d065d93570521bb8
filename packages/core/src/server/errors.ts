import type { FastifyReply, FastifyRequest } from "fastify";
import { FastpacaError, type ErrorCode } from "../errors.js";
import type { Metrics } from "./metrics.js";

export const JSON_TYPE = "application/json; charset=utf-8";
/** When to come back after `unavailable`, in seconds. */
const RETRY_AFTER = 1;

/** The body of every answer that is not a success. */
export function errorBody(error: FastpacaError): string {
  const { code, message, field, version } = error;
  return JSON.stringify({ error: code, message, field, version });
}

function sendError(error: FastpacaError, reply: FastifyReply): FastifyReply {
  if (error.status === 503) void reply.header("retry-after", RETRY_AFTER);
  // A connection that is closed while the client still sends loses the answer: the rest is read, and forgotten.
  if (error.status === 413) void reply.removeHeader("connection");
  return reply.code(error.status).header("content-type", JSON_TYPE).send(errorBody(error));
}

/** Where the server tells what it does not tell its clients. A pino logger is one. */
export interface ServerLog {
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export type ErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** Answers whatever went wrong in a route, a hook or in the framework itself. */
export function errorHandler(log: ServerLog | undefined, metrics: Metrics): ErrorHandler {
  return (error, { method, url, routeOptions }, reply) => {
    const told = asFastpacaError(error);
    metrics.refused(method, routeOptions.url, told.status);
    if (told.code === "internal") log?.error({ err: error, method, url }, "request failed");
    else if (told.status === 503) log?.warn({ err: error, method, url }, "request refused");
    return sendError(told, reply);
  };
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_request",
  401: "unauthorized",
  404: "not_found",
  413: "payload_too_large",
  415: "unsupported_media_type",
  429: "rate_limited",
  503: "unavailable",
};

/** Which part of the request an error of the framework is about. */
const FIELDS: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: "id",
  FST_ERR_CTP_BODY_TOO_LARGE: "body",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "content-length",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "content-type",
  FST_ERR_MAX_PARAM_LENGTH: "id",
};

/** Where the framework's own words do not say what to do. */
const TEXTS: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: "id must be percent-encoded UTF-8",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "content-type must be application/json",
  FST_ERR_MAX_PARAM_LENGTH: "id must have at most 255 characters",
};

function asFastpacaError(error: unknown): FastpacaError {
  if (error instanceof FastpacaError) return error;
  const { statusCode, cause, message } = frameworkError(error);
  const code = CODES[statusCode] ?? (statusCode < 500 ? "invalid_request" : "internal");
  const field = FIELDS[cause];
  const text = code === "internal" ? "the server failed" : (TEXTS[cause] ?? message);
  return new FastpacaError(code, text, { cause: error, ...(field !== undefined && { field }) });
}

/** What the framework's errors carry; anything else counts as a defect. */
function frameworkError(error: unknown): { statusCode: number; cause: string; message: string } {
  if (!(error instanceof Error) || !("statusCode" in error) || typeof error.statusCode !== "number") {
    return { statusCode: 500, cause: "", message: "" };
  }
  const cause = "code" in error ? String(error.code) : "";
  return { statusCode: error.statusCode, cause, message: error.message };
}

import { isUtf8 } from "node:buffer";
import type { FastifyRequest } from "fastify";
import { FastpacaError } from "../errors.js";
import { isObject } from "../semantics/json-text.js";
import type { AppendInput, StreamInput } from "../store/check.js";

/** Headers are read as Latin-1, and mostly written as UTF-8. What is none stays as it was read. */
export function headerText(header: string): string {
  if (!/[\u0080-\u00ff]/.test(header)) return header;
  const bytes = Buffer.from(header, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : header;
}

/** The body with the key that the `Idempotency-Key` header brings. */
export function withKey({ headers, raw, body }: FastifyRequest<{ Body: AppendInput }>): AppendInput {
  const header = headers["idempotency-key"];
  if (typeof header !== "string" || !isObject(body)) return body;
  const key = headerText(header);
  // Several headers arrive as one, joined like this.
  if (key.includes(", ") && (raw.headersDistinct["idempotency-key"]?.length ?? 0) > 1) {
    throw new FastpacaError("invalid_request", "Idempotency-Key was sent more than once", {
      field: "idempotency_key",
    });
  }
  if (Object.hasOwn(body, "idempotency_key") && body.idempotency_key !== key) {
    throw new FastpacaError("invalid_request", "idempotency_key differs from the Idempotency-Key header", {
      field: "idempotency_key",
    });
  }
  return { ...body, idempotency_key: key };
}

/** The cursor that a client of server-sent events resumes with. */
export function withLastEvent(
  query: Record<string, unknown>,
  { headers }: Pick<FastifyRequest, "headers">,
): StreamInput {
  const id = headers["last-event-id"];
  return id === undefined || id === "" ? query : { ...query, cursor: lastEvent(id) };
}

function lastEvent(id: string | string[]): number {
  if (typeof id === "string" && /^\d{1,16}$/.test(id) && Number.isSafeInteger(Number(id))) return Number(id);
  throw new FastpacaError("invalid_request", "last-event-id must be the id of an event", {
    field: "last-event-id",
  });
}

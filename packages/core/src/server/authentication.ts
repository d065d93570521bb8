import { hash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { FastpacaError } from "../errors.js";

/**
 * A check of the `Authorization: Bearer` header against any of the keys, in a time that does not depend on them.
 * Health stays open.
 */
export function authentication(apiKeys: readonly string[]): (request: FastifyRequest) => Promise<void> {
  const expected = apiKeys.map(digest);
  return async (request) => {
    if (isHealth(request)) return;
    const token = bearerToken(request);
    const presented = digest(token ?? "");
    let matches = 0;
    for (const key of expected) matches += timingSafeEqual(key, presented) ? 1 : 0;
    if (token === undefined || matches === 0) {
      throw new FastpacaError("unauthorized", "a valid API key is required: Authorization: Bearer KEY", {
        field: "authorization",
      });
    }
  };
}

/** By its route, because the same path can be asked for in many ways. */
export function isHealth({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.url?.startsWith("/health/") === true;
}

export function bearerToken({ headers }: FastifyRequest): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
}

// Digests have one length, whatever the keys' lengths are.
function digest(text: string): Buffer {
  return hash("sha256", text, "buffer");
}

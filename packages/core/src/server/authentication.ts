import { hash, timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { FastpacaError } from "../errors.js";
import { headerText } from "./headers.js";

/** Tells by which of the keys a request is allowed, in a time that does not depend on them. */
export class Authentication {
  readonly #expected: readonly Buffer[];

  constructor(apiKeys: readonly string[]) {
    this.#expected = apiKeys.map(digest);
  }

  /** The key of the `Authorization: Bearer` header, where it is one of the keys. */
  keyOf({ headers }: FastifyRequest): string | undefined {
    const token = /^Bearer +(\S+) *$/i.exec(headerText(headers.authorization ?? ""))?.[1];
    const presented = digest(token ?? "");
    let matches = 0;
    for (const key of this.#expected) matches += timingSafeEqual(key, presented) ? 1 : 0;
    return matches > 0 ? token : undefined;
  }

  /** Health stays open. @throws FastpacaError `unauthorized` */
  refuseStrangers(request: FastifyRequest): void {
    if (isHealth(request) || this.keyOf(request) !== undefined) return;
    throw new FastpacaError("unauthorized", "a valid API key is required: Authorization: Bearer KEY", {
      field: "authorization",
    });
  }
}

/** By its route, because the same path can be asked for in many ways. */
export function isHealth({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.url?.startsWith("/health/") === true;
}

// Digests have one length, whatever the keys' lengths are.
function digest(text: string): Buffer {
  return hash("sha256", text, "buffer");
}

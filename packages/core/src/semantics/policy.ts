import { invalid } from "../errors.js";

/** How a window is kept within its bounds, as callers give it. Absent fields take their defaults. */
export type PolicyInput =
  | { strategy: "last_n"; config?: { limit?: number; retain?: number } }
  | { strategy: "skip_parts"; config?: { skip_kinds?: readonly string[]; limit?: number; retain?: number } }
  | { strategy: "manual"; config?: Record<string, never> };

/** A policy with its defaults filled in. `retain` is there only where it differs from `limit`. */
export type Policy =
  | { readonly strategy: "last_n"; readonly config: { readonly limit: number; readonly retain?: number } }
  | {
      readonly strategy: "skip_parts";
      readonly config: {
        readonly skip_kinds: readonly string[];
        readonly limit?: number;
        readonly retain?: number;
      };
    }
  | { readonly strategy: "manual"; readonly config: Readonly<Record<string, never>> };

/** Most bytes of JSON for the kinds of one policy: it is written with every commit. */
const MAX_KINDS = 512;
const DEFAULT_LIMIT = 200;
const DEFAULT_SKIP_KINDS = ["tool", "reasoning"];
export const DEFAULT_POLICY: Policy = { strategy: "last_n", config: { limit: DEFAULT_LIMIT } };

/**
 * Fills in defaults, in one fixed order of fields, so that equal policies have equal JSON text.
 * @throws FastpacaError `invalid_request` when `retain` does not fit `limit`, or kinds are too long
 */
export function normalizePolicy(input: PolicyInput): Policy {
  switch (input.strategy) {
    case "last_n": {
      const { limit = DEFAULT_LIMIT, retain } = input.config ?? {};
      return { strategy: "last_n", config: { limit, ...retention(limit, retain) } };
    }
    case "skip_parts": {
      const { skip_kinds = DEFAULT_SKIP_KINDS, limit, retain } = input.config ?? {};
      const kinds = [...new Set(skip_kinds)];
      if (Buffer.byteLength(JSON.stringify(kinds)) > MAX_KINDS) {
        throw invalid("policy.config.skip_kinds", `must be at most ${MAX_KINDS} bytes of JSON`);
      }
      const bounds = limit === undefined ? {} : { limit };
      return {
        strategy: "skip_parts",
        config: { skip_kinds: kinds, ...bounds, ...retention(limit, retain) },
      };
    }
    case "manual":
      return { strategy: "manual", config: {} };
  }
}

function retention(limit: number | undefined, retain: number | undefined): { retain?: number } {
  if (retain === undefined || retain === limit) return {};
  if (limit === undefined) throw invalid("policy.config.retain", "needs a limit");
  if (retain > limit) throw invalid("policy.config.retain", `must be at most the limit, ${limit}`);
  return { retain };
}

import type { Parameters } from "fast-check";
import type { Backend } from "./backends.js";

/**
 * How a property of the fuzz tests is run. A failure prints its seed and path; `FASTPACA_SEED` and `FASTPACA_PATH`
 * play it again, `FASTPACA_FUZZ_RUNS` is the number of requests to each backend in all.
 * @param share of all runs
 */
export function fuzzParameters(share: number, { pace }: Backend): Parameters<unknown> {
  const { FASTPACA_SEED: seed, FASTPACA_PATH: path, FASTPACA_FUZZ_RUNS: runs } = process.env;
  return {
    numRuns: Math.ceil(Number(runs ?? pace.requests) * share),
    endOnFailure: false,
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  };
}

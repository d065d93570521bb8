import type { Parameters } from "fast-check";

/** Hostile requests in all, unless the environment says otherwise. */
const RUNS = 20_000;

/**
 * How a property of the fuzz tests is run. A failure prints its seed and path; `FASTPACA_SEED` and `FASTPACA_PATH`
 * play it again, `FASTPACA_FUZZ_RUNS` is the number of requests in all.
 * @param share of all runs
 */
export function fuzzParameters(share: number): Parameters<unknown> {
  const { FASTPACA_SEED: seed, FASTPACA_PATH: path, FASTPACA_FUZZ_RUNS: runs } = process.env;
  return {
    numRuns: Math.ceil(Number(runs ?? RUNS) * share),
    endOnFailure: false,
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  };
}

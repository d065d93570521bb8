import type { CheckResult } from "../src/runner.js";

/** The result of the one check that was selected. @throws where it is not one, or has found nothing because it never ran */
export function played(checks: readonly CheckResult[]): CheckResult {
  const [result, ...others] = checks;
  if (result === undefined || others.length > 0) throw new Error(`${checks.length} checks were played`);
  if (result.failure === undefined && result.runs === 0) throw new Error(`${result.check} has not run`);
  return result;
}

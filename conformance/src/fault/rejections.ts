import { DriverUnavailableError } from "@fastpaca/core";
import { Violation } from "../violation.js";

const { name: UNAVAILABLE } = new DriverUnavailableError();

/**
 * Passes over what calls may reject with while the database cannot be reached.
 * @throws Violation for anything else: a store takes it for a defect, and tells its callers so
 */
export function demandUnavailable(method: string, error: unknown): void {
  if (error instanceof Violation) throw error;
  // By name: the driver may bring a copy of the class of its own.
  if (error instanceof Error && error.name === UNAVAILABLE) return;
  const [name, reason] = error instanceof Error ? [error.name, error.message] : [typeof error, String(error)];
  throw new Violation(
    "ERR-3",
    `${method} rejected with a ${name}, not with a DriverUnavailableError: ${reason}`,
    {
      cause: error,
    },
  );
}

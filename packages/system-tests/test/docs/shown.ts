/** What documents show, as what to expect. */
import { expect } from "vitest";

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const TIMES = ["inserted_at", "created_at", "updated_at"];

/**
 * What a document shows is true of the answer, which may have more fields. Times are any times.
 * @param numbers fields that are any numbers, too
 */
export function shown(text: string, numbers: readonly string[] = []): object {
  const value: unknown = JSON.parse(text, (key, inner: unknown) => {
    if (TIMES.includes(key)) return expect.stringMatching(ISO_TIME);
    return numbers.includes(key) ? expect.any(Number) : inner;
  });
  if (typeof value !== "object" || value === null) throw new Error(`not an object: ${text}`);
  return value;
}

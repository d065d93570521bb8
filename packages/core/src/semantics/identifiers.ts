import { invalid } from "../errors.js";

const LONGEST = 255;
const CONTROL = /\p{Cc}/u;

/** Ids of conversations and idempotency keys follow one rule: well-formed Unicode, 1 to 255 code units, no controls. */
export function checkIdentifier(value: unknown, field: string): string {
  if (typeof value !== "string") throw invalid(field, "must be a string");
  if (value.length === 0 || value.length > LONGEST)
    throw invalid(field, `must be 1 to ${LONGEST} characters long`);
  if (!value.isWellFormed()) throw invalid(field, "must be well-formed Unicode");
  if (CONTROL.test(value)) throw invalid(field, "must not contain control characters");
  return value;
}

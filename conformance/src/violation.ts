import { isDeepStrictEqual } from "node:util";
import type { InvariantId } from "./catalogue.js";

/** A driver broke a promise. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: InvariantId;

  constructor(invariant: InvariantId, message: string, options?: ErrorOptions) {
    super(message, options);
    this.invariant = invariant;
  }
}

/** @throws Violation unless `holds` */
export function demand(holds: boolean, invariant: InvariantId, message: () => string): asserts holds {
  if (!holds) throw new Violation(invariant, message());
}

/** @throws Violation unless both are deeply equal; `what` names the thing compared */
export function demandEqual(actual: unknown, expected: unknown, invariant: InvariantId, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Violation(invariant, `${what} is ${show(actual)}, and should be ${show(expected)}`);
}

/** A value on one line, for messages and timelines: at most `length` characters. */
export function show(value: unknown, length = 600): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`;
}

import type { DriverUnderTest, InvariantId } from "@fastpaca/conformance";

/** A driver that is wrong in one way. */
export interface Mutant {
  /** Kebab-case and unique. */
  readonly name: string;
  /** What is wrong with it, in one sentence. */
  readonly says: string;
  /** Those of which a report may name one and be right about what is wrong. */
  readonly invariants: readonly [InvariantId, ...InvariantId[]];
  readonly subject: DriverUnderTest;
}

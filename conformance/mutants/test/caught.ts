import { randomInt } from "node:crypto";
import type { DriverUnderTest } from "@fastpaca/conformance";
import { describe, expect, test } from "vitest";
import type { Mutant } from "../src/index.js";
import { play } from "../src/play.js";

/** Milliseconds for one driver; far beyond what the kit takes. */
const timeout = 240_000;

/** Each wrong driver once, with a seed of its own: it is caught, and the report says what is wrong with it. */
export function describeCaught(mutants: readonly Mutant[]): void {
  describe("wrong drivers are caught for what is wrong with them", () => {
    for (const { name, says, invariants, subject } of mutants) {
      test(name, { timeout }, async () => {
        const seed = randomInt(2 ** 31);
        const { found } = await play(subject, seed);
        expect(invariants, `${says} Seed ${seed}: ${found?.message ?? "not caught"}`).toContain(
          found?.invariant,
        );
      });
    }
  });
}

export function describePassing(subjects: readonly DriverUnderTest[]): void {
  describe("drivers that are right pass", () => {
    for (const subject of subjects) {
      test(subject.name, { timeout }, async () => {
        const seed = randomInt(2 ** 31);
        const { found } = await play(subject, seed);
        expect(found, `seed ${seed}`).toBeUndefined();
      });
    }
  });
}

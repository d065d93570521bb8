import { runChecks, type DriverUnderTest, type Failure } from "@fastpaca/conformance";

/** What the kit made of a driver in one run. */
export interface Played {
  readonly seed: number;
  readonly milliseconds: number;
  /** What it found first; nothing in a driver that passed. */
  readonly found?: Pick<Failure, "check" | "invariant" | "message" | "path" | "counterexample">;
}

/** Plays the kit at its default settings, until it finds something. */
export async function play(subject: DriverUnderTest, seed: number): Promise<Played> {
  const { checks, milliseconds } = await runChecks(subject, { seed, bail: true });
  const failure = checks.find(({ failure }) => failure !== undefined)?.failure;
  if (failure === undefined) return { seed, milliseconds };
  const { check, invariant, message, path, counterexample } = failure;
  return { seed, milliseconds, found: { check, invariant, message, path, counterexample } };
}

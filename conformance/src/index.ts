export { INVARIANTS, type Invariant, type InvariantId, type Trait } from "./catalogue.js";
export {
  runChecks,
  type CheckResult,
  type Failure,
  type Outcome,
  type Progress,
  type RunOptions,
} from "./runner.js";
export { runServerChecks } from "./server/index.js";
export type { ServerUnderTest } from "./server/server-world.js";
export type { ClaimedTraits, DriverUnderTest, TestDatabase } from "./subject.js";
export { Violation } from "./violation.js";

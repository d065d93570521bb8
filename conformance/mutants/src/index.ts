import type { DriverUnderTest } from "@fastpaca/conformance";
import { openMemory } from "@fastpaca/driver-memory";
import { jsonlSubject } from "./jsonl-driver.js";
import type { Mutant } from "./mutant.js";
import { COMMITS } from "./mutants/commits.js";
import { ENDS } from "./mutants/ends.js";
import { ERASING } from "./mutants/erasing.js";
import { JSONL } from "./mutants/jsonl.js";
import { KEYS } from "./mutants/keys.js";
import { LISTS } from "./mutants/lists.js";
import { PRUNING } from "./mutants/pruning.js";
import { READS } from "./mutants/reads.js";
import { TCP } from "./mutants/tcp.js";
import { TEXT } from "./mutants/text.js";
import { sharedSubject } from "./shared-driver.js";
import { tcpSubject } from "./tcp-driver.js";

export type { Mutant } from "./mutant.js";

/** Changes of a driver that lives in this process. */
export const IN_PROCESS: readonly Mutant[] = [
  ...COMMITS,
  ...READS,
  ...KEYS,
  ...TEXT,
  ...LISTS,
  ...PRUNING,
  ...ERASING,
  ...ENDS,
];

/** Changes of a driver whose processes are killed, and of one whose connections are cut. */
export const FRAGILE: readonly Mutant[] = [...JSONL, ...TCP];

export const MUTANTS: readonly Mutant[] = [...IN_PROCESS, ...FRAGILE];

/** Drivers that are right, and that the mutants change. */
export const CORRECT: readonly DriverUnderTest[] = [
  memorySubject(),
  sharedSubject(),
  jsonlSubject("jsonl"),
  tcpSubject(),
];

function memorySubject(): DriverUnderTest {
  let count = 0;
  return {
    name: "memory",
    traits: { durable: false, shared: false, watch: false },
    createDatabase: async () => ({ url: `memory:${(count += 1)}` }),
    open: async () => openMemory(),
  };
}

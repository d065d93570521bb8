import type { Check } from "../check.js";
import { BATCH_RACES } from "../races/batches.js";
import { COMMIT_RACES } from "../races/commits.js";
import { LIST_RACES } from "../races/lists.js";
import { PROGRAM_RACES } from "../races/programs.js";
import { READER_RACES } from "../races/readers.js";
import { REMOVAL_RACES } from "../races/removals.js";

/** Overlapping calls, on several handles where the database can be shared, judged by the whole history. */
export const RACES: readonly Check[] = [
  ...COMMIT_RACES,
  ...READER_RACES,
  ...BATCH_RACES,
  ...REMOVAL_RACES,
  ...LIST_RACES,
  ...PROGRAM_RACES,
];

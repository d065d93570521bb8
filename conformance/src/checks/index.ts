import type { Check } from "../check.js";
import { ANY_SEQUENCE } from "./any-sequence.js";
import { COMMITS } from "./commits.js";
import { CRASH } from "./crash.js";
import { FAULT } from "./fault.js";
import { FIDELITY } from "./fidelity.js";
import { HANDLES } from "./handles.js";
import { HEADS } from "./heads.js";
import { HINTS } from "./hints.js";
import { ISOLATION } from "./isolation.js";
import { KEYS } from "./keys.js";
import { LIMITS } from "./limits.js";
import { LISTS } from "./lists.js";
import { MARKS } from "./marks.js";
import { POSITIONS } from "./positions.js";
import { RACES } from "./races.js";
import { REOPEN } from "./reopen.js";
import { START } from "./start.js";
import { TOMBSTONES } from "./tombstones.js";
import { TRIMMING } from "./trimming.js";

/**
 * Every check of a driver. Those that are for one promise come before those that would stumble over it on their way to
 * another, so that the first failure names what is broken: heads before commits, text before lists, pruning before numbers, lists before
 * tombstones, single calls before many. What starts processes comes last.
 */
export const CHECKS: readonly Check[] = [
  ...HEADS,
  ...COMMITS,
  ...FIDELITY,
  ...TRIMMING,
  ...POSITIONS,
  ...MARKS,
  ...KEYS,
  ...LISTS,
  ...TOMBSTONES,
  ...ISOLATION,
  ...ANY_SEQUENCE,
  ...LIMITS,
  ...HANDLES,
  ...HINTS,
  ...RACES,
  ...REOPEN,
  ...START,
  ...CRASH,
  ...FAULT,
];

import type { Check } from "../check.js";
import { COMMITS } from "./commits.js";

/** Every check of a driver, the quick ones first. */
export const CHECKS: readonly Check[] = [...COMMITS];

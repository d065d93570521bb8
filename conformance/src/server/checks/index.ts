import type { Check } from "../../check.js";
import type { ServerWorld } from "../server-world.js";
import { APPENDS } from "./appends.js";
import { HTTP } from "./http.js";
import { LIVES } from "./lives.js";
import { RECORDS } from "./records.js";
import { STREAMS } from "./streams.js";
import { WINDOWS } from "./windows.js";

/** Every check of a server. */
export const SERVER_CHECKS: readonly Check<ServerWorld>[] = [
  ...HTTP,
  ...RECORDS,
  ...APPENDS,
  ...WINDOWS,
  ...LIVES,
  ...STREAMS,
];

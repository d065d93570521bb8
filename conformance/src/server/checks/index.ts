import type { Check } from "../../check.js";
import type { ServerWorld } from "../server-world.js";
import { APPENDS } from "./appends.js";
import { HTTP } from "./http.js";
import { KEYS } from "./keys.js";
import { LISTING } from "./listing.js";
import { LIVES } from "./lives.js";
import { READS } from "./reads.js";
import { RECORDS } from "./records.js";
import { SERVER_RACES } from "./races.js";
import { STREAM_ENDS } from "./stream-ends.js";
import { STREAMS } from "./streams.js";
import { WINDOWS } from "./windows.js";

/** Every check of a server. */
export const SERVER_CHECKS: readonly Check<ServerWorld>[] = [
  ...HTTP,
  ...RECORDS,
  ...LISTING,
  ...APPENDS,
  ...KEYS,
  ...READS,
  ...SERVER_RACES,
  ...WINDOWS,
  ...LIVES,
  ...STREAMS,
  ...STREAM_ENDS,
];

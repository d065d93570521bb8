import { DriverUnavailableError } from "@fastpaca/core";

/**
 * Failures are told apart by name and code, not by class: a client that the application brought may come from
 * another copy of the `mongodb` package.
 */

/** A connection, or a server to connect to, was not to be had. */
const NEVER_CONNECTED = new Set([
  "MongoServerSelectionError",
  "MongoWaitQueueTimeoutError",
  "MongoPoolClearedError",
  "MongoPoolClosedError",
  "MongoNotConnectedError",
  "MongoTopologyClosedError",
  "MongoMissingCredentialsError",
]);

/** The server looked at a command and refused it before doing anything: unauthorized, authentication failed. */
const REFUSED = new Set([13, 18, 8000]);

/** Not the primary (any more). Mostly said before anything is done, but a batch may have begun. */
const NOT_PRIMARY = new Set([10107, 13435]);

/** Whether it is certain that the server did nothing of what it was told, and never will. */
export function nothingWasDone(error: unknown, commits: number): boolean {
  if (!(error instanceof Error)) return false;
  // It was done, and only not by as many members as it should: the code is about them.
  if (error.name === "MongoWriteConcernError") return false;
  if (NEVER_CONNECTED.has(error.name)) return true;
  if ("beforeHandshake" in error && error.beforeHandshake === true) return true;
  const code = codeOf(error);
  return code !== undefined && (REFUSED.has(code) || (NOT_PRIMARY.has(code) && commits === 1));
}

/** What a failure of the client library is to the store. Mistakes in this program stay what they are. */
export function asUnavailable(doing: string, error: unknown): unknown {
  if (error instanceof DriverUnavailableError) return error;
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return error;
  return new DriverUnavailableError(`MongoDB ${doing}: ${reasonOf(error)}`, { cause: error });
}

/** Why, in words for an operator. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (codeOf(error) === 18) return "it refuses the user name or the password";
  if (codeOf(error) === 13) return `the user may not do this (${error.message})`;
  if (error.name === "TimeoutError") return "it did not answer in time";
  if (error.name === "MongoServerSelectionError") return `no server can be reached (${error.message})`;
  return error.message;
}

/** The server's own number for what went wrong. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}

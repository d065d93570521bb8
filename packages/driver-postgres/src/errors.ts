import { DriverUnavailableError } from "@fastpaca/core";

/** Postgres answered that it did not do it: nothing was applied. */
export class RefusedError extends DriverUnavailableError {
  /** The SQLSTATE. */
  readonly code: string;

  constructor(code: string, message: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** The statement was handed over and no answer came: it may have been applied, or may still be. */
export class UnansweredError extends DriverUnavailableError {}

/** Of a statement that came in the way of another one and was rolled back: again may work. */
const PASSING = new Set(["40P01", "40001"]);

/** Whether a row was to be inserted that is there already. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof RefusedError && error.code === "23505";
}

/** Whether a lock that somebody else holds was waited for in vain. */
export function isLocked(error: unknown): boolean {
  return error instanceof RefusedError && error.code === "55P03";
}

/** Whether the same statement may succeed when it is simply sent again. */
export function mayBeRepeated(error: unknown): boolean {
  return error instanceof RefusedError && PASSING.has(error.code);
}

/** SQLSTATEs that never end a connection, for servers that translate the word `ERROR`. */
const NEVER_FATAL = /^(22|23|26|40|42|54|55|25006|57014)/;
/** SQLSTATEs that say that it is not known: of the connection's class, and what became of the statement. */
const UNKNOWN = /^(08|40003)/;

/**
 * What an error says of a statement that was sent. Only an `ERROR` that the server wrote is certain: a `FATAL` one
 * ends the connection, perhaps after the commit, and one of the connection's class is told by what is in between.
 */
export function afterSending(error: unknown): RefusedError | UnansweredError {
  const code = codeOf(error);
  const certain =
    code !== undefined && !UNKNOWN.test(code) && (NEVER_FATAL.test(code) || severityOf(error) === "ERROR");
  if (!certain) return new UnansweredError(`Postgres did not answer: ${describe(error)}`, { cause: error });
  return new RefusedError(code, `Postgres refused: ${describe(error)}${hint(code)}`, error);
}

/** What an error says that came before anything was sent. */
export function beforeSending(error: unknown): DriverUnavailableError {
  return new DriverUnavailableError(`Postgres cannot be reached: ${describe(error)}`, { cause: error });
}

/** Message and code; errors of several addresses at once have no message of their own. */
export function describe(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describe).join(", ");
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

export function codeOf(error: unknown): string | undefined {
  const found = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof found === "string" ? found : undefined;
}

function severityOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "severity" in error ? error.severity : undefined;
}

function hint(code: string): string {
  // Prepared statement not found, or there already: another server connection than the one that prepared it.
  if (code !== "26000" && code !== "42P05") return "";
  return "; behind a transaction pooler that does not keep prepared statements, set prepare=false";
}

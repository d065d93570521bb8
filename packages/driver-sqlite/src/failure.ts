/** Primary result codes of SQLite, https://www.sqlite.org/rescode.html */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** The primary result code of an error that SQLite reported; `undefined` for any other error. */
function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number")
    return undefined;
  return error.errcode & 0xff;
}

/** Whether another connection holds the lock that is needed: trying again may help. */
export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  return code === BUSY || code === LOCKED;
}

/** Whether the disk refused to take more: what was being written is certainly not there. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === FULL;
}

/** What is wrong with a file, by the code that SQLite reports. */
const SENTENCES: ReadonlyMap<number | undefined, (name: string) => string> = new Map([
  [BUSY, (name) => `the database file ${name} is locked by another connection`],
  [LOCKED, (name) => `the database file ${name} is locked by another connection`],
  [READONLY, (name) => `the database file ${name} cannot be written to`],
  [IOERR, (name) => `the disk that holds the database file ${name} failed`],
  [CORRUPT, (name) => `the database file ${name} is corrupt: restore it from a backup`],
  [FULL, (name) => `the disk that holds the database file ${name} is full`],
  [CANTOPEN, (name) => `the database file ${name} cannot be opened`],
  [NOTADB, (name) => `the file ${name} is not an SQLite database`],
]);

/** Says in a sentence what is wrong with a database file; the error itself is the `cause`. */
export function explain(file: string, cause: unknown): Error {
  const name = JSON.stringify(file);
  // What a transaction failed with is the cause of what it says.
  let reported = cause;
  while (codeOf(reported) === undefined && reported instanceof Error && reported.cause !== undefined)
    reported = reported.cause;
  const sentence = SENTENCES.get(codeOf(reported))?.(name) ?? `the database file ${name} could not be used`;
  return new Error(`${sentence} (${reported instanceof Error ? reported.message : String(reported)})`, {
    cause,
  });
}

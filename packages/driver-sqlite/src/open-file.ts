import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { explain, isBusy } from "./failure.js";
import { migrate, versionOf } from "./schema.js";

/** Pages of the log after which it is copied into the database: 16 MiB. Hot pages are then copied once for many writes. */
const CHECKPOINT_PAGES = 4000;
/** Bytes that a log which grew larger is cut back to. */
const LOG_BYTES = 64 * 1024 * 1024;
/** KiB of pages that the connection keeps in memory. */
const CACHE_KIB = 64 * 1024;

/**
 * Opens the file for reading and writing, creating and migrating the schema where needed. Waits for nobody.
 *
 * @throws Error a sentence that names the file; the "busy" of SQLite as it is, so that the caller can try again
 */
export function openFile(file: string): DatabaseSync {
  refuseUnwritable(file);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec(`PRAGMA busy_timeout = 0; PRAGMA synchronous = FULL; PRAGMA cache_size = -${CACHE_KIB}`);
    // Before anything is changed: a file that is not ours stays as it is.
    versionOf(database);
    const mode = database.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
    if (mode !== "wal") throw new Error("the file system that holds it does not support write-ahead logging");
    database.exec(
      `PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${LOG_BYTES}`,
    );
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    throw isBusy(error) ? error : explain(file, error);
  }
}

/** SQLite would quietly open for reading only, or speak of "unable to open database file" and no more. */
function refuseUnwritable(file: string): void {
  const name = JSON.stringify(file);
  const directory = dirname(file);
  const folder = statSync(directory, { throwIfNoEntry: false });
  if (folder === undefined) {
    throw new Error(
      `the directory ${JSON.stringify(directory)} of the database file ${name} does not exist: create it`,
    );
  }
  if (!folder.isDirectory()) {
    throw new Error(
      `the database file ${name} cannot be created: ${JSON.stringify(directory)} is not a directory`,
    );
  }
  const existing = statSync(file, { throwIfNoEntry: false });
  if (existing?.isDirectory()) throw new Error(`the database file ${name} is a directory`);
  // Beside the file lies its log, and the log's index: perhaps of another user, whose process was killed.
  for (const own of [file, `${file}-wal`, `${file}-shm`]) {
    if (statSync(own, { throwIfNoEntry: false }) === undefined) continue;
    try {
      accessSync(own, constants.R_OK | constants.W_OK);
    } catch (cause) {
      // The last one to close takes them away.
      if (statSync(own, { throwIfNoEntry: false }) === undefined) continue;
      throw new Error(`the database file ${JSON.stringify(own)} cannot be read and written by this process`, {
        cause,
      });
    }
  }
  try {
    // SQLite writes its log beside the file.
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new Error(
      `the directory ${JSON.stringify(directory)} of the database file ${name} cannot be written to`,
      {
        cause,
      },
    );
  }
}

import { DatabaseSync } from "node:sqlite";
import { DriverUnavailableError } from "@fastpaca/core";

export interface Lock {
  release(): void;
}

/**
 * Keeps every other opener of a folder out, in this process and in others.
 *
 * The operating system has to hold the lock, so that it goes with its process, however that ends: a file that says
 * "locked" outlives a crash, and whoever clears it away may clear away a new one. Node has no call for such a lock, but
 * its SQLite takes one for every transaction. The file stays empty.
 *
 * @throws DriverUnavailableError while somebody else has it
 */
export function lockFolder(path: string): Lock {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    throw new DriverUnavailableError(`${path} is locked: the database is open elsewhere`, { cause });
  }
  return { release: () => database.close() };
}

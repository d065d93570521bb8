import type { DatabaseSync, StatementSync } from "node:sqlite";

/** The commit itself failed, so that nobody knows whether the disk has it. */
export class UncertainCommitError extends Error {
  override readonly name = "UncertainCommitError";
}

/** Whether an error of COMMIT means that nothing was written: such as "no space left" when the log was extended. */
export type IsCertain = (error: unknown) => boolean;

/**
 * Runs `body` in one writing transaction. When it throws, nothing was applied.
 *
 * @throws UncertainCommitError when the failure of the commit itself is not one that `certain` names
 */
export function transact<T>(database: DatabaseSync, certain: IsCertain, body: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  let result: T;
  try {
    result = body();
  } catch (error) {
    rollback(database);
    throw error;
  }
  try {
    database.exec("COMMIT");
  } catch (cause) {
    const undone = rolledBack(database);
    if (undone && certain(cause)) throw cause;
    throw new UncertainCommitError("the commit failed, and may have been written all the same", { cause });
  }
  return result;
}

/** Reads several things of one state of the database. */
export class ReadTransaction {
  readonly #begin: StatementSync;
  readonly #end: StatementSync;

  constructor(database: DatabaseSync) {
    this.#begin = database.prepare("BEGIN");
    this.#end = database.prepare("COMMIT");
  }

  run<T>(body: () => T): T {
    this.#begin.run();
    let result: T;
    try {
      result = body();
    } catch (error) {
      try {
        this.#end.run();
      } catch {
        // SQLite ends the transaction itself after some failures. The failure is what counts.
      }
      throw error;
    }
    this.#end.run();
    return result;
  }
}

function rolledBack(database: DatabaseSync): boolean {
  try {
    rollback(database);
    return true;
  } catch {
    return false;
  }
}

function rollback(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch (error) {
    // SQLite ends the transaction itself after some failures, such as a full disk.
    if (!(error instanceof Error && error.message.includes("no transaction is active"))) throw error;
  }
}

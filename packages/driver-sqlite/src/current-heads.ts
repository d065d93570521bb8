import type { Head } from "@fastpaca/core";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { headOf, HEAD } from "./columns.js";
import { ReadTransaction } from "./transaction.js";

/** Heads that are read here at a time: about 100 microseconds of the thread. */
const MOST = 64;
/** Heads that are remembered. Below 1 KiB each as a rule, 13 KiB at most. */
const REMEMBERED = 2048;
/** KiB of pages that the connection keeps in memory. */
const CACHE_KIB = 8 * 1024;

/**
 * Reads a few heads in the thread that asks. That takes a few microseconds each, a fraction of what the way to the
 * worker and back costs, and waits for no lock: with write-ahead logging readers never do, and where SQLite is busy
 * all the same, such as in a recovery, the worker is asked instead.
 */
export class CurrentHeads {
  readonly #database: DatabaseSync;
  readonly #revision: StatementSync;
  readonly #head: StatementSync;
  readonly #atOnce: ReadTransaction;
  /** Oldest first. A head is what its revision says for ever: only the revision is read again. */
  readonly #remembered = new Map<string, Head>();

  /** @param file a database that another connection has opened and migrated */
  constructor(file: string) {
    this.#database = new DatabaseSync(file, { readOnly: true });
    try {
      this.#database.exec(`PRAGMA busy_timeout = 0; PRAGMA cache_size = -${CACHE_KIB}`);
      this.#revision = this.#database.prepare("SELECT revision FROM heads WHERE id = ?");
      this.#head = this.#database.prepare(`SELECT ${HEAD} FROM heads WHERE id = ?`);
      this.#atOnce = new ReadTransaction(this.#database);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** @returns `undefined` where the worker must be asked */
  read(ids: readonly string[]): (Head | undefined)[] | undefined {
    if (ids.length > MOST) return undefined;
    try {
      // One transaction: the cached pages are checked once, not for each head.
      return this.#atOnce.run(() => ids.map((id) => this.#read(id)));
    } catch {
      // The worker meets the same trouble, waits where that helps, and says what it is.
      return undefined;
    }
  }

  #read(id: string): Head | undefined {
    const known = this.#remembered.get(id);
    if (known !== undefined && this.#revision.get(id)?.["revision"] === known.revision) return known;
    const row = this.#head.get(id);
    if (row === undefined) return undefined;
    const head = headOf(row);
    this.#remembered.delete(id);
    this.#remembered.set(id, head);
    if (this.#remembered.size > REMEMBERED) {
      const [oldest] = this.#remembered.keys();
      if (oldest !== undefined) this.#remembered.delete(oldest);
    }
    return head;
  }

  close(): void {
    this.#database.close();
  }
}

import { callDeadline, command, type Database } from "./database.js";
import { reasonOf } from "./failures.js";
import type { ListingId } from "./listing-entry.js";
import type { Log } from "./watching.js";

/** Entries removed with one command. */
const CHUNK = 1000;
/** Entries whose removal may be waiting. Beyond it they stay until somebody lists them. */
const MAX_WAITING = 10_000;
/** Longest that an entry waits for others to be removed with, in milliseconds. */
const GATHER = 500;

/**
 * Removes entries that are over. That a commit still needs one is impossible. Nothing is lost where one stays: whoever
 * lists it removes it.
 */
export class Sweeper {
  readonly #database: Database;
  readonly #log: Log;
  readonly #waiting: ListingId[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  /** Takes note of an entry, to be removed with others: a command costs far more than one entry more in it. */
  add(entry: ListingId): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(entry);
    this.#schedule();
  }

  async remove(entries: readonly ListingId[], signal: AbortSignal): Promise<void> {
    const deletes = [{ q: { _id: { $in: entries } }, limit: 0 }];
    const { collectionName } = this.#database.listing;
    await command(this.#database, { delete: collectionName, deletes, writeConcern: { w: 1 } }, signal);
  }

  /** Forgets what has waited, and lets go of what is being removed. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    await this.#sweeping;
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== undefined || this.#sweeping !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#sweeping = this.#sweep();
    }, GATHER);
  }

  async #sweep(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.remove(this.#waiting.splice(0, CHUNK), callDeadline());
    } catch (error) {
      this.#log("warn", `MongoDB kept outdated entries: ${reasonOf(error)}`);
    }
    this.#sweeping = undefined;
    if (this.#waiting.length > 0) this.#schedule();
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { statement, type Connections, type Statement } from "./connections.js";
import { describe } from "./errors.js";
import type { Tables } from "./tables.js";

/** Rows in one statement: few enough to hold up nobody. */
export const SLICE = 500;
/** Milliseconds until a log is looked at again in which somebody else is deleting, too. */
const PAUSE = 50;
/** Milliseconds until it is tried again behind a failure. */
export const RETRY = 30_000;

/** Deletes the rows of logs that purges have hidden; what a crash leaves behind, the next one to open finds. */
export class Eraser {
  readonly #connections: Connections;
  readonly #log: (level: "info" | "warn" | "error", message: string) => void;
  readonly #next: Statement;
  readonly #slices: readonly Statement[];
  readonly #done: Statement;
  #running: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #again = false;
  #closed = false;

  constructor(
    connections: Connections,
    tables: Tables,
    log: (level: "info" | "warn" | "error", message: string) => void,
  ) {
    this.#connections = connections;
    this.#log = log;
    this.#next = statement(`SELECT log FROM ${tables.erased} LIMIT 1`);
    const all = [tables.messages, tables.marks, tables.keys];
    this.#slices = all.map((table) =>
      statement(
        `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE log = $1 LIMIT ${SLICE})) AND log = $1 RETURNING 1`,
      ),
    );
    const empty = all.map((table) => `NOT EXISTS (SELECT FROM ${table} WHERE log = $1)`).join(" AND ");
    this.#done = statement(`DELETE FROM ${tables.erased} WHERE log = $1 AND ${empty} RETURNING 1`);
  }

  /** Starts, or looks once more when it is done. */
  wake(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Stops after the slice that runs: the rest is found by the next one. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    clearTimeout(this.#retry);
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        for (;;) {
          const [row] = await this.#connections.run(this.#next, []);
          const log = row?.[0];
          if (log === undefined || log === null || !(await this.#erase(log))) break;
        }
      }
    } catch (error) {
      this.#log("warn", `what purges hid is not deleted yet: ${describe(error)}`);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.wake(), RETRY).unref();
    }
  }

  /** False when it was stopped in the middle. */
  async #erase(log: string): Promise<boolean> {
    for (const slice of this.#slices) {
      for (;;) {
        if (this.#closed) return false;
        const deleted = await this.#connections.run(slice, [log]);
        if (deleted.length < SLICE) break;
      }
    }
    const done = await this.#connections.run(this.#done, [log]);
    // A slice that found little may have met the one of another process, which may stop before the rest.
    if (done.length === 0) await sleep(PAUSE);
    return true;
  }
}

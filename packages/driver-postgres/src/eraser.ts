import { statement, type Connections, type Statement } from "./connections.js";
import { describe } from "./errors.js";
import type { Tables } from "./tables.js";

/** Rows in one statement: few enough to hold up nobody. */
export const SLICE = 500;

/** Deletes the rows of logs that purges have hidden; what a crash leaves behind, the next one to open finds. */
export class Eraser {
  readonly #connections: Connections;
  readonly #log: (level: "info" | "warn" | "error", message: string) => void;
  readonly #next: Statement;
  readonly #slices: readonly Statement[];
  readonly #done: Statement;
  #running: Promise<void> | undefined;
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
    this.#slices = [tables.messages, tables.marks, tables.keys].map((table) =>
      statement(
        `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE log = $1 LIMIT ${SLICE})) AND log = $1 RETURNING 1`,
      ),
    );
    this.#done = statement(`DELETE FROM ${tables.erased} WHERE log = $1`);
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
    await this.#connections.run(this.#done, [log]);
    return true;
  }
}

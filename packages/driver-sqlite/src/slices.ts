import type { DatabaseSync, StatementSync } from "node:sqlite";
import { integer, type Row } from "./columns.js";
import { transact } from "./transaction.js";

/** Rows that one statement deletes. */
const CHUNK = 25;
/** Milliseconds after which a slice ends, so that commits can pass. */
const SLICE = 5;
const ROW_TABLES = { messages: "seq", marks: "version" } as const;

/** The rows of one conversation between two purges. */
export interface Log {
  readonly n: number;
  readonly epoch: number;
}

/**
 * Deletes what no read finds any more, in transactions of a few milliseconds each. Every method does one slice and
 * tells whether another one is needed.
 */
export class Slices {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #below: StatementSync;
  readonly #messages: StatementSync;
  readonly #marks: StatementSync;
  readonly #keys: StatementSync;
  readonly #oldMarks: StatementSync;
  readonly #garbage: StatementSync;
  readonly #forget: StatementSync;

  constructor(database: DatabaseSync) {
    const below = (table: keyof typeof ROW_TABLES): StatementSync =>
      database.prepare(
        `DELETE FROM ${table} WHERE row IN (SELECT row FROM ${table}
        WHERE n = ? AND epoch = ? AND ${ROW_TABLES[table]} < ? ORDER BY ${ROW_TABLES[table]} LIMIT ${CHUNK})`,
      );
    this.#database = database;
    this.#find = database.prepare("SELECT n, epoch FROM heads WHERE id = ?");
    this.#below = database.prepare("SELECT 1 FROM messages WHERE n = ? AND epoch = ? AND seq < ? LIMIT 1");
    this.#messages = below("messages");
    this.#marks = below("marks");
    this.#keys = database.prepare(
      `DELETE FROM keys WHERE n = ?1 AND epoch = ?2 AND key IN (
      SELECT key FROM keys WHERE n = ?1 AND epoch = ?2 LIMIT ${CHUNK})`,
    );
    // Everything before the oldest message kept, but the newest compaction: windows begin with it.
    this.#oldMarks = database.prepare(
      `DELETE FROM marks WHERE row IN (SELECT row FROM marks WHERE n = ?1 AND epoch = ?2 AND version < coalesce(
        (SELECT version FROM messages WHERE n = ?1 AND epoch = ?2 ORDER BY seq LIMIT 1),
        (SELECT version + 1 FROM heads WHERE n = ?1))
      AND row IS NOT (SELECT row FROM marks WHERE n = ?1 AND epoch = ?2 AND kind = 'compaction'
        ORDER BY version DESC LIMIT 1) LIMIT ${CHUNK})`,
    );
    this.#garbage = database.prepare("SELECT n, epoch FROM garbage LIMIT 1");
    this.#forget = database.prepare("DELETE FROM garbage WHERE n = ? AND epoch = ?");
  }

  /** What a prune is about: a life that begins later is not touched by it. */
  logOf(id: string): Log | undefined {
    const row = this.#find.get(id);
    return row && logIn(row);
  }

  /** Whether there is anything to prune. */
  reaches({ n, epoch }: Log, below: number): boolean {
    return this.#below.get(n, epoch, below) !== undefined;
  }

  prune({ n, epoch }: Log, below: number): boolean {
    return this.#slice(
      () => this.#messages.run(n, epoch, below),
      () => this.#oldMarks.run(n, epoch),
    );
  }

  /** Deletes what purges left. */
  sweep(): boolean {
    const row = this.#garbage.get();
    if (row === undefined) return false;
    const { n, epoch } = logIn(row);
    this.#slice(
      () => this.#messages.run(n, epoch, Number.MAX_SAFE_INTEGER),
      () => this.#marks.run(n, epoch, Number.MAX_SAFE_INTEGER),
      () => this.#keys.run(n, epoch),
      () => this.#forget.run(n, epoch),
    );
    return true;
  }

  /** Repeats each step until it finds nothing more, until the time is up. */
  #slice(...steps: (() => { changes: number | bigint })[]): boolean {
    const end = performance.now() + SLICE;
    // What a slice deleted is deleted again by the next one, if it must be: no failure of it is uncertain.
    return transact(
      this.#database,
      () => true,
      () => {
        for (const step of steps) {
          while (Number(step().changes) > 0) if (performance.now() >= end) return true;
        }
        return false;
      },
    );
  }
}

function logIn(row: Row): Log {
  return { n: integer(row["n"]), epoch: integer(row["epoch"]) };
}

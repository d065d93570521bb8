import type { DatabaseSync, StatementSync } from "node:sqlite";
import { integer, text, type Log, type Row } from "./columns.js";
import { packed, unpacked, type Tail } from "./tail.js";
import { transact } from "./transaction.js";

/** Rows that one statement deletes. */
const CHUNK = 25;
/** Milliseconds after which a slice ends, so that commits can pass. */
const SLICE = 5;
const ROW_TABLES = { messages: "seq", marks: "version" } as const;

/** Everything before the oldest message kept, but the newest compaction: windows begin with it. */
const OLD_MARKS = `SELECT row FROM marks WHERE n = ?1 AND epoch = ?2 AND version < coalesce(
    (SELECT version FROM messages WHERE n = ?1 AND epoch = ?2 ORDER BY seq LIMIT 1), ?3)
  AND row IS NOT (SELECT row FROM marks WHERE n = ?1 AND epoch = ?2 AND kind = 'compaction'
    ORDER BY version DESC LIMIT 1)`;

interface Changes {
  readonly changes: number | bigint;
}

/** What a prune frees. A life that begins later is another log, and not touched by it. */
export interface Pruning extends Log {
  /** Messages below this seq. */
  readonly below: number;
}

/**
 * Deletes what no read finds any more, in transactions of a few milliseconds each. Every method does one slice and
 * tells whether another one is needed.
 */
export class Slices {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #head: StatementSync;
  readonly #shorten: StatementSync;
  readonly #below: StatementSync;
  readonly #messages: StatementSync;
  readonly #marks: StatementSync;
  readonly #keys: StatementSync;
  readonly #oldMark: StatementSync;
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
    this.#find = database.prepare("SELECT n, epoch, first_seq FROM heads WHERE id = ?");
    this.#head = database.prepare("SELECT epoch, version, tail FROM heads WHERE n = ?");
    this.#shorten = database.prepare("UPDATE heads SET tail = ? WHERE n = ?");
    this.#below = database.prepare("SELECT 1 FROM messages WHERE n = ? AND epoch = ? AND seq < ? LIMIT 1");
    this.#messages = below("messages");
    this.#marks = below("marks");
    this.#keys = database.prepare(
      `DELETE FROM keys WHERE n = ?1 AND epoch = ?2 AND key IN (
      SELECT key FROM keys WHERE n = ?1 AND epoch = ?2 LIMIT ${CHUNK})`,
    );
    this.#oldMark = database.prepare(`${OLD_MARKS} LIMIT 1`);
    this.#oldMarks = database.prepare(`DELETE FROM marks WHERE row IN (${OLD_MARKS} LIMIT ${CHUNK})`);
    this.#garbage = database.prepare("SELECT n, epoch FROM garbage LIMIT 1");
    this.#forget = database.prepare("DELETE FROM garbage WHERE n = ? AND epoch = ?");
  }

  /** @returns `undefined` where there is nothing to prune: no messages, and no marks that only they or a newer compaction kept */
  pruning(id: string, below: number): Pruning | undefined {
    const row = this.#find.get(id);
    if (row === undefined) return undefined;
    const pruning = { ...logIn(row), below: Math.min(below, integer(row["first_seq"])) };
    const { n, epoch } = pruning;
    // The tail first: what another process moves from there in between is in the table then.
    const [first] = this.#tailOf(pruning).messages;
    const reaches =
      (first !== undefined && first.seq < pruning.below) ||
      this.#below.get(n, epoch, pruning.below) !== undefined ||
      this.#oldMark.get(n, epoch, this.#oldestInTail(pruning)) !== undefined;
    return reaches ? pruning : undefined;
  }

  prune(pruning: Pruning): boolean {
    const { n, epoch, below } = pruning;
    return this.#slice(
      () => this.#messages.run(n, epoch, below),
      () => this.#pruneTail(pruning),
      () => this.#oldMarks.run(n, epoch, this.#oldestInTail(pruning)),
    );
  }

  #pruneTail(pruning: Pruning): Changes {
    const { messages, keys } = this.#tailOf(pruning);
    const kept = messages.filter(({ seq }) => seq >= pruning.below);
    if (kept.length === messages.length) return { changes: 0 };
    return this.#shorten.run(packed({ messages: kept, keys }), pruning.n);
  }

  /** The version of the oldest message in the tail; one that is to come where there is none. */
  #oldestInTail(log: Log): number {
    const [first] = this.#tailOf(log).messages;
    return first?.version ?? integer(this.#head.get(log.n)?.["version"]) + 1;
  }

  #tailOf({ n, epoch }: Log): Tail {
    const row = this.#head.get(n);
    // The tail of a later life is another log's.
    return unpacked(row?.["epoch"] === epoch ? text(row["tail"]) : "");
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
  #slice(...steps: (() => Changes)[]): boolean {
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

import type { Head, KeyRecord, ListPage, ListPosition, ListQuery, Mark, StoredMessage } from "@fastpaca/core";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HEAD, headOf, integer, keyOf, markOf, messageOf } from "./columns.js";

/** Index entries that one slice of a labelled listing looks at. */
const SLICE = 500;
/** Labels are told apart by how common they are up to this many conversations. */
const COMMON = 10_000;
/** Before every head: places are left out themselves. */
const NEWEST: Place = { updatedAt: 2 ** 53, n: 0 };

/** A place in the order of listings: `n` of the head breaks ties. */
interface Place {
  readonly updatedAt: number;
  readonly n: number;
}

/** The statements of this class, also for tests of how SQLite plans them. */
export const QUERIES = {
  head: `SELECT ${HEAD} FROM heads WHERE id = ?`,
  messages: `SELECT seq, m.version, tokens, inserted_at, body FROM heads h
    CROSS JOIN messages m ON m.n = h.n AND m.epoch = h.epoch
    WHERE h.id = ? AND seq BETWEEN ? AND ? ORDER BY seq`,
  marks: `SELECT m.version, kind, at, body FROM heads h
    CROSS JOIN marks m ON m.n = h.n AND m.epoch = h.epoch
    WHERE h.id = ? AND m.version > ? ORDER BY m.version LIMIT ?`,
  // One statement for all, so that the keys of one commit are seen together.
  keys: `SELECT k.key, hash, k.first_seq, k.last_seq, k.version, tokens FROM heads h
    CROSS JOIN json_each(?) wanted
    CROSS JOIN keys k ON k.n = h.n AND k.epoch = h.epoch AND k.key = wanted.value WHERE h.id = ?`,
  // Two statements, as SQLite does not use the index for a comparison of pairs with the row's own number.
  sameTime: `SELECT ${HEAD} FROM heads WHERE purged = 0 AND updated_at = ? AND n < ? ORDER BY n DESC LIMIT ?`,
  recent: `SELECT ${HEAD} FROM heads WHERE purged = 0 AND updated_at < ? ORDER BY updated_at DESC, n DESC LIMIT ?`,
  // Rows whose conversation lacks one of the labels come without a head: they only move the slice on.
  labelled: `SELECT l.updated_at AS place_at, l.n AS place_n, h.* FROM labels l
    LEFT JOIN heads h ON h.n = l.n AND NOT EXISTS (
      SELECT 1 FROM json_each(?) other WHERE NOT EXISTS (
        SELECT 1 FROM labels o WHERE o.label = other.value AND o.updated_at = l.updated_at AND o.n = l.n))
    WHERE l.label = ? AND (l.updated_at, l.n) < (?, ?)
    ORDER BY l.updated_at DESC, l.n DESC LIMIT ?`,
  common: "SELECT count(*) AS carriers FROM (SELECT 1 FROM labels WHERE label = ? LIMIT ?)",
  place: "SELECT n FROM heads WHERE id = ?",
} as const;

/** Reads. Each statement sees one state of the database: all that was committed when it began, and nothing newer. */
export class Reads {
  readonly #head: StatementSync;
  readonly #messages: StatementSync;
  readonly #marks: StatementSync;
  readonly #keys: StatementSync;
  readonly #sameTime: StatementSync;
  readonly #recent: StatementSync;
  readonly #labelled: StatementSync;
  readonly #common: StatementSync;
  readonly #place: StatementSync;

  constructor(database: DatabaseSync) {
    this.#head = database.prepare(QUERIES.head);
    this.#messages = database.prepare(QUERIES.messages);
    this.#marks = database.prepare(QUERIES.marks);
    this.#keys = database.prepare(QUERIES.keys);
    this.#sameTime = database.prepare(QUERIES.sameTime);
    this.#recent = database.prepare(QUERIES.recent);
    this.#labelled = database.prepare(QUERIES.labelled);
    this.#common = database.prepare(QUERIES.common);
    this.#place = database.prepare(QUERIES.place);
  }

  heads(ids: readonly string[]): (Head | undefined)[] {
    return ids.map((id) => {
      const row = this.#head.get(id);
      return row && headOf(row);
    });
  }

  messages(id: string, from: number, to: number): StoredMessage[] {
    return this.#messages.all(id, from, to).map(messageOf);
  }

  marks(id: string, after: number, limit: number): Mark[] {
    return this.#marks.all(id, after, limit).map(markOf);
  }

  keys(id: string, keys: readonly string[]): KeyRecord[] {
    return this.#keys.all(JSON.stringify([...new Set(keys)]), id).map(keyOf);
  }

  /**
   * Yields where other work may pass: conversations that carry one of several labels, but not all of them, are looked
   * at in vain, and there may be any number of them.
   */
  *list({ limit, labels, after }: ListQuery): Generator<undefined, ListPage> {
    const from = after === undefined ? NEWEST : this.#placeOf(after);
    const heads =
      labels.length === 0 ? this.#byRecency(from, limit + 1) : yield* this.#byLabels(from, limit + 1, labels);
    const last = heads[limit - 1];
    if (heads.length <= limit || last === undefined) return { heads };
    return { heads: heads.slice(0, limit), next: { updatedAt: last.updatedAt, id: last.id } };
  }

  #byRecency({ updatedAt, n }: Place, wanted: number): Head[] {
    const rows = this.#sameTime.all(updatedAt, n, wanted);
    if (rows.length < wanted) rows.push(...this.#recent.all(updatedAt, wanted - rows.length));
    return rows.map(headOf);
  }

  *#byLabels(from: Place, wanted: number, labels: readonly string[]): Generator<undefined, Head[]> {
    const [first, ...others] = labels
      .map((label) => ({ label, carriers: integer(this.#common.get(label, COMMON)?.["carriers"]) }))
      .sort((a, b) => a.carriers - b.carriers)
      .map(({ label }) => label);
    const heads: Head[] = [];
    for (let place = from; first !== undefined;) {
      const slice = others.length === 0 ? wanted - heads.length : SLICE;
      const rows = this.#labelled.all(JSON.stringify(others), first, place.updatedAt, place.n, slice);
      for (const row of rows) {
        if (row["id"] !== null && heads.length < wanted) heads.push(headOf(row));
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < slice || heads.length >= wanted) break;
      place = { updatedAt: integer(last["place_at"]), n: integer(last["place_n"]) };
      yield;
    }
    return heads;
  }

  #placeOf({ updatedAt, id }: ListPosition): Place {
    const row = this.#place.get(id);
    return { updatedAt, n: row === undefined ? 0 : integer(row["n"]) };
  }
}

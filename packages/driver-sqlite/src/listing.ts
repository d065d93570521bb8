import type { Head, ListPage, ListPosition, ListQuery } from "@fastpaca/core";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HEAD, headOf, integer, secondOf, type Row } from "./columns.js";

/** Index entries that one slice of a listing looks at, at most. */
const SLICE = 500;
/** Entries beyond those wanted that the first slice looks at: as a rule it then sees the end of its last second. */
const MORE = 16;
/** Labels are told apart by how common they are up to this many conversations. */
const COMMON = 10_000;
/** Before every head: places are left out themselves. */
const NEWEST: Place = { updatedAt: 2 ** 53, n: 0 };

/** A place in the order of listings: `n` of the head breaks ties. */
interface Place {
  readonly updatedAt: number;
  readonly n: number;
}

/** {@link HEAD} of a table that is called `h` beside others. */
const HEAD_OF_H = HEAD.replaceAll(/\w+/g, "h.$&");

export const LISTING = {
  // Two statements, as SQLite does not use the index for a comparison of pairs with the row's own number.
  sameSecond: `SELECT n, updated_at FROM heads WHERE purged = 0 AND updated_second = ? AND n < ?
    ORDER BY n DESC LIMIT ?`,
  earlier: `SELECT n, updated_at FROM heads WHERE purged = 0 AND updated_second < ?
    ORDER BY updated_second DESC, n DESC LIMIT ?`,
  at: `SELECT ${HEAD} FROM heads WHERE n = ?`,
  // Rows whose conversation lacks one of the labels come without a head: they only move the slice on.
  labelled: `SELECT l.updated_at AS place_at, l.n AS place_n, ${HEAD_OF_H} FROM labels l
    LEFT JOIN heads h ON h.n = l.n AND NOT EXISTS (
      SELECT 1 FROM json_each(?) other WHERE NOT EXISTS (
        SELECT 1 FROM labels o WHERE o.label = other.value AND o.updated_at = l.updated_at AND o.n = l.n))
    WHERE l.label = ? AND (l.updated_at, l.n) < (?, ?)
    ORDER BY l.updated_at DESC, l.n DESC LIMIT ?`,
  common: "SELECT count(*) AS carriers FROM (SELECT 1 FROM labels WHERE label = ? LIMIT ?)",
  place: "SELECT n FROM heads WHERE id = ?",
} as const;

/** Listings, in slices between which other work may pass. */
export class Listing {
  readonly #sameSecond: StatementSync;
  readonly #earlier: StatementSync;
  readonly #at: StatementSync;
  readonly #labelled: StatementSync;
  readonly #common: StatementSync;
  readonly #place: StatementSync;

  constructor(database: DatabaseSync) {
    this.#sameSecond = database.prepare(LISTING.sameSecond);
    this.#earlier = database.prepare(LISTING.earlier);
    this.#at = database.prepare(LISTING.at);
    this.#labelled = database.prepare(LISTING.labelled);
    this.#common = database.prepare(LISTING.common);
    this.#place = database.prepare(LISTING.place);
  }

  /**
   * Yields where other work may pass: conversations that carry one of several labels, but not all of them, are looked
   * at in vain, and so are those that changed in the same second as the last one of the page. There may be any number.
   */
  *list({ limit, labels, after }: ListQuery): Generator<undefined, ListPage> {
    const from = after === undefined ? NEWEST : this.#placeOf(after);
    if (labels.length === 0) return this.#page(yield* this.#byRecency(from, limit + 1), limit);
    const heads = yield* this.#byLabels(from, limit + 1, labels);
    const last = heads[limit - 1];
    if (heads.length <= limit || last === undefined) return { heads };
    return { heads: heads.slice(0, limit), next: { updatedAt: last.updatedAt, id: last.id } };
  }

  /** The heads at the first `limit` of the places; there is a next page where there are more. */
  #page(places: readonly Place[], limit: number): ListPage {
    const heads: Head[] = [];
    let next: ListPosition | undefined;
    for (const [index, { updatedAt, n }] of places.slice(0, limit).entries()) {
      const row = this.#at.get(n);
      if (row === undefined) continue;
      const head = headOf(row);
      // One that changed since it was found has moved to an earlier page.
      if (head.updatedAt === updatedAt && !head.purged) heads.push(head);
      if (index === limit - 1 && places.length > limit) next = { updatedAt, id: head.id };
    }
    return next === undefined ? { heads } : { heads, next };
  }

  /** The first places behind `from`. The index knows the order of the seconds, not that within one. */
  *#byRecency(from: Place, wanted: number): Generator<undefined, Place[]> {
    const first = secondOf(from.updatedAt);
    const behind = (place: Place): boolean => compare(from, place) < 0;
    let places: Place[] = [];
    let slice = wanted + MORE;
    let cursor: Place | undefined;
    for (;;) {
      const rows = this.#entries(cursor, first, slice).map(placeIn);
      places.push(...rows.filter(behind));
      places = places.sort(compare).slice(0, wanted);
      const [last, worst] = [rows.at(-1), places[wanted - 1]];
      // What follows is of the same second as the last entry, or of an earlier one.
      const settled =
        last !== undefined && worst !== undefined && secondOf(last.updatedAt) < secondOf(worst.updatedAt);
      if (last === undefined || rows.length < slice || settled) return places;
      cursor = last;
      slice = SLICE;
      yield;
    }
  }

  /** Entries of the index behind the cursor; from the beginning of the second `first` where there is none. */
  #entries(cursor: Place | undefined, first: number, wanted: number): Row[] {
    const second = cursor === undefined ? first : secondOf(cursor.updatedAt);
    const rows = this.#sameSecond.all(second, cursor?.n ?? Number.MAX_SAFE_INTEGER, wanted);
    if (rows.length < wanted) rows.push(...this.#earlier.all(second, wanted - rows.length));
    return rows;
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

function placeIn(row: Row): Place {
  return { updatedAt: integer(row["updated_at"]), n: integer(row["n"]) };
}

/** In the order of listings. */
function compare(one: Place, other: Place): number {
  return other.updatedAt - one.updatedAt || other.n - one.n;
}

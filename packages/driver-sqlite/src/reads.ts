import type { Head, KeyRecord, ListPage, ListQuery, Mark, StoredMessage } from "@fastpaca/core";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HEAD, headOf, integer, keyOf, markOf, messageOf, text } from "./columns.js";
import { Listing, LISTING } from "./listing.js";
import { heldIn, unpacked } from "./tail.js";
import { ReadTransaction } from "./transaction.js";

/** The statements of this class and of listings, also for tests of how SQLite plans them. */
export const QUERIES = {
  head: `SELECT ${HEAD} FROM heads WHERE id = ?`,
  log: "SELECT n, epoch, tail FROM heads WHERE id = ?",
  messages: `SELECT seq, version, tokens, inserted_at, body FROM messages
    WHERE n = ? AND epoch = ? AND seq BETWEEN ? AND ? ORDER BY seq`,
  marks: `SELECT m.version, kind, at, body FROM heads h
    CROSS JOIN marks m ON m.n = h.n AND m.epoch = h.epoch
    WHERE h.id = ? AND m.version > ? ORDER BY m.version LIMIT ?`,
  keys: `SELECT k.key, hash, first_seq, last_seq, version, tokens FROM json_each(?) wanted
    CROSS JOIN keys k ON k.n = ? AND k.epoch = ? AND k.key = wanted.value`,
  ...LISTING,
} as const;

/**
 * Reads. Each sees one state of the database: all that was committed when it began, and nothing newer; a long
 * listing, that of each of its slices.
 */
export class Reads {
  readonly #head: StatementSync;
  readonly #log: StatementSync;
  readonly #messages: StatementSync;
  readonly #marks: StatementSync;
  readonly #keys: StatementSync;
  /** The tail and the table as they are at one moment: another process may move messages from one to the other. */
  readonly #atOnce: ReadTransaction;
  readonly #listing: Listing;

  constructor(database: DatabaseSync) {
    this.#head = database.prepare(QUERIES.head);
    this.#log = database.prepare(QUERIES.log);
    this.#messages = database.prepare(QUERIES.messages);
    this.#marks = database.prepare(QUERIES.marks);
    this.#keys = database.prepare(QUERIES.keys);
    this.#atOnce = new ReadTransaction(database);
    this.#listing = new Listing(database);
  }

  heads(ids: readonly string[]): (Head | undefined)[] {
    return ids.map((id) => {
      const row = this.#head.get(id);
      return row && headOf(row);
    });
  }

  messages(id: string, from: number, to: number): StoredMessage[] {
    return this.#atOnce.run(() => {
      const log = this.#log.get(id);
      if (log === undefined) return [];
      const recent = unpacked(text(log["tail"])).messages;
      const [first] = recent;
      const stored =
        first !== undefined && first.seq <= from
          ? []
          : this.#messages.all(integer(log["n"]), integer(log["epoch"]), from, to).map(messageOf);
      for (const message of recent) if (message.seq >= from && message.seq <= to) stored.push(message);
      return stored;
    });
  }

  marks(id: string, after: number, limit: number): Mark[] {
    return this.#marks.all(id, after, limit).map(markOf);
  }

  keys(id: string, keys: readonly string[]): KeyRecord[] {
    return this.#atOnce.run(() => {
      const log = this.#log.get(id);
      if (log === undefined) return [];
      const held = heldIn(text(log["tail"]), keys);
      const wanted = JSON.stringify([...new Set(keys)]);
      return [...held, ...this.#keys.all(wanted, integer(log["n"]), integer(log["epoch"])).map(keyOf)];
    });
  }

  /** Yields where other work may pass. */
  list(query: ListQuery): Generator<undefined, ListPage> {
    return this.#listing.list(query);
  }
}

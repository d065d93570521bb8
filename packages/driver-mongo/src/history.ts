import type { Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import {
  decodeKeys,
  decodeMarks,
  decodeMessages,
  END_OF_KEYS,
  lastSeqOf,
  type CommitDocument,
} from "./commit-document.js";
import { reading, type Database } from "./database.js";
import type { HeadCache } from "./head-cache.js";
import type { Heads } from "./heads.js";
import { settleRead } from "./settling.js";

/** Reads what commits hold beside their heads. */
export class History {
  readonly #database: Database;
  readonly #cache: HeadCache;
  readonly #heads: Heads;

  constructor(database: Database, cache: HeadCache, heads: Heads) {
    this.#database = database;
    this.#cache = cache;
    this.#heads = heads;
  }

  /** Messages of the present life, `from ≤ seq ≤ to`. */
  async messages(id: string, from: number, to: number, signal: AbortSignal): Promise<StoredMessage[]> {
    if (from > to) return [];
    const documents = await this.#inPresentLife(id, signal, async (life) => {
      const beginning = (): Promise<CommitDocument[]> =>
        this.#find(
          { "_id.c": id, l: life, $or: [{ f: 0 }, { f: { $gte: from, $lte: to } }] },
          { f: 1, "_id.r": 1 },
          { f: 1, n: 1, b: 1 },
          signal,
        );
      let found = await beginning();
      if (from > 1 && found[0]?.f !== 0 && !found.some(({ f, n }) => f === from && n !== undefined)) {
        // A commit may begin before the range and reach into it. One that a prune emptied has no messages.
        const before = await this.#find(
          { "_id.c": id, l: life, f: { $gt: 0, $lt: from }, n: { $exists: true } },
          { f: -1, "_id.r": -1 },
          { f: 1, n: 1, b: 1 },
          signal,
          1,
        );
        if (before.some((document) => (lastSeqOf(document) ?? 0) >= from)) found = [...before, ...found];
        // Unless a prune has moved its beginning into the range in between: it is found there then, for good.
        else found = await beginning();
      }
      return found.some(({ f }) => f === 0) ? undefined : found;
    });
    // A prune may move a commit ahead of the search, which then finds it twice.
    let last = from - 1;
    return documents.flatMap(decodeMessages).filter(({ seq }) => {
      if (seq <= last || seq > to) return false;
      last = seq;
      return true;
    });
  }

  /** At most `limit` marks of the present life behind a version. */
  async marks(id: string, after: number, limit: number, signal: AbortSignal): Promise<Mark[]> {
    const documents = await this.#inPresentLife(id, signal, async (life) => {
      const found = await this.#find(
        { "_id.c": id, l: life, $or: [{ m: 0 }, { m: { $gt: after } }] },
        { m: 1 },
        { m: 1, w: 1 },
        signal,
        limit + 1,
      );
      return found[0]?.m === 0 ? undefined : found;
    });
    return documents
      .flatMap(decodeMarks)
      .filter(({ version }) => version > after)
      .slice(0, limit);
  }

  /** Those of the keys that the present life holds. */
  async keys(id: string, keys: readonly string[], signal: AbortSignal): Promise<KeyRecord[]> {
    const documents = await this.#inPresentLife(id, signal, async (life) => {
      const filter = { "_id.c": id, l: life, k: { $in: [...keys, END_OF_KEYS] } };
      const found = await this.#find(filter, undefined, { k: 1, q: 1 }, signal);
      return found.some(({ k }) => k?.[0] === END_OF_KEYS) ? undefined : found;
    });
    // Whoever is told of a key takes its append for done.
    await settleRead(this.#database, documents, signal);
    const wanted = new Set(keys);
    return documents.flatMap(decodeKeys).filter(({ key }) => wanted.has(key));
  }

  /**
   * Searches one life of a conversation. Which one is present may have changed since it was last looked up: the search
   * then meets the end of the life, answers undefined, and is repeated in the one that is present.
   */
  async #inPresentLife(
    id: string,
    signal: AbortSignal,
    search: (life: number) => Promise<CommitDocument[] | undefined>,
  ): Promise<CommitDocument[]> {
    let head: Head | undefined = this.#cache.get(id)?.head;
    if (head === undefined || head.purged) [head] = await this.#heads.latest([id], signal);
    while (head !== undefined && !head.purged) {
      const found = await search(head.life);
      if (found !== undefined) return found;
      [head] = await this.#heads.newest([id], signal);
    }
    return [];
  }

  #find(
    filter: object,
    sort: Record<string, 1 | -1> | undefined,
    projection: Record<string, 1>,
    signal: AbortSignal,
    limit = 0,
  ): Promise<CommitDocument[]> {
    return this.#database.commits
      .find<CommitDocument>(filter, {
        ...reading(this.#database, signal),
        projection,
        limit,
        batchSize: 1001,
        ...(sort === undefined ? {} : { sort }),
      })
      .toArray();
  }
}

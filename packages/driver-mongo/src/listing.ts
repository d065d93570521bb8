import type { Commit, Head, ListPage, ListPosition, ListQuery } from "@fastpaca/core";
import type { Filter } from "mongodb";
import { command, durable, reading, type Database } from "./database.js";
import type { HeadCache, Listed } from "./head-cache.js";
import type { Heads } from "./heads.js";
import { entryOf, isOver, slotOf, type ListingEntry, type ListingId } from "./listing-entry.js";
import { DUPLICATE_KEY, readWriteReply } from "./server-reply.js";
import type { Sweeper } from "./sweeper.js";

/** Entries read at a time. */
const CHUNK = 1000;

/** Knows in which order conversations changed. */
export class Listing {
  readonly #database: Database;
  readonly #cache: HeadCache;
  readonly #heads: Heads;
  readonly #sweeper: Sweeper;

  constructor(database: Database, cache: HeadCache, heads: Heads, sweeper: Sweeper) {
    this.#database = database;
    this.#cache = cache;
    this.#heads = heads;
    this.#sweeper = sweeper;
  }

  /**
   * Makes sure that each commit's conversation has an entry in the commit's slot. To be called before the commits are
   * inserted. On one log, whoever waits until a commit is durable has waited for its entry too, since that is further
   * up in the same log; a sharded cluster has several logs.
   */
  async announce(commits: readonly Commit[], signal: AbortSignal): Promise<void> {
    const entries: ListingEntry[] = [];
    for (const { id, head } of commits) {
      if (head.purged) continue;
      const { slot, life, labels } = listedAs(head);
      const present = this.#cache.get(id)?.listed;
      if (present?.slot === slot && present.life === life && present.labels === labels) continue;
      const entry: ListingEntry = { _id: entryOf(head) };
      if (head.labels.length > 0) entry.t = [...head.labels];
      entries.push(entry);
    }
    if (entries.length === 0) return;
    const writeConcern = this.#database.deployment === "sharded" ? durable(this.#database) : { w: 1 };
    const insert = { insert: this.#name, documents: entries, ordered: false, writeConcern };
    const { errors } = readWriteReply(await command(this.#database, insert, signal));
    const updates = errors.flatMap(({ index, code, message }) => {
      if (code !== DUPLICATE_KEY) throw new Error(`MongoDB refused an entry of the listing: ${message}`);
      const entry = entries[index];
      if (entry?.t === undefined) return [];
      return [{ q: { _id: entry._id }, u: { $addToSet: { t: { $each: entry.t } } } }];
    });
    if (updates.length === 0) return;
    const update = { update: this.#name, updates, ordered: false, writeConcern };
    const [failure] = readWriteReply(await command(this.#database, update, signal)).errors;
    if (failure !== undefined) throw new Error(`MongoDB refused labels of the listing: ${failure.message}`);
  }

  /** Takes note that a conversation has left the slot of an earlier head, or ended its life. */
  outdate(before: Head, now: Head): void {
    const entry = entryOf(before);
    if (isOver(entry, now)) this.#sweeper.add(entry);
  }

  async list({ limit, labels, after }: ListQuery, signal: AbortSignal): Promise<ListPage> {
    const page: Head[] = [];
    let last: ListingId | undefined;
    let upTo: Filter<ListingEntry> =
      after === undefined ? {} : { _id: { $lt: { s: slotOf(after.updatedAt) + 1, c: "" } } };
    /** Entries whose heads are not read yet. The order of a slot is known when all of it has been. */
    let waiting: ListingId[] = [];
    const take = async (): Promise<void> => {
      page.push(...(await this.#order(waiting, labels, after, signal)));
      waiting = [];
    };
    for (;;) {
      const chunk = await this.#chunk(upTo, labels, signal);
      for (const entry of chunk) {
        const before = waiting.at(-1);
        // As many slots together as the page needs at least: most have few entries, and each reading takes its time.
        if (before !== undefined && before.s !== entry.s && waiting.length > limit - page.length) {
          await take();
          if (page.length > limit) break;
        }
        waiting.push(entry);
      }
      if (page.length > limit) break;
      last = chunk.at(-1);
      if (last === undefined || chunk.length < CHUNK) {
        await take();
        break;
      }
      upTo = { _id: { $lt: last } };
    }
    const heads = page.slice(0, limit);
    const end = heads.at(-1);
    if (end === undefined || page.length <= limit) return { heads };
    return { heads, next: { updatedAt: end.updatedAt, id: end.id } };
  }

  async #chunk(
    upTo: Filter<ListingEntry>,
    labels: readonly string[],
    signal: AbortSignal,
  ): Promise<ListingId[]> {
    const filter = labels.length === 0 ? upTo : { ...upTo, t: { $all: [...labels] } };
    const entries = await this.#database.listing
      .find(filter, {
        ...reading(this.#database, signal),
        projection: { _id: 1 },
        sort: { _id: -1 },
        limit: CHUNK,
        batchSize: CHUNK + 1,
      })
      .toArray();
    return entries.map(({ _id }) => _id);
  }

  /** The conversations of some slots that belong there, in their order, behind the position. */
  async #order(
    slots: readonly ListingId[],
    labels: readonly string[],
    after: ListPosition | undefined,
    signal: AbortSignal,
  ): Promise<Head[]> {
    // Several lives of a conversation may have entries here.
    const heads = new Map<string, Head>();
    for (let start = 0; start < slots.length; start += CHUNK) {
      const entries = slots.slice(start, start + CHUNK);
      const found = await this.#heads.latest(
        entries.map(({ c }) => c),
        signal,
      );
      const outdated: ListingId[] = [];
      for (const [index, head] of found.entries()) {
        const entry = entries[index];
        if (head === undefined || entry === undefined) continue; // Its creation is on its way, or never came.
        if (isOver(entry, head)) outdated.push(entry);
        if (slotOf(head.updatedAt) !== entry.s || head.purged) continue;
        if (labels.every((label) => head.labels.includes(label))) heads.set(head.id, head);
      }
      // At once: should the time not do for all of them, it does the next time.
      if (outdated.length > 0) await this.#sweeper.remove(outdated, signal);
    }
    return [...heads.values()]
      .filter((head) => after === undefined || byRecency(after, head) < 0)
      .sort(byRecency);
  }

  get #name(): string {
    return this.#database.listing.collectionName;
  }
}

/** Where the listing shows a head. */
export function listedAs({ updatedAt, life, labels }: Head): Listed {
  return { slot: slotOf(updatedAt), life, labels: labels.join("\n") };
}

/** Most recently changed first; of those that changed in the same millisecond, by id. */
function byRecency(a: ListPosition, b: ListPosition): number {
  return b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

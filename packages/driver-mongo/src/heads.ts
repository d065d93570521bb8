import type { Head } from "@fastpaca/core";
import { MaxKey, MinKey } from "mongodb";
import { decodeHead, type CommitDocument } from "./commit-document.js";
import { command, reading, routed, type Database } from "./database.js";
import type { HeadCache } from "./head-cache.js";
import { readConversations } from "./server-reply.js";
import { settleRead } from "./settling.js";

/**
 * Finds heads. The head of a conversation is in its newest commit, and revisions have no gaps: as long as there is no
 * commit `r + 1`, the one that this process remembers at `r` is the newest. So one lookup in the index of `_id`, that
 * touches no document, answers for a whole batch that nothing has changed.
 */
export class Heads {
  readonly #database: Database;
  readonly #cache: HeadCache;

  constructor(database: Database, cache: HeadCache) {
    this.#database = database;
    this.#cache = cache;
  }

  /**
   * The latest head of each id, in order. Commits are acknowledged when a majority holds them, so that majority reads
   * on the primary show them, but for one case: a primary that was cut off does not know for up to ten seconds that
   * there is another one. A linearizable read has it ask the others first.
   */
  async latest(ids: readonly string[], signal: AbortSignal): Promise<(Head | undefined)[]> {
    const found = new Map<string, Head>();
    const cold: string[] = [];
    for (const id of new Set(ids)) {
      const known = this.#cache.get(id);
      if (known === undefined) cold.push(id);
      else found.set(id, known.head);
    }
    for (const head of await this.newest(cold, signal)) found.set(head.id, head);
    const replicated = this.#database.deployment !== "standalone";
    const coldOnes = new Set(cold);
    const doubtful = replicated ? ids : ids.filter((id) => !coldOnes.has(id));
    const successors = doubtful.map((c) => ({ c, r: (found.get(c)?.revision ?? 0) + 1 }));
    const changed = await this.#present(successors, signal);
    for (const head of await this.newest(changed, signal)) found.set(head.id, head);
    return ids.map((id) => found.get(id));
  }

  /** Heads of those of the ids that have one, in any order, without looking at what is remembered. */
  async newest(ids: readonly string[], signal: AbortSignal): Promise<Head[]> {
    if (ids.length === 0) return [];
    const { db, commits, deployment } = this.#database;
    const documents = await db
      .aggregate<CommitDocument>(newestCommits(commits.collectionName, ids, deployment === "sharded"), {
        ...reading(this.#database, signal),
        batchSize: ids.length + 1,
      })
      .toArray();
    await settleRead(this.#database, documents, signal);
    return documents.map((document) => {
      const head = decodeHead(document);
      const listed = this.#cache.get(head.id)?.listed;
      this.#cache.put({ head, listed });
      return head;
    });
  }

  /** Conversations that have the commits in question. */
  async #present(wanted: readonly { c: string; r: number }[], signal: AbortSignal): Promise<string[]> {
    if (wanted.length === 0) return [];
    const ids = wanted.map(({ c }) => c);
    const standalone = this.#database.deployment === "standalone";
    const reply = await command(
      this.#database,
      {
        find: this.#database.commits.collectionName,
        filter: routed(this.#database, ids, { _id: { $in: wanted } }),
        projection: { _id: 1 },
        hint: "_id_",
        batchSize: wanted.length + 1,
        singleBatch: true,
        readConcern: { level: standalone ? "local" : "linearizable" },
        maxTimeMS: 4_000,
      },
      signal,
    );
    return readConversations(reply);
  }
}

/**
 * A pipeline on the database that takes, for each id, the last entry of its range in the index of `_id`, and one
 * document.
 */
function newestCommits(collection: string, ids: readonly string[], sharded: boolean): object[] {
  const inRange = [{ $gte: ["$_id", "$$first"] }, { $lte: ["$_id", "$$last"] }];
  return [
    {
      // Literally: an id may begin with a dollar, and would be a path.
      $documents: {
        $literal: ids.map((c) => ({ c, first: { c, r: new MinKey() }, last: { c, r: new MaxKey() } })),
      },
    },
    {
      $lookup: {
        from: collection,
        as: "newest",
        let: { first: "$first", last: "$last" },
        ...(sharded ? { localField: "c", foreignField: "_id.c" } : {}),
        pipeline: [
          { $match: { $expr: { $and: inRange } } },
          { $sort: { _id: -1 } },
          { $limit: 1 },
          { $project: { l: 1, h: 1, d: 1, s: 1 } },
        ],
      },
    },
    { $unwind: "$newest" },
    { $replaceWith: "$newest" },
  ];
}

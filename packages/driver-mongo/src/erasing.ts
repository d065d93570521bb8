import { DriverUnavailableError, type Head, type StoredMessage } from "@fastpaca/core";
import type { Document } from "mongodb";
import {
  CONTENT_FIELDS,
  decodeMarks,
  decodeMessages,
  encodeMarks,
  HEAD_FIELDS,
  keepMessages,
  type CommitDocument,
} from "./commit-document.js";
import { callDeadline, command, durable, reading, type Database } from "./database.js";
import type { Heads } from "./heads.js";
import type { History } from "./history.js";
import { readWriteReply } from "./server-reply.js";

/** Commits that are read and reduced at a time. */
const SLICE = 200;

/**
 * Frees what is not needed any more. Commit documents are reduced and never deleted: a slow writer that still means to
 * insert a revision that was taken must find that it was.
 */
export class Erasing {
  readonly #database: Database;
  readonly #heads: Heads;
  readonly #history: History;
  #stopped = false;

  constructor(database: Database, heads: Heads, history: History) {
    this.#database = database;
    this.#heads = heads;
    this.#history = history;
  }

  /** Ends the work behind the slice that is being worked on. What is left is done by whoever opens the store next. */
  stop(): void {
    this.#stopped = true;
  }

  /** Frees messages below a seq, marks that only they needed, and what else their commits hold. */
  async prune(id: string, below: number): Promise<void> {
    const [head] = await this.#heads.latest([id], callDeadline());
    if (head === undefined || head.purged) return;
    const keep = await this.#keptBy(head, Math.min(below, head.firstSeq));
    // Every commit that is reduced leaves this range, so that the rest of it is what is left to do.
    while (!this.#stopped) {
      const revisions = await this.#pruneSlice(head, keep, { f: { $gte: 1, $lt: keep.from } });
      if (revisions.length === 0) break;
    }
    // Those that begin where the rest does stay in their range: marks of theirs may be old.
    for (let last = 0; !this.#stopped;) {
      const revisions = await this.#pruneSlice(head, keep, { f: keep.from, "_id.r": { $gt: last } });
      if (revisions.length < SLICE) break;
      last = revisions.at(-1) ?? last;
    }
  }

  /** @returns the revisions of the commits that were looked at */
  async #pruneSlice(head: Head, keep: Kept, range: object): Promise<number[]> {
    const documents = await this.#database.commits
      .find<CommitDocument>(
        { "_id.c": head.id, l: head.life, ...range },
        {
          ...reading(this.#database, callDeadline()),
          projection: { f: 1, n: 1, w: 1, k: 1 },
          sort: { f: 1, "_id.r": 1 },
          limit: SLICE,
          batchSize: SLICE + 1,
        },
      )
      .toArray();
    const updates: Document[] = [];
    for (const document of documents) {
      const u = reduction(document, head, keep);
      const { _id, f } = document;
      // If somebody else has reduced it in the meantime, `f` says so.
      if (u !== undefined) updates.push({ q: { "_id.c": _id.c, _id, f }, u });
    }
    await this.#reduce(updates);
    return documents.map(({ _id }) => _id.r);
  }

  async #keptBy(head: Head, below: number): Promise<Kept> {
    const { id, life } = head;
    const oldest = await this.#oldest(head, below);
    const kept = {
      // Whatever was found: others prune and append meanwhile, and what this head keeps stays.
      from: Math.min(oldest?.seq ?? head.lastSeq + 1, head.firstSeq),
      version: oldest?.version ?? head.version + 1,
    };
    const cursor = this.#database.commits.find<CommitDocument>(
      { "_id.c": id, l: life, m: { $gt: 0 } },
      { ...reading(this.#database, callDeadline()), projection: { w: 1 }, sort: { m: -1 }, batchSize: SLICE },
    );
    try {
      for await (const document of cursor) {
        const summary = decodeMarks(document).findLast(({ kind }) => kind === "compaction");
        if (summary !== undefined) return { ...kept, summary: summary.version };
      }
    } finally {
      await cursor.close();
    }
    return { ...kept, summary: undefined };
  }

  /** The oldest message that is not below a seq: more may be gone already. */
  async #oldest({ id, life }: Head, below: number): Promise<StoredMessage | undefined> {
    const [first] = await this.#history.messages(id, below, below, callDeadline());
    if (first !== undefined) return first;
    // Where a commit begins and its first message are of one read: another prune may be at work.
    const next = await this.#database.commits.findOne<CommitDocument>(
      { "_id.c": id, l: life, f: { $gte: below }, n: { $exists: true } },
      {
        ...reading(this.#database, callDeadline()),
        projection: { f: 1, n: 1, b: { $slice: 1 } },
        sort: { f: 1, "_id.r": 1 },
      },
    );
    return next === null ? undefined : decodeMessages(next)[0];
  }

  /** Erases what came before each purge whose erasure is not finished, also those that a crash interrupted. */
  async finishPurges(): Promise<void> {
    const purges = await this.#database.commits
      .find({ e: true }, { ...reading(this.#database, callDeadline()), projection: { _id: 1 } })
      .toArray();
    for (const { _id } of purges) {
      await this.#eraseBefore(_id);
      if (this.#stopped) return;
      await this.#reduce([{ q: { "_id.c": _id.c, _id }, u: { $unset: { e: "" } } }]);
    }
  }

  async #eraseBefore({ c, r }: CommitDocument["_id"]): Promise<void> {
    let done = 0;
    while (!this.#stopped && done < r - 1) {
      const documents = await this.#database.commits
        .find<CommitDocument>(
          { "_id.c": c, _id: { $gt: { c, r: done }, $lt: { c, r } } },
          {
            ...reading(this.#database, callDeadline()),
            projection: { l: 1, f: 1 },
            sort: { _id: 1 },
            hint: "_id_",
            limit: SLICE,
            batchSize: SLICE + 1,
          },
        )
        .toArray();
      // The ends of earlier lives stay: they hold nothing that anybody wrote.
      const filled = documents.filter(({ l, f }) => l !== undefined && f !== 0);
      await this.#reduce(
        filled.map(({ _id }) => ({ q: { "_id.c": c, _id }, u: [{ $replaceWith: { _id: "$_id" } }] })),
      );
      done = documents.at(-1)?._id.r ?? r;
    }
  }

  /** Until the reads that come next show it: they would find the same commits again. */
  async #reduce(updates: readonly Document[]): Promise<void> {
    if (updates.length === 0) return;
    const update = {
      update: this.#database.commits.collectionName,
      updates,
      ordered: false,
      writeConcern: durable(this.#database),
    };
    const { doubt, errors } = readWriteReply(await command(this.#database, update, callDeadline()));
    const problem = doubt ?? errors[0]?.message;
    if (problem !== undefined) throw new DriverUnavailableError(`MongoDB cannot erase: ${problem}`);
  }
}

/** What pruning leaves of a conversation's messages and marks. */
interface Kept {
  /** Messages from this seq on. */
  readonly from: number;
  /** Marks from this version on. */
  readonly version: number;
  /** And the newest compaction, whatever its version. */
  readonly summary: number | undefined;
}

/** How a commit that began before what is kept, or where it begins, is reduced; undefined where it stays as it is. */
function reduction(document: CommitDocument, head: Head, keep: Kept): Document | undefined {
  const newest = document._id.r >= head.revision;
  const { all, kept, n } = keepMessages(document, keep.from);
  const marks = decodeMarks(document);
  const keptMarks = marks.filter(({ version }) => version >= keep.version || version === keep.summary);
  if (!newest && kept === 0 && keptMarks.length === 0) {
    const life = document.k === undefined ? { l: "" } : {};
    return { $unset: { ...life, ...HEAD_FIELDS, ...CONTENT_FIELDS, f: "" } };
  }
  if (document.f === keep.from && kept === all && keptMarks.length === marks.length) return undefined;
  const unset = newest ? {} : HEAD_FIELDS;
  return {
    $set: {
      f: keep.from,
      ...(kept > 0 ? { n } : {}),
      ...(keptMarks.length > 0 ? { w: encodeMarks(keptMarks) } : {}),
    },
    ...(kept > 0 && kept < all ? { $push: { b: { $each: [], $slice: -kept } } } : {}),
    $unset: {
      ...unset,
      ...(kept === 0 ? { n: "", b: "" } : {}),
      ...(keptMarks.length === 0 ? { m: "", w: "" } : {}),
      none: "",
    },
  };
}

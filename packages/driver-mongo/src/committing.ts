import { DriverUnavailableError, type Commit, type CommitOutcome, type Head } from "@fastpaca/core";
import { encodeCommit, sizeAtMost, sizeOf, type CommitDocument } from "./commit-document.js";
import { command, durable, reading, routed, type Database } from "./database.js";
import { asUnavailable, nothingWasDone } from "./failures.js";
import type { HeadCache } from "./head-cache.js";
import type { Heads } from "./heads.js";
import type { History } from "./history.js";
import { listedAs, type Listing } from "./listing.js";
import { DUPLICATE_KEY, readWriteReply, type WriteReply } from "./server-reply.js";
import { settle } from "./settling.js";

/** Bytes of documents in one command: a command is itself a document, and has 16 MiB at most. */
const MAX_COMMAND_BYTES = 16 * 1024 * 1024 - 64 * 1024;

/** A commit, its document, and what came of it. */
interface Attempt {
  readonly commit: Commit;
  readonly document: CommitDocument;
  outcome: CommitOutcome | "conflict" | "held" | undefined;
}

/**
 * Inserts commits. The insert of `{ c: id, r: base + 1 }` is the compare-and-set: `_id` is unique, commits are never
 * deleted, and revisions have no gaps, so that
 *
 * - where revision `base` exists and cannot be taken back, the insert succeeds if and only if `base` is still the
 *   latest: whoever was first has that `_id`, and keeps it through pruning and purging;
 * - where `base` does not exist, it must not be tried: it would succeed, and leave a gap.
 *
 * That `base` exists stays true once it was: so it is enough to have seen it at any time before, in a commit of one's
 * own or in a settled read, and that is what the cache remembers. Only bases that it does not know are made sure of
 * first.
 */
export class Committing {
  readonly #database: Database;
  readonly #cache: HeadCache;
  readonly #heads: Heads;
  readonly #history: History;
  readonly #listing: Listing;

  constructor(database: Database, cache: HeadCache, heads: Heads, history: History, listing: Listing) {
    this.#database = database;
    this.#cache = cache;
    this.#heads = heads;
    this.#history = history;
    this.#listing = listing;
  }

  /** Rejects only where nothing was applied. */
  async commit(commits: readonly Commit[], signal: AbortSignal): Promise<CommitOutcome[]> {
    const attempts = commits.map((commit): Attempt => ({
      commit,
      document: encodeCommit(commit),
      outcome: undefined,
    }));
    await this.#refuseMissingBases(attempts, signal);
    const hopeful = attempts.filter(({ outcome }) => outcome === undefined);
    await this.#listing.announce(
      hopeful.map(({ commit }) => commit),
      signal,
    );
    const parts = partsOf(hopeful);
    const sent = await Promise.allSettled(parts.map((part) => this.#insert(part, signal)));
    // Where nothing of anything was applied, the caller is told why. Elsewhere it has to ask again, part by part.
    const failures = sent.flatMap((result) =>
      result.status === "rejected" ? [result.reason as unknown] : [],
    );
    if (failures.length > 0 && failures.length === parts.length) throw failures[0];
    for (const attempt of hopeful) attempt.outcome ??= { status: "unknown" };
    return this.#explain(attempts, signal);
  }

  /** Marks as conflicts those whose base does not exist. */
  async #refuseMissingBases(attempts: readonly Attempt[], signal: AbortSignal): Promise<void> {
    let doubtful: Attempt[] = [];
    for (const attempt of attempts) {
      const { id, base } = attempt.commit;
      const known = this.#cache.get(id);
      if (known !== undefined && known.head.revision > base) attempt.outcome = "conflict";
      else if (base > 0 && known?.head.revision !== base) doubtful.push(attempt);
    }
    while (doubtful.length > 0) {
      const wanted = doubtful.map(({ commit: { id, base } }) => ({ c: id, r: base }));
      if ((await settle(this.#database, wanted, signal)) === wanted.length) return;
      const ids = wanted.map(({ c }) => c);
      const found = await this.#database.commits
        .find(routed(this.#database, ids, { _id: { $in: wanted } }), {
          ...reading(this.#database, signal),
          projection: { _id: 1 },
          hint: "_id_",
          batchSize: wanted.length + 1,
        })
        .toArray();
      const present = new Set(found.map(({ _id }) => _id.c));
      for (const attempt of doubtful) if (!present.has(attempt.commit.id)) attempt.outcome = "conflict";
      doubtful = doubtful.filter(({ outcome }) => outcome === undefined);
    }
  }

  /** One unordered command. Rejects only where nothing was applied. */
  async #insert(part: readonly Attempt[], signal: AbortSignal): Promise<void> {
    const documents = part.map(({ document }) => document);
    const insert = { insert: this.#name, documents, ordered: false, writeConcern: durable(this.#database) };
    // Not begun when the call's time is over: then it is certain that it was not applied.
    signal.throwIfAborted();
    let reply: WriteReply;
    try {
      reply = readWriteReply(await command(this.#database, insert, signal));
    } catch (error) {
      if (nothingWasDone(error, part.length)) throw asUnavailable("did not take the commits", error);
      for (const attempt of part) attempt.outcome = { status: "unknown" };
      return;
    }
    const { n, errors, doubt } = reply;
    for (const { index, code, fields } of errors) {
      const attempt = part[index];
      if (attempt === undefined) continue;
      if (code !== DUPLICATE_KEY) attempt.outcome = { status: "unknown" };
      else attempt.outcome = fields.includes("k") ? "held" : "conflict";
    }
    const [first] = errors;
    if (n === 0 && first !== undefined && errors.every(({ code }) => code !== DUPLICATE_KEY)) {
      throw new DriverUnavailableError(`MongoDB refused the commits: ${first.message}`);
    }
    for (const attempt of part) {
      if (attempt.outcome !== undefined) continue;
      attempt.outcome = { status: doubt === undefined ? "committed" : "unknown" };
      if (doubt === undefined) this.#remember(attempt.commit);
    }
  }

  #remember({ id, head }: Commit): void {
    const before = this.#cache.get(id)?.head;
    if (before !== undefined) this.#listing.outdate(before, head);
    this.#cache.put({ head, listed: head.purged ? undefined : listedAs(head) });
  }

  /** Finds out the heads that won and the keys that are held. */
  async #explain(attempts: readonly Attempt[], signal: AbortSignal): Promise<CommitOutcome[]> {
    const refused = attempts.filter(({ outcome }) => outcome === "conflict" || outcome === "held");
    const winners = refused.length === 0 ? new Map<string, Head>() : await this.#winners(refused, signal);
    return Promise.all(
      attempts.map(async (attempt): Promise<CommitOutcome> => {
        const { commit, document, outcome } = attempt;
        if (outcome === undefined) return { status: "unknown" };
        if (typeof outcome !== "string") return outcome;
        const head = winners?.get(commit.id);
        // Of two reasons the revision is the one that counts, whichever the server came across first.
        if (outcome === "conflict" || head === undefined || head.revision !== commit.base) {
          if (outcome === "held" && head === undefined) return { status: "unknown" };
          // A base that was missing may have landed since: it has not won against what was decided on it.
          return { status: "conflict", head: head?.revision === commit.base ? undefined : head };
        }
        if (commit.head.purged) return this.#purgeAgain(commit, document, signal);
        return this.#held(attempt, signal);
      }),
    );
  }

  /**
   * Heads of conversations whose revision was taken. The commit that took it may be this very one, handed over before
   * with an unknown outcome: then its head says that it landed, and it must not be said before nothing can take it back.
   * Undefined where that cannot be found out.
   */
  async #winners(refused: readonly Attempt[], signal: AbortSignal): Promise<Map<string, Head> | undefined> {
    try {
      const taken = refused.map(({ commit: { id, base } }) => ({ c: id, r: base + 1 }));
      // On a single server the search itself waits; elsewhere it would miss what a majority does not have yet.
      if (this.#database.deployment !== "standalone") await settle(this.#database, taken, signal);
      const heads = await this.#heads.newest(
        taken.map(({ c }) => c),
        signal,
      );
      return new Map(heads.map((head) => [head.id, head]));
    } catch {
      return undefined; // Rejecting would say that nothing at all was applied: unknown is all that can be said.
    }
  }

  async #held(attempt: Attempt, signal: AbortSignal): Promise<CommitOutcome> {
    const { id, base, keys } = attempt.commit;
    try {
      const held = await this.#history.keys(
        id,
        keys.map(({ key }) => key),
        signal,
      );
      // The life may have ended meanwhile, and its keys with it: what was found is of the one that came then. Whoever
      // ended it took the revision.
      const head = (await this.#winners([attempt], signal))?.get(id);
      if (head === undefined) return { status: "unknown" };
      if (head.revision !== base) return { status: "conflict", head };
      return held.length > 0 ? { status: "duplicate", held } : { status: "unknown" };
    } catch {
      return { status: "unknown" }; // The store hands it over again, and learns then which keys are held.
    }
  }

  /** A life that has ended already: its end stands among the keys, once. */
  async #purgeAgain(commit: Commit, document: CommitDocument, signal: AbortSignal): Promise<CommitOutcome> {
    const { k: _, ...rest } = document;
    const attempt: Attempt = { commit, document: rest, outcome: undefined };
    try {
      await this.#insert([attempt], signal);
    } catch {
      return { status: "unknown" }; // Its neighbours may have landed: the call must not reject.
    }
    const { outcome } = attempt;
    if (typeof outcome === "object") return outcome;
    return { status: "conflict", head: undefined };
  }

  get #name(): string {
    return this.#database.commits.collectionName;
  }
}

/** Divides commits over commands, none of which is too large. */
function partsOf(attempts: readonly Attempt[]): Attempt[][] {
  if (attempts.length === 0) return [];
  const atMost = attempts.reduce((bytes, { document }) => bytes + sizeAtMost(document), 0);
  if (atMost <= MAX_COMMAND_BYTES) return [[...attempts]];
  const parts: Attempt[][] = [];
  let bytes = Infinity;
  for (const attempt of attempts) {
    const size = sizeOf(attempt.document);
    const part = parts.at(-1);
    if (part === undefined || bytes + size > MAX_COMMAND_BYTES) {
      parts.push([attempt]);
      bytes = size;
    } else {
      part.push(attempt);
      bytes += size;
    }
  }
  return parts;
}

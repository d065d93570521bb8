import { setTimeout as pause } from "node:timers/promises";
import { DriverUnavailableError, type Commit, type KeyRecord } from "../driver.js";
import { FastpacaError } from "../errors.js";
import type { Command, Result } from "../semantics/commands.js";
import { decodeHead, encodeState, REMEMBERED_COMMITS, type Conversation } from "../semantics/conversation.js";
import { fold, indexNeeds, type Fold } from "../semantics/fold.js";
import { CommittedIndex, PendingIndex } from "../semantics/window-index.js";
import { asStoreError, type Backend } from "./backend.js";
import type { Batcher } from "./batcher.js";
import { PrunedError, type CachedConversation } from "./cached-conversation.js";
import type { ConversationCache } from "./conversation-cache.js";

/** Commands in one commit. */
const MAX_FOLD = 1000;
/** Bytes of messages in one commit, unless a single command brings more. */
const MAX_FOLD_BYTES = 4 * 1024 * 1024;
/** Waits between two attempts that found nothing new, in milliseconds: from the first, doubling, to the last. */
const FIRST_PAUSE = 10;
const LAST_PAUSE = 500;

/** What a command did, and the revision that the conversation was at then. */
export interface Written {
  readonly result: Result;
  readonly revision: number;
}

/** A command that waits for its commit. */
export interface Waiting {
  readonly command: Command;
  /** At most, of what the command adds to a commit. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  settle(outcome: Written | FastpacaError): void;
}

export interface MailboxParts {
  readonly cache: ConversationCache;
  readonly backend: Backend;
  readonly batcher: Batcher;
  /** Whether other processes may commit to the same conversations. */
  readonly shared: boolean;
  readonly clock: () => number;
  /** A name for one commit, unique among all commits of all stores. */
  readonly nextToken: () => string;
}

/**
 * The commands of one conversation that wait to be written. Whatever waits is folded into one commit, one at a time.
 * Callers are told what a fold decided only after its commit has landed; if it did not, everything is decided again
 * on the head that won.
 */
export class Mailbox {
  readonly id: string;
  readonly #parts: MailboxParts;
  #waiting: Waiting[] = [];

  constructor(id: string, parts: MailboxParts) {
    this.id = id;
    this.#parts = parts;
  }

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  push(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** Refuses the commands whose time is over and that are in no commit yet. */
  expire(now: number): void {
    if (this.#waiting.every(({ deadline }) => deadline > now)) return;
    const expired = this.#waiting.filter(({ deadline }) => deadline <= now);
    this.#waiting = this.#waiting.filter(({ deadline }) => deadline > now);
    settleAll(expired, tooLate());
  }

  /** Writes until nothing waits any more. */
  async drain(): Promise<void> {
    const { cache } = this.#parts;
    try {
      const held = cache.hold(this.id);
      const cached = held instanceof Promise ? await held : held;
      try {
        while (this.#waiting.length > 0) await this.#write(this.#take(), cached);
      } finally {
        cache.release(this.id);
      }
    } catch (error) {
      settleAll(this.#waiting.splice(0), asStoreError(error));
    }
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      if (count > 0 && (count === MAX_FOLD || bytes > MAX_FOLD_BYTES)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Answers every command of the batch, or puts it back to the front. */
  async #write(batch: Waiting[], cached: CachedConversation): Promise<void> {
    const attempt: Attempt = {
      cached,
      batch,
      held: new Map(),
      again: false,
      confirmed: !this.#parts.shared,
    };
    try {
      for (let tries = 0; attempt.batch.length > 0; tries++) {
        const revision = cached.revision;
        await this.#tryOnce(attempt).catch((error: unknown) => this.#recover(error));
        // Nothing was learnt by two attempts: do not spin.
        if (tries > 1 && cached.revision === revision) await pause(backoff(tries - 2));
        this.#dropExpired(attempt);
      }
    } catch (error) {
      settleAll(attempt.batch, asStoreError(error));
    }
  }

  /** The log was pruned or purged while it was read: the head tells more. */
  async #recover(error: unknown): Promise<void> {
    if (!(error instanceof PrunedError)) throw error;
    await this.#parts.cache.refresh(this.id);
  }

  #dropExpired(attempt: Attempt): void {
    const now = this.#parts.clock();
    settleAll(attempt.batch.filter(({ deadline }) => deadline <= now), tooLate());
    attempt.batch = attempt.batch.filter(({ deadline }) => deadline > now);
  }

  /** Folds the batch and commits it; leaves in the attempt what has to be tried again, and what was learnt for it. */
  async #tryOnce(attempt: Attempt): Promise<void> {
    const { cached, batch, held } = attempt;
    const commands = batch.map(({ command }) => command);
    const before = cached.conversation;
    const base = cached.revision;
    const index = await this.#index(cached, commands);
    // A reader may have brought a newer head meanwhile.
    if (cached.revision !== base) return;

    const now = this.#parts.clock();
    const folded = fold(before, commands, { id: this.id, now, index, held });
    if (folded.lookup.length > 0) return this.#lookUp(folded.lookup, held);
    if (folded.after === undefined || folded.after === before) {
      if (!attempt.confirmed) return this.#confirm(attempt);
      return this.#answer(attempt, folded);
    }

    const token = this.#parts.nextToken();
    const after = { ...folded.after, commits: [...folded.after.commits, token].slice(-REMEMBERED_COMMITS) };
    const commit = commitOf(base, after, folded);
    const bytes = batch.reduce((sum, waiting) => sum + waiting.bytes, 0);
    const outcome = await this.#parts.batcher.submit(commit, bytes, attempt.again);
    attempt.again = true;
    if (outcome.status === "unknown") {
      const fate = await this.#learnFate(commit, token, bytes, batch);
      if (fate === "landed") return this.#land(attempt, index, base, after, folded);
      // Keys make it safe to decide again: had the commit landed, the driver would hold them.
      const hopeless = fate === "open" ? batch : batch.filter((waiting) => fate === "forgotten" && !isKeyed(waiting));
      settleAll(hopeless, unknownOutcome());
      attempt.batch = batch.filter((waiting) => !hopeless.includes(waiting));
      held.clear();
      await this.#parts.cache.refresh(this.id);
      return;
    }
    switch (outcome.status) {
      case "committed":
        return this.#land(attempt, index, base, after, folded);
      case "duplicate":
        return this.#lookUp(
          commit.keys.map(({ key }) => key),
          held,
        );
      case "conflict":
        held.clear();
        cached.adopt(outcome.head);
        if (cached.revision === base) await this.#parts.cache.refresh(this.id);
        attempt.confirmed = true;
    }
  }

  #land(
    attempt: Attempt,
    index: PendingIndex | undefined,
    base: number,
    after: Conversation,
    folded: Fold,
  ): void {
    index?.land();
    attempt.cached.land(base + 1, after, folded.messages);
    this.#answer(attempt, folded);
  }

  async #index(cached: CachedConversation, commands: readonly Command[]): Promise<PendingIndex | undefined> {
    const needs = indexNeeds(cached.conversation, commands);
    if (needs === undefined) return undefined;
    const lastSeq = cached.conversation?.lastSeq ?? 0;
    // Nothing to load for a conversation that this commit creates.
    if (lastSeq === 0) return new PendingIndex(new CommittedIndex(1, needs.shaped), 0);
    return new PendingIndex(await cached.index(needs), lastSeq);
  }

  async #lookUp(keys: readonly string[], held: Map<string, KeyRecord | undefined>): Promise<void> {
    const records = await this.#parts.backend.keys(this.id, keys);
    for (const key of keys) held.set(key, undefined);
    for (const record of records) held.set(record.key, record);
  }

  /** Refusals were decided on a head that may be old: they stand only if it is still the latest. */
  async #confirm(attempt: Attempt): Promise<void> {
    const { revision } = attempt.cached;
    await this.#parts.cache.refresh(this.id);
    if (attempt.cached.revision !== revision) attempt.held.clear();
    attempt.confirmed = true;
  }

  #answer(attempt: Attempt, { decisions }: Fold): void {
    const answered = attempt.batch.splice(0, decisions.length);
    const { revision } = attempt.cached;
    for (const [index, waiting] of answered.entries()) {
      const decision = decisions[index] ?? unknownOutcome();
      waiting.settle(decision instanceof FastpacaError ? decision : { result: decision, revision });
    }
    // What did not fit into the same commit waits for the next one.
    this.#waiting.unshift(...attempt.batch.splice(0));
  }

  /**
   * Finds out what became of a commit by handing over the identical one again: its token in the head that wins tells
   * that it had landed.
   */
  async #learnFate(commit: Commit, token: string, bytes: number, batch: readonly Waiting[]): Promise<Fate> {
    const deadline = Math.max(...batch.map((waiting) => waiting.deadline));
    for (let tries = 0; this.#parts.clock() < deadline; tries++) {
      try {
        const outcome = await this.#parts.batcher.submit(commit, bytes, true);
        if (outcome.status === "committed") return "landed";
        if (outcome.status !== "unknown") {
          const head = (outcome.status === "conflict" && outcome.head) || (await this.#parts.backend.head(this.id));
          if (head !== undefined && decodeHead(head).commits.includes(token)) return "landed";
          const passed = (head?.revision ?? 0) - commit.base;
          return passed < REMEMBERED_COMMITS ? "lost" : "forgotten";
        }
      } catch (error) {
        if (!(error instanceof DriverUnavailableError || error instanceof FastpacaError)) throw error;
      }
      await pause(backoff(tries));
    }
    return "open";
  }
}

/**
 * What became of a commit: `lost` and `forgotten` ones never land any more, but of the latter nobody remembers
 * whether they had; `open` ones may still land.
 */
type Fate = "landed" | "lost" | "forgotten" | "open";

interface Attempt {
  readonly cached: CachedConversation;
  batch: Waiting[];
  /** Keys that were looked up. */
  readonly held: Map<string, KeyRecord | undefined>;
  /** A commit of this batch did not land. */
  again: boolean;
  /** The head is not older than the batch, so that even what commits nothing may be decided on it. */
  confirmed: boolean;
}

function commitOf(base: number, after: Conversation, { messages, marks, keys }: Fold): Commit {
  const { window, commits, ...head } = after;
  const state = encodeState(window, commits);
  return { id: after.id, base, head: { ...head, revision: base + 1, state }, messages, marks, keys };
}

function isKeyed({ command }: Waiting): boolean {
  return command.type === "append" && command.key !== undefined;
}

function settleAll(waiting: readonly Waiting[], result: FastpacaError): void {
  for (const { settle } of waiting) settle(result);
}

function tooLate(): FastpacaError {
  return new FastpacaError("unavailable", "the write waited too long; nothing was applied");
}

function unknownOutcome(): FastpacaError {
  return new FastpacaError("outcome_unknown", "the database did not tell whether the write was applied");
}

/** With full jitter, so that stores that collided do not collide again. */
function backoff(tries: number): number {
  return Math.random() * Math.min(LAST_PAUSE, FIRST_PAUSE * 2 ** tries);
}

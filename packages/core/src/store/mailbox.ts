import {
  DriverUnavailableError,
  type Commit,
  type CommitOutcome,
  type KeyRecord,
  type Mark,
  type StoredMessage,
} from "../driver.js";
import { FastpacaError } from "../errors.js";
import type { Command, Result } from "../semantics/commands.js";
import {
  encodeHead,
  REMEMBERED_COMMITS,
  remember,
  remembers,
  type Conversation,
} from "../semantics/conversation.js";
import { fold, indexNeeds, type Fold, type IndexNeeds } from "../semantics/fold.js";
import { NotLoadedError, PendingIndex, type CommittedIndex } from "../semantics/window-index.js";
import { asStoreError, type Backend } from "./backend.js";
import type { Batcher, Submission } from "./batcher.js";
import { PrunedError, type CachedConversation } from "./cached-conversation.js";
import type { ConversationCache } from "./conversation-cache.js";

/** Commands in one commit. */
const MAX_FOLD = 1000;
/** Bytes of messages in one commit, unless a single command brings more. */
const MAX_FOLD_BYTES = 4 * 1024 * 1024;
/** Waits between two attempts that found nothing new, in milliseconds: from the first, doubling, to the last. */
const FIRST_PAUSE = 10;
const LAST_PAUSE = 500;

/** What a command did. */
export interface Written {
  readonly result: Result;
  /** Of the conversation as the result shows it; undefined where a later command of the same commit has changed it. */
  readonly revision: number | undefined;
}

/** A command that waits for its commit. */
export interface Waiting {
  readonly command: Command;
  /** At most, of what the command adds to a commit. */
  readonly bytes: number;
  /** On the clock of `performance.now`, which no change of the time of day moves. */
  readonly deadline: number;
  readonly settle: (outcome: Written | FastpacaError) => void;
}

export interface MailboxParts {
  readonly cache: ConversationCache;
  readonly backend: Backend;
  readonly batcher: Batcher;
  /** Whether other processes may commit to the same conversations. */
  readonly shared: boolean;
  /** What the driver takes. */
  readonly maxCommitBytes: number;
  /** Milliseconds since 1970, for what is stored. */
  readonly clock: () => number;
  /** A name for one commit, unique among all commits of all stores. */
  readonly nextToken: () => string;
  /** Told of each commit that landed, before its callers are. */
  readonly landed: (
    id: string,
    life: number,
    messages: readonly StoredMessage[],
    marks: readonly Mark[],
  ) => void;
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

  push(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** Refuses the commands whose time is over and that are in no commit yet. */
  expire(now: number): void {
    this.#waiting = settleExpired(this.#waiting, now);
  }

  /**
   * Writes until nothing waits any more. In the usual case, where everything is at hand and the first commit lands, it
   * waits only for that commit: this is the path of every append.
   * @param emptied called at that very moment, before anything else can arrive
   */
  async drain(emptied: () => void): Promise<void> {
    const { cache, batcher } = this.#parts;
    try {
      const held = cache.hold(this.id);
      const cached = held instanceof Promise ? await held : held;
      try {
        while (this.#waiting.length > 0) {
          const attempt = this.#attempt(cached);
          for (let tries = 0; attempt.batch.length > 0; tries++) {
            const { revision } = cached;
            try {
              const deciding = this.#decide(attempt);
              const proposal = deciding instanceof Promise ? await deciding : deciding;
              if (proposal !== undefined) {
                const outcome = await batcher.submit(proposal, attempt.again);
                if (outcome.status === "committed") this.#land(attempt, proposal);
                else await this.#learn(attempt, proposal, outcome);
              }
              // Nothing was learnt by two attempts: do not spin.
              const stuck = attempt.batch.length > 0 && tries > 1 && cached.revision === revision;
              if (stuck) await pause(backoff(tries - 2));
            } catch (error) {
              settleAll(
                attempt.batch.splice(0),
                attempt.uncertain ? unknownOutcome() : asStoreError(error, "the store failed"),
              );
            }
            if (attempt.batch.length > 0) attempt.batch = settleExpired(attempt.batch, performance.now());
          }
        }
      } finally {
        cache.release(this.id);
      }
    } catch (error) {
      settleAll(this.#waiting.splice(0), asStoreError(error, "the store failed"));
    }
    emptied();
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    // Half of what the driver takes is left for keys and marks.
    const most = Math.min(MAX_FOLD_BYTES, this.#parts.maxCommitBytes / 2);
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      if (count > 0 && (count === MAX_FOLD || bytes > most)) break;
      count += 1;
    }
    if (count < this.#waiting.length) return this.#waiting.splice(0, count);
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }

  #attempt(cached: CachedConversation): Attempt {
    const { shared } = this.#parts;
    return {
      cached,
      batch: this.#take(),
      held: undefined,
      again: false,
      confirmed: !shared,
      uncertain: false,
    };
  }

  /** What the batch comes to on the present head; undefined where there is nothing to commit, or not yet. */
  #decide(attempt: Attempt): Proposal | undefined | Promise<Proposal | undefined> {
    const { cached, batch } = attempt;
    const commands = batch.map(({ command }) => command);
    const needs = indexNeeds(cached.conversation, commands);
    if (needs === undefined) return this.#propose(attempt, commands, undefined);
    const lastSeq = cached.conversation?.lastSeq ?? 0;
    const index = cached.indexAtHand(needs);
    try {
      // Also without it: as long as nothing leaves the window, nothing of it is asked for.
      return this.#propose(
        attempt,
        commands,
        new PendingIndex(index, lastSeq, index?.shaped ?? needs.shaped),
      );
    } catch (error) {
      if (!(error instanceof NotLoadedError)) throw error;
    }
    const { revision: base } = cached;
    return this.#load(cached, needs).then((loaded) => {
      // The log has moved on, or a reader has brought a newer head meanwhile.
      if (loaded === undefined || cached.revision !== base) return undefined;
      return this.#propose(attempt, commands, new PendingIndex(loaded, lastSeq, loaded.shaped));
    });
  }

  #propose(
    attempt: Attempt,
    commands: readonly Command[],
    index: PendingIndex | undefined,
  ): Proposal | undefined | Promise<undefined> {
    const { cached, batch } = attempt;
    const { conversation: before, revision: base } = cached;
    const held = attempt.held?.revision === base ? attempt.held.keys : undefined;
    const folded = fold(before, commands, { id: this.id, now: this.#parts.clock(), index, held });
    if (folded.lookup.length > 0) return this.#lookUp(attempt, folded.lookup);
    const { after, messages, marks, keys } = folded;
    if (after === undefined || after === before) {
      if (!attempt.confirmed) return this.#confirm(attempt);
      this.#answer(attempt, folded, base);
      return undefined;
    }

    const token = this.#parts.nextToken();
    const commits = remember(cached.commits, token);
    const head = encodeHead(after, base + 1, commits);
    const commit: Commit = { id: this.id, base, head, messages, marks, keys };
    let bytes = 0;
    let deadline = 0;
    for (const waiting of batch) {
      bytes += waiting.bytes;
      deadline = Math.max(deadline, waiting.deadline);
    }
    return { commit, bytes, deadline, folded, after, commits, token, index };
  }

  /** A commit is in the log: takes it over, and tells the callers. */
  #land(attempt: Attempt, { commit, folded, after, commits, index }: Proposal): void {
    const { messages, marks, head } = commit;
    index?.land();
    attempt.cached.land(head.revision, after, commits, messages);
    this.#parts.landed(this.id, head.life, messages, marks);
    this.#answer(attempt, folded, head.revision);
  }

  /** A commit did not land, or that is not known: finds out, and leaves in the attempt what the next one has to know. */
  async #learn(attempt: Attempt, proposal: Proposal, outcome: CommitOutcome): Promise<void> {
    attempt.again = true;
    if (outcome.status === "conflict") attempt.cached.adopt(outcome.head);
    const fate = outcome.status === "unknown" ? await this.#learnFate(proposal) : "lost";
    if (fate === "landed") this.#land(attempt, proposal);
    else if (fate === "open") settleAll(attempt.batch.splice(0), unknownOutcome());
    else {
      const shown = outcome.status === "conflict" && outcome.head !== undefined;
      await this.#prepareNext(attempt, proposal.commit, fate, shown);
    }
  }

  /**
   * A commit did not land, or nobody remembers: learns what the next attempt has to know.
   * @param shown whether the outcome showed the head that won
   */
  async #prepareNext(
    attempt: Attempt,
    { base, keys, head }: Commit,
    fate: "lost" | "forgotten",
    shown: boolean,
  ): Promise<void> {
    const { cached } = attempt;
    if (fate === "forgotten") {
      // Keys make it safe to decide again: had the commit landed, they would be held.
      settleAll(
        attempt.batch.filter((waiting) => !isKeyed(waiting)),
        unknownOutcome(),
      );
      attempt.batch = attempt.batch.filter(isKeyed);
      attempt.uncertain = true;
    }
    // What a reader brought meanwhile may be older than the commands.
    if (!shown) await this.#parts.cache.refresh(this.id);
    const { conversation } = cached;
    if (fate === "forgotten" && (conversation?.life !== head.life || conversation.purged)) {
      // The keys went with the life that they were held in.
      settleAll(attempt.batch.splice(0), unknownOutcome());
      return;
    }
    // Without a newer head it was the keys.
    if (cached.revision === base || fate === "forgotten") {
      const names = keys.map(({ key }) => key);
      await this.#lookUp(attempt, names);
    }
    attempt.uncertain = false;
    attempt.confirmed = true;
  }

  /** Undefined where the conversation was pruned or purged while it was read: the head, read anew, tells more. */
  async #load(cached: CachedConversation, needs: IndexNeeds): Promise<CommittedIndex | undefined> {
    try {
      return await cached.index(needs);
    } catch (error) {
      if (!(error instanceof PrunedError)) throw error;
      await this.#parts.cache.refresh(this.id);
      return undefined;
    }
  }

  async #lookUp(attempt: Attempt, keys: readonly string[]): Promise<undefined> {
    const { revision } = attempt.cached;
    const records = await this.#parts.backend.keys(this.id, keys);
    if (attempt.held?.revision !== revision) attempt.held = { revision, keys: new Map() };
    for (const key of keys) attempt.held.keys.set(key, undefined);
    for (const record of records) attempt.held.keys.set(record.key, record);
    return undefined;
  }

  /** Refusals were decided on a head that may be old: they stand only if it is still the latest. */
  async #confirm(attempt: Attempt): Promise<undefined> {
    await this.#parts.cache.refresh(this.id);
    attempt.confirmed = true;
    return undefined;
  }

  /** @param revision of the conversation after the fold */
  #answer(attempt: Attempt, { decisions, after }: Fold, revision: number): void {
    const { batch } = attempt;
    attempt.batch = [];
    for (let index = 0; index < decisions.length; index++) {
      const decision = decisions[index] ?? unknownOutcome();
      batch[index]?.settle(
        decision instanceof FastpacaError
          ? decision
          : { result: decision, revision: decision.after === after ? revision : undefined },
      );
    }
    // What did not fit into the same commit waits for the next one.
    if (decisions.length < batch.length) this.#waiting.unshift(...batch.slice(decisions.length));
  }

  /**
   * Finds out what became of a commit by handing over the identical one again: its token in the head that wins tells
   * that it had landed.
   */
  async #learnFate(proposal: Proposal): Promise<Fate> {
    const { commit, deadline, token } = proposal;
    for (let tries = 0; performance.now() < deadline; tries++) {
      try {
        const outcome = await this.#parts.batcher.submit(proposal, true);
        if (outcome.status === "committed") return "landed";
        if (outcome.status !== "unknown") {
          const head =
            (outcome.status === "conflict" && outcome.head) || (await this.#parts.backend.head(this.id));
          if (head !== undefined && remembers(head, token)) return "landed";
          const passed = (head?.revision ?? 0) - commit.base;
          return passed < REMEMBERED_COMMITS ? "lost" : "forgotten";
        }
      } catch (error) {
        // Out of reach: the next attempt may tell.
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

/** A batch as a commit, and what is known once it has landed. */
interface Proposal extends Submission {
  readonly folded: Fold;
  readonly after: Conversation;
  /** Tokens of the latest commits, this one's among them. */
  readonly commits: string;
  readonly token: string;
  readonly index: PendingIndex | undefined;
}

/** What was not held is known of one revision only: by the next one it may be. */
interface LookedUp {
  readonly revision: number;
  /** Undefined values: not held. */
  readonly keys: Map<string, KeyRecord | undefined>;
}

interface Attempt {
  readonly cached: CachedConversation;
  batch: Waiting[];
  /** Keys that were looked up. */
  held: LookedUp | undefined;
  /** A commit of this batch did not land. */
  again: boolean;
  /** The head is not older than the batch, so that even what commits nothing may be decided on it. */
  confirmed: boolean;
  /** A commit of this batch may have landed, and only the keys can tell. */
  uncertain: boolean;
}

function isKeyed({ command }: Waiting): boolean {
  return command.type === "append" && command.key !== undefined;
}

function settleAll(waiting: readonly Waiting[], result: FastpacaError): void {
  for (const { settle } of waiting) settle(result);
}

/** Refuses what waited too long, and returns the rest. */
function settleExpired(waiting: Waiting[], now: number): Waiting[] {
  if (waiting.every(({ deadline }) => deadline > now)) return waiting;
  const error = new FastpacaError("unavailable", "the write waited too long; nothing was applied");
  return waiting.filter(({ deadline, settle }) => {
    if (deadline > now) return true;
    settle(error);
    return false;
  });
}

function unknownOutcome(): FastpacaError {
  return new FastpacaError("outcome_unknown", "the database did not tell whether the write was applied");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** With full jitter, so that stores that collided do not collide again. */
function backoff(tries: number): number {
  return Math.random() * Math.min(LAST_PAUSE, FIRST_PAUSE * 2 ** tries);
}

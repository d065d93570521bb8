import type { Driver, Mark, StoredMessage } from "../driver.js";
import { FastpacaError } from "../errors.js";
import { existing, type Surface } from "../semantics/commands.js";
import type { Conversation } from "../semantics/conversation.js";
import type { CachedConversation } from "./cached-conversation.js";
import type { ConversationCache } from "./conversation-cache.js";
import { Feed } from "./feed.js";
import { Subscription } from "./subscription.js";

/** How often conversations with subscribers are looked at for commits made elsewhere, in milliseconds. */
const POLL = 1000;

/** Pause before a driver that could not watch is asked again, in milliseconds. */
const WATCH_AGAIN = 10_000;

interface Slot {
  readonly feed: Feed;
  readonly subscriptions: Set<Subscription>;
  looking: boolean;
  /** Whether to look again: what is being read may be older than the last hint. */
  again: boolean;
}

export interface FeedsParts {
  readonly driver: Driver;
  readonly cache: ConversationCache;
  /** Told of failures that no caller is told of. */
  readonly report: (error: unknown) => void;
}

/** The feeds of all conversations that somebody is subscribed to. */
export class Feeds {
  readonly #parts: FeedsParts;
  readonly #slots = new Map<string, Slot>();
  #poll: NodeJS.Timeout | undefined;
  #watch: Promise<(() => Promise<void>) | undefined> | undefined;
  /** When it may be begun, on the clock of `performance.now`; infinite once it has been, and did not fail. */
  #watchFrom = 0;
  /** When it was last reported that the database is away, on the clock of `performance.now`. */
  #reported = -Infinity;
  #closed = false;

  constructor(parts: FeedsParts) {
    this.#parts = parts;
  }

  /**
   * @param cursor the last version that was processed; undefined: from now on
   * @param messages whether messages are told
   * @throws FastpacaError `not_found`; `unavailable` when the feeds are closed
   */
  async subscribe(
    id: string,
    surface: Surface,
    cursor: number | undefined,
    messages: boolean,
  ): Promise<Subscription> {
    const { cache } = this.#parts;
    this.#demandOpen();
    const cached = await cache.hold(id);
    try {
      // With a shared database, as of now rather than as last seen.
      await cache.current(id);
      this.#demandOpen();
      const slot = this.#slot(cached, existing(cached.conversation, surface));
      const subscription = new Subscription(slot.feed, {
        version: cached.conversation?.version ?? 0,
        cursor,
        context: surface === "context",
        messages,
        refresh: () => cache.refresh(id),
        release: () => this.#release(slot, subscription),
      });
      slot.subscriptions.add(subscription);
      return subscription;
    } catch (error) {
      cache.release(id);
      throw error;
    }
  }

  #demandOpen(): void {
    if (this.#closed) throw new FastpacaError("unavailable", "the store is shutting down");
  }

  /** A commit of this process landed. */
  landed(id: string, life: number, messages: readonly StoredMessage[], marks: readonly Mark[]): void {
    this.#slots.get(id)?.feed.landed(life, messages, marks).catch(this.#report);
  }

  /** Closes the subscriptions that there are, and ends the watch. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { subscriptions } of this.#slots.values()) {
      for (const subscription of subscriptions) subscription.close();
    }
    await (
      await this.#watch
    )?.();
  }

  #slot(cached: CachedConversation, conversation: Conversation): Slot {
    const present = this.#slots.get(cached.id);
    if (present !== undefined) {
      // Of a life that is over, this is what ends its subscriptions: from here on nobody finds its feed.
      present.feed.catchUp().catch(this.#report);
      if (!present.feed.purged) return present;
    }
    const slot = {
      feed: new Feed(cached, conversation),
      subscriptions: new Set<Subscription>(),
      looking: false,
      again: false,
    };
    if (this.#slots.size === 0) this.#poll = setInterval(() => this.#lookForCommits(), POLL);
    this.#slots.set(cached.id, slot);
    this.#startWatch();
    return slot;
  }

  #release(slot: Slot, subscription: Subscription): void {
    const { id } = slot.feed.cached;
    slot.subscriptions.delete(subscription);
    if (slot.subscriptions.size === 0 && this.#slots.get(id) === slot) this.#slots.delete(id);
    if (this.#slots.size === 0) clearInterval(this.#poll);
    this.#parts.cache.release(id);
  }

  /** Watches, unless that failed just now. */
  #startWatch(): void {
    if (this.#closed || performance.now() < this.#watchFrom) return;
    this.#watchFrom = Infinity;
    this.#watch = this.#beginWatch();
  }

  async #beginWatch(): Promise<(() => Promise<void>) | undefined> {
    try {
      return await this.#parts.driver.watch?.((ids) => {
        for (const id of ids) void this.#look(id);
      });
    } catch (error) {
      // Without hints, polling finds what changed.
      this.#parts.report(error);
      this.#watchFrom = performance.now() + WATCH_AGAIN;
      return undefined;
    }
  }

  /** A database that is away fails all conversations alike: once in each round is enough. */
  readonly #report = (error: unknown): void => {
    const away = error instanceof FastpacaError && error.code === "unavailable";
    if (away && performance.now() - this.#reported < POLL / 2) return;
    if (away) this.#reported = performance.now();
    this.#parts.report(error);
  };

  #lookForCommits(): void {
    this.#startWatch();
    for (const id of this.#slots.keys()) void this.#look(id);
  }

  /** Finds out whether a conversation changed elsewhere, and reads on what could not be read before. */
  async #look(id: string): Promise<void> {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    slot.again = slot.looking;
    if (slot.looking) return;
    slot.looking = true;
    try {
      if (this.#parts.driver.traits.shared) await this.#parts.cache.refresh(id);
      await slot.feed.catchUp();
    } catch (error) {
      this.#report(error);
    } finally {
      slot.looking = false;
      if (slot.again) void this.#look(id);
    }
  }
}

import type { Driver } from "../driver.js";
import type { Backend } from "./backend.js";
import { CachedConversation } from "./cached-conversation.js";

interface Slot {
  readonly cached: CachedConversation;
  /** What the slot counts for in the cache's size. */
  bytes: number;
  /** Users that must find this very object again. */
  pins: number;
  /** Used since the last eviction passed by. */
  used: boolean;
}

/**
 * Conversations in memory, bounded by bytes. Eviction passes over them in the order in which they came in, and gives
 * those that were used since it last passed by a second chance: nearly as good as the least recently used, without
 * moving anything with every use.
 */
export class ConversationCache {
  readonly #backend: Backend;
  readonly #shared: boolean;
  readonly #maxBytes: number;
  readonly #slots = new Map<string, Slot>();
  #bytes = 0;

  constructor(driver: Driver, backend: Backend, maxBytes: number) {
    this.#backend = backend;
    this.#shared = driver.traits.shared;
    this.#maxBytes = maxBytes;
  }

  /** The conversation as it is now: with a shared database, at a revision that was asked for after the call began. */
  async current(id: string): Promise<CachedConversation> {
    this.#backend.demandOpen();
    const slot = this.#slots.get(id);
    if (slot !== undefined && slot.cached.revision > 0 && !this.#shared) return slot.cached;
    return this.refresh(id);
  }

  /** As {@link current}, but asks the database in any case. */
  async refresh(id: string): Promise<CachedConversation> {
    const cached = await this.#load(this.#pin(id).cached);
    this.release(id);
    return cached;
  }

  /** The conversation as it was last seen, loaded if need be; it stays in the cache until it is released. */
  hold(id: string): CachedConversation | Promise<CachedConversation> {
    const { cached } = this.#pin(id);
    return cached.revision > 0 ? cached : this.#load(cached);
  }

  release(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    slot.pins -= 1;
    this.touch(id);
  }

  /** Marks as used, and measures anew. */
  touch(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    // What does not exist is not remembered: it may be created elsewhere, and guesses would crowd out the rest.
    if (slot.pins === 0 && slot.cached.revision === 0) {
      this.#drop(id, slot);
      return;
    }
    slot.used = true;
    const bytes = slot.cached.bytes;
    this.#bytes += bytes - slot.bytes;
    slot.bytes = bytes;
    if (this.#bytes > this.#maxBytes) this.#evict();
  }

  async #load(cached: CachedConversation): Promise<CachedConversation> {
    try {
      cached.adopt(await this.#backend.head(cached.id));
      return cached;
    } catch (error) {
      this.release(cached.id);
      throw error;
    }
  }

  #pin(id: string): Slot {
    let slot = this.#slots.get(id);
    if (slot === undefined) {
      slot = { cached: new CachedConversation(id, this.#backend), bytes: 0, pins: 0, used: false };
      this.#slots.set(id, slot);
    }
    slot.pins += 1;
    return slot;
  }

  #evict(): void {
    // Each slot is met at most twice: with its second chance, and without.
    let left = 2 * this.#slots.size;
    for (const [id, slot] of this.#slots) {
      if (this.#bytes <= this.#maxBytes || left === 0) return;
      left -= 1;
      if (slot.pins === 0 && !slot.used) {
        this.#drop(id, slot);
      } else {
        slot.used = false;
        // To the end, where this very loop meets it again.
        this.#slots.delete(id);
        this.#slots.set(id, slot);
      }
    }
  }

  #drop(id: string, slot: Slot): void {
    this.#slots.delete(id);
    this.#bytes -= slot.bytes;
  }
}

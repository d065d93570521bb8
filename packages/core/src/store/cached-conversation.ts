import type { Head, Mark, StoredMessage } from "../driver.js";
import { FastpacaError } from "../errors.js";
import { decodeHead, type Conversation } from "../semantics/conversation.js";
import type { IndexNeeds } from "../semantics/fold.js";
import { replacementIn, shapeOfBody } from "../semantics/message.js";
import type { Summary } from "../semantics/window.js";
import { CommittedIndex } from "../semantics/window-index.js";
import type { Backend } from "./backend.js";
import { CachedMessage, RecentMessages } from "./recent-messages.js";

/** Newest messages whose bodies are kept although no window holds them: what tails and streams ask for. */
const KEPT_BEHIND = 256;
/** Longest rendered context that is kept, in characters. */
const KEPT_CONTEXT = 1024 * 1024;

/** Messages that are loaded at first, before it is known how long they are: each may be of some megabytes. */
const FIRST_SLICE = 64;
/** Characters of messages that are loaded at a time, about. */
const SLICE_LENGTH = 16 * 1024 * 1024;
/** Most characters of messages in one answer: half of what the engine takes for a text. */
const LARGEST = 256 * 1024 * 1024;

/** Messages are gone that were there when the head was read: read it again. */
export class PrunedError extends Error {
  override readonly name = "PrunedError";
}

/**
 * What the store remembers of one conversation: its head, the index of its window, and its newest messages. All but
 * the head is a copy of the log, which never changes, so it stays right whatever head of the same life is adopted.
 */
export class CachedConversation {
  readonly id: string;
  readonly #backend: Backend;
  readonly #recent = new RecentMessages();
  #revision = 0;
  #conversation: Conversation | undefined;
  #commits = "";
  #index: CommittedIndex | undefined;
  #summary: { readonly version: number; readonly text: string } | undefined;
  #contextText: { readonly revision: number; readonly text: string } | undefined;
  /** What was loaded for an earlier life must not be kept for the present one. */
  #life = 0;

  constructor(id: string, backend: Backend) {
    this.id = id;
    this.#backend = backend;
  }

  /** 0 where the conversation never existed. */
  get revision(): number {
    return this.#revision;
  }

  get conversation(): Conversation | undefined {
    return this.#conversation;
  }

  /** Tokens of the latest commits, as the head holds them. */
  get commits(): string {
    return this.#commits;
  }

  /** Bytes of memory, roughly. */
  get bytes(): number {
    const index = this.#index;
    const entries = index === undefined ? 0 : (index.last - index.first + 1) * (index.shaped ? 200 : 40);
    const text = (this.#summary?.text.length ?? 0) + (this.#contextText?.text.length ?? 0);
    return 2048 + this.#recent.bytes + entries + 2 * text;
  }

  /** Takes over a head that was read, or that won against a commit, unless a newer one is known already. */
  adopt(head: Head | undefined): void {
    if (head === undefined || head.revision <= this.#revision) return;
    const { conversation, commits } = decodeHead(head);
    this.#advance(head.revision, conversation, commits);
  }

  /** Takes over what a commit made of the conversation. */
  land(
    revision: number,
    conversation: Conversation,
    commits: string,
    messages: readonly StoredMessage[],
  ): void {
    if (revision <= this.#revision) return;
    this.#advance(revision, conversation, commits);
    this.#recent.append(messages);
    const liveFrom = conversation.window?.liveFrom ?? Infinity;
    this.#recent.trim(Math.min(liveFrom, conversation.lastSeq - KEPT_BEHIND + 1));
    this.#index?.forget(liveFrom);
  }

  /**
   * The index that `needs` asks for, up to the present last seq; a promise where something of it has to be loaded.
   * @throws PrunedError
   */
  index(needs: IndexNeeds): CommittedIndex | Promise<CommittedIndex> {
    const lastSeq = this.#conversation?.lastSeq ?? 0;
    const index = this.#indexFor(needs, lastSeq);
    return index.last < lastSeq ? this.#extend(index, lastSeq) : index;
  }

  /** As {@link index}, but undefined where something of it would have to be loaded. */
  indexAtHand(needs: IndexNeeds): CommittedIndex | undefined {
    const lastSeq = this.#conversation?.lastSeq ?? 0;
    const index = this.#indexFor(needs, lastSeq);
    return index.last < lastSeq ? undefined : index;
  }

  /** The present index, or the beginning of another one. */
  #indexFor(needs: IndexNeeds, lastSeq: number): CommittedIndex {
    const index = this.#index;
    // What is between the present index and the part that is needed may be pruned.
    const apart = index === undefined || index.first > needs.from || index.last + 1 < needs.from;
    if (!apart && (index.shaped || !needs.shaped)) return index;
    const begun = new CommittedIndex(needs.from, needs.shaped);
    if (lastSeq < needs.from) this.#index = begun;
    return begun;
  }

  async #extend(index: CommittedIndex, lastSeq: number): Promise<CommittedIndex> {
    const life = this.#life;
    const slices = new Slices();
    while (index.last < lastSeq) {
      const from = index.last + 1;
      const page = await this.#page(from, Math.min(lastSeq, from + slices.next - 1));
      slices.loaded(page);
      // Somebody else extended the same index meanwhile.
      if (index.last !== from - 1) continue;
      for (const { tokens, body } of page) index.push(tokens, () => shapeOfBody(body));
    }
    if (life !== this.#life) throw new PrunedError(`${this.id} was purged while it was read`);
    this.#index = index;
    return index;
  }

  /**
   * The messages `from` to `to`, all of them.
   * @param field what they are asked for by: then they are refused where they are too long for one answer
   * @throws PrunedError
   * @throws FastpacaError `payload_too_large`
   */
  async messages(from: number, to: number, field?: string): Promise<readonly CachedMessage[]> {
    if (to < from) return [];
    const cached = this.#recent.range(from, to);
    if (cached !== undefined) return cached;
    const life = this.#life;
    const newest = to === this.#conversation?.lastSeq;
    const { first } = this.#recent;
    const end = first !== undefined && first > from && first <= to ? first - 1 : to;
    const loaded: CachedMessage[] = [];
    const slices = new Slices();
    for (let next = from; next <= end; next = from + loaded.length) {
      const page = await this.#page(next, Math.min(end, next + slices.next - 1));
      slices.loaded(page);
      for (const stored of page) loaded.push(new CachedMessage(stored));
      if (field !== undefined && slices.length > LARGEST) throw tooLong(field);
    }
    if (life !== this.#life) throw new PrunedError(`${this.id} was purged while it was read`);
    if (end < to || newest) this.#recent.prepend(loaded);
    return end < to ? [...loaded, ...(await this.messages(end + 1, to, field))] : loaded;
  }

  /**
   * Marks of the present life behind a version, ascending.
   * @throws PrunedError when that life ends meanwhile
   */
  marks(after: number, limit: number): Promise<Mark[]> {
    return this.#inOneLife(this.#backend.marks(this.id, after, limit));
  }

  /**
   * The replacement messages of a summary, as comma-separated JSON texts.
   * @throws PrunedError
   */
  async summaryText({ version }: Summary): Promise<string> {
    if (this.#summary?.version === version) return this.#summary.text;
    const life = this.#life;
    const [mark] = await this.marks(version - 1, 1);
    if (life !== this.#life || mark?.version !== version || mark.kind !== "compaction") {
      throw new PrunedError(`${this.id} has no compaction at version ${version}`);
    }
    const text = replacementIn(mark.body);
    this.#summary = { version, text };
    return text;
  }

  /** The whole context as last rendered, if that was at the present revision. */
  get contextText(): string | undefined {
    return this.#contextText?.revision === this.#revision ? this.#contextText.text : undefined;
  }

  keepContextText(revision: number, text: string): void {
    if (text.length <= KEPT_CONTEXT) this.#contextText = { revision, text };
  }

  /**
   * What was read is of the present life only if that has not ended by then: where another process may purge the
   * conversation and create it again, only the head tells.
   */
  async #inOneLife<T>(reading: Promise<T>): Promise<T> {
    const life = this.#life;
    const read = await reading;
    if (this.#backend.shared) this.adopt(await this.#backend.head(this.id));
    if (life !== this.#life) throw new PrunedError(`${this.id} was purged while it was read`);
    return read;
  }

  #advance(revision: number, conversation: Conversation, commits: string): void {
    if (conversation.life !== this.#life || conversation.purged) {
      this.#life = conversation.purged ? 0 : conversation.life;
      this.#index = undefined;
      this.#recent.clear();
      this.#summary = undefined;
      this.#contextText = undefined;
    }
    this.#revision = revision;
    this.#conversation = conversation;
    this.#commits = commits;
  }

  /** Messages from `from` on, at least one, at most up to `to`. */
  async #page(from: number, to: number): Promise<readonly StoredMessage[]> {
    const cached = this.#recent.range(from, to);
    if (cached !== undefined) return cached.map(({ stored }) => stored);
    const messages = await this.#inOneLife(this.#backend.messages(this.id, from, to));
    if (messages[0]?.seq !== from) throw new PrunedError(`${this.id} has no message ${from}`);
    return messages;
  }
}

/** How many messages to load at a time, by how long those were that have been loaded. */
class Slices {
  #count = 0;
  /** Characters so far. */
  length = 0;

  get next(): number {
    return this.length === 0
      ? FIRST_SLICE
      : Math.max(1, Math.floor((SLICE_LENGTH * this.#count) / this.length));
  }

  loaded(messages: readonly StoredMessage[]): void {
    this.#count += messages.length;
    for (const { body } of messages) this.length += body.length;
  }
}

function tooLong(field: string): FastpacaError {
  const message = `the messages are longer than ${LARGEST} characters together: ask for fewer by ${field}`;
  return new FastpacaError("payload_too_large", message, { field });
}

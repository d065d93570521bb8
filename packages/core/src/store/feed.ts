import type { Mark, StoredMessage } from "../driver.js";
import type { Conversation } from "../semantics/conversation.js";
import { renderMessage } from "../semantics/message.js";
import { PrunedError, type CachedConversation } from "./cached-conversation.js";
import { BATCH_LENGTH, contextFrame, markFrame, messageFrame, type Frame } from "./frame.js";
import { readEvents } from "./log-events.js";

/** Newest frames kept for all subscribers, by number and by characters. Who is further behind reads the log. */
const MAX_FRAMES = 512;
const MAX_LENGTH = 2 * 1024 * 1024;

/**
 * The live end of one conversation's log, for as long as somebody is subscribed: its newest events as frames, and who
 * waits for more.
 */
export class Feed {
  readonly cached: CachedConversation;
  readonly #life: number;
  /** Of the versions `version - frames.length + 1` to `version`, without holes. */
  #frames: Frame[] = [];
  #length = 0;
  #version: number;
  #context: Frame | undefined;
  #ended = false;
  #catchingUp = false;
  /** Called, and forgotten, when there may be something new. */
  readonly waiting = new Set<() => void>();

  constructor(cached: CachedConversation, conversation: Conversation) {
    this.cached = cached;
    this.#life = conversation.life;
    this.#version = conversation.version;
    this.#context = contextFrame(conversation);
    this.#ended = conversation.tombstoned;
  }

  /** Everything up to this version can be read. */
  get version(): number {
    return this.#version;
  }

  /** The state at {@link version}; undefined for a conversation without a window. */
  get context(): Frame | undefined {
    return this.#context;
  }

  /** Whether everything that is known of the conversation can be read. */
  get complete(): boolean {
    return this.purged || this.#version >= (this.cached.conversation?.version ?? 0);
  }

  /** Nothing will follow: the conversation was tombstoned or purged. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Nothing can be read any more: the conversation was purged. */
  get purged(): boolean {
    const { conversation } = this.cached;
    return conversation === undefined || conversation.purged || conversation.life !== this.#life;
  }

  /** Frames behind version `after`, as many as are handed out at a time; undefined where they are not at hand. */
  framesAfter(after: number): readonly Frame[] | undefined {
    const start = after - (this.#version - this.#frames.length);
    if (start < 0) return undefined;
    let length = 0;
    let end = start;
    for (; end < this.#frames.length && length < BATCH_LENGTH; end++)
      length += this.#frames[end]?.json.length ?? 0;
    return this.#frames.slice(start, end);
  }

  /** A commit of this process landed. */
  landed(life: number, messages: readonly StoredMessage[], marks: readonly Mark[]): Promise<void> {
    const first = Math.min(messages[0]?.version ?? Infinity, marks[0]?.version ?? Infinity);
    // Otherwise the commit was seen before its outcome was known, or comes behind others that were not seen.
    const next = first === this.#version + 1 || first === Infinity;
    if (life !== this.#life || this.#catchingUp || this.purged || !next) return this.catchUp();
    const frames = messages.map((message) =>
      messageFrame(message.version, message.seq, renderMessage(message, message.body)),
    );
    for (const mark of marks) frames.push(markFrame(mark));
    if (marks.length > 0) frames.sort((a, b) => a.version - b.version);
    this.#push(frames);
    this.#settle(this.cached.conversation);
    // Another process may have committed behind this one already.
    return this.complete ? Promise.resolve() : this.catchUp();
  }

  /**
   * Takes over what the cached conversation has become, reading the log where commits were made elsewhere.
   * @throws FastpacaError when the log cannot be read; the next call goes on
   */
  async catchUp(): Promise<void> {
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    try {
      for (;;) {
        const { conversation } = this.cached;
        if (this.purged || conversation === undefined || this.#version >= conversation.version) break;
        await this.#readOn(conversation);
        // Where others commit all the time, the end moves on: what was read is told meanwhile.
        this.#settle(conversation);
      }
    } finally {
      this.#catchingUp = false;
      this.#settle(this.cached.conversation);
    }
  }

  /** Up to what a conversation was when it was looked at. */
  async #readOn({ version }: Conversation): Promise<void> {
    const behind = version - this.#version;
    if (behind > MAX_FRAMES) {
      this.#skipTo(version);
      return;
    }
    try {
      const { frames } = await readEvents(this.cached, { version: this.#version, seq: undefined }, behind);
      if (!this.purged) this.#push(frames);
    } catch (error) {
      if (this.purged) return;
      if (!(error instanceof PrunedError)) throw error;
      this.#skipTo(version);
    }
  }

  /** Leaves events out: subscribers read them from the log themselves, each at its own pace. */
  #skipTo(version: number): void {
    this.#frames = [];
    this.#length = 0;
    this.#version = version;
  }

  #push(frames: readonly Frame[]): void {
    for (const frame of frames) {
      this.#frames.push(frame);
      this.#length += frame.json.length;
      this.#version = frame.version;
    }
    let stale = 0;
    while (this.#frames.length - stale > MAX_FRAMES || this.#length > MAX_LENGTH) {
      this.#length -= this.#frames[stale]?.json.length ?? 0;
      stale += 1;
    }
    if (stale > 0) this.#frames = this.#frames.slice(stale);
  }

  /** @param conversation as it was when what is at hand was read */
  #settle(conversation: Conversation | undefined): void {
    if (this.purged || conversation === undefined) this.#ended = true;
    else if (conversation.version === this.#version) {
      this.#ended = conversation.tombstoned;
      if (this.#context?.version !== this.#version) this.#context = contextFrame(conversation);
    }
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const wake of waiting) wake();
  }
}

import type { StoredMessage } from "../driver.js";
import { renderMessage, withParts } from "../semantics/message.js";
import { isOfKind } from "../semantics/window.js";

/** Most bytes of bodies kept of one conversation. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Old messages are dropped this many at a time, so that each is moved about once. */
const STROKE = 64;

/** A message with the texts that readers get, each rendered when it is first asked for. */
export class CachedMessage {
  readonly stored: StoredMessage;
  #text: string | undefined;
  #short: { readonly kinds: string; readonly text: string | undefined } | undefined;

  constructor(stored: StoredMessage) {
    this.stored = stored;
  }

  /** Bytes of memory, roughly: two a character for the body and as much for its texts. */
  get bytes(): number {
    return 200 + 4 * this.stored.body.length;
  }

  get text(): string {
    this.#text ??= renderMessage(this.stored, this.stored.body);
    return this.#text;
  }

  /** Without the parts of these kinds; undefined when none is left. */
  textWithout(kinds: readonly string[]): string | undefined {
    if (kinds.length === 0) return this.text;
    const key = kinds.join("\n");
    if (this.#short?.kinds !== key) {
      const body = withParts(this.stored.body, (type) => !isOfKind(type, kinds));
      this.#short = { kinds: key, text: body === undefined ? undefined : renderMessage(this.stored, body) };
    }
    return this.#short.text;
  }
}

/** The newest messages of a conversation that the cache holds: without holes, ascending, bounded by bytes. */
export class RecentMessages {
  #messages: CachedMessage[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined while empty. */
  get first(): number | undefined {
    return this.#messages[0]?.stored.seq;
  }

  /** The messages `from` to `to`, if all of them are here. */
  range(from: number, to: number): readonly CachedMessage[] | undefined {
    const { first } = this;
    if (first === undefined || from < first || to >= first + this.#messages.length) return undefined;
    return this.#messages.slice(from - first, to - first + 1);
  }

  /** Adds the newest messages; what does not connect with them is dropped. */
  append(messages: readonly StoredMessage[]): void {
    const [head] = messages;
    if (head === undefined) return;
    const last = this.#messages.at(-1)?.stored.seq;
    if (last !== undefined && last !== head.seq - 1) this.clear();
    for (const stored of messages) {
      const message = new CachedMessage(stored);
      this.#messages.push(message);
      this.#bytes += message.bytes;
    }
  }

  /** Adds older messages, if they connect with the oldest ones here and there is room. */
  prepend(messages: readonly CachedMessage[]): void {
    const last = messages.at(-1)?.stored.seq;
    const bytes = messages.reduce((sum, message) => sum + message.bytes, this.#bytes);
    if (last === undefined || bytes > MAX_BYTES) return;
    if (this.first !== undefined && last !== this.first - 1) return;
    this.#messages = [...messages, ...this.#messages];
    this.#bytes = bytes;
  }

  /** Drops messages below `from`, and the oldest ones of what is too much. */
  trim(from: number): void {
    let stale = Math.max(0, from - (this.first ?? from));
    if (stale < STROKE && this.#bytes <= MAX_BYTES) return;
    let bytes = this.#bytes;
    for (const message of this.#messages.slice(0, stale)) bytes -= message.bytes;
    if (bytes > MAX_BYTES) {
      for (const message of this.#messages.slice(stale)) {
        if (bytes <= MAX_BYTES / 2) break;
        bytes -= message.bytes;
        stale += 1;
      }
    }
    this.#messages = this.#messages.slice(stale);
    this.#bytes = bytes;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }
}

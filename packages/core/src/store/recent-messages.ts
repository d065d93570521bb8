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
  /** As they were stored until somebody reads them: most are never read alone. */
  #messages: (StoredMessage | CachedMessage)[] = [];
  #first: number | undefined;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined while empty. */
  get first(): number | undefined {
    return this.#first;
  }

  /** The messages `from` to `to`, if all of them are here. */
  range(from: number, to: number): readonly CachedMessage[] | undefined {
    const first = this.#first;
    if (first === undefined || from < first || to >= first + this.#messages.length) return undefined;
    const messages: CachedMessage[] = [];
    for (let at = from - first; at <= to - first; at++) {
      const found = this.#messages[at];
      if (found === undefined) return undefined;
      const message = found instanceof CachedMessage ? found : new CachedMessage(found);
      this.#messages[at] = message;
      messages.push(message);
    }
    return messages;
  }

  /** Adds the newest messages; what does not connect with them is dropped. */
  append(messages: readonly StoredMessage[]): void {
    const [head] = messages;
    if (head === undefined) return;
    if (this.#first === undefined || this.#first + this.#messages.length !== head.seq) {
      this.clear();
      this.#first = head.seq;
    }
    for (const stored of messages) {
      this.#messages.push(stored);
      this.#bytes += bytesOf(stored);
    }
  }

  /** Adds older messages, if they connect with the oldest ones here and there is room. */
  prepend(messages: readonly CachedMessage[]): void {
    const [head] = messages;
    const bytes = messages.reduce((sum, message) => sum + bytesOf(message), this.#bytes);
    if (head === undefined || bytes > MAX_BYTES) return;
    if (this.#first !== undefined && head.stored.seq + messages.length !== this.#first) return;
    this.#messages = [...messages, ...this.#messages];
    this.#first = head.stored.seq;
    this.#bytes = bytes;
  }

  /** Drops messages below `from`, and the oldest ones of what is too much. */
  trim(from: number): void {
    const first = this.#first;
    if (first === undefined) return;
    let stale = Math.min(Math.max(0, from - first), this.#messages.length);
    if (stale < STROKE && this.#bytes <= MAX_BYTES) return;
    let bytes = this.#bytes;
    for (const message of this.#messages.slice(0, stale)) bytes -= bytesOf(message);
    if (bytes > MAX_BYTES) {
      for (const message of this.#messages.slice(stale)) {
        if (bytes <= MAX_BYTES / 2) break;
        bytes -= bytesOf(message);
        stale += 1;
      }
    }
    this.#messages = this.#messages.slice(stale);
    this.#first = this.#messages.length === 0 ? undefined : first + stale;
    this.#bytes = bytes;
  }

  clear(): void {
    this.#messages = [];
    this.#first = undefined;
    this.#bytes = 0;
  }
}

/** Bytes of memory, roughly: two a character for the body and as much for the texts that readers get. */
function bytesOf(message: StoredMessage | CachedMessage): number {
  const { body } = message instanceof CachedMessage ? message.stored : message;
  return 200 + 4 * body.length;
}

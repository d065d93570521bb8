/** A part of a message as the rules see it: its type, and the length of its JSON text in UTF-16 code units. */
export interface PartShape {
  readonly type: string;
  readonly length: number;
}

/** What makes up a message's size when parts are left out. */
export interface MessageShape {
  /** Length of the whole message's JSON text in UTF-16 code units. */
  readonly length: number;
  readonly parts: readonly PartShape[];
}

/** What the window's rules need to know of each message, by seq and without holes. */
export interface WindowIndex {
  /** Whether shapes are there, which leaving out parts needs. */
  readonly shaped: boolean;
  tokens(seq: number): number;
  shape(seq: number): MessageShape;
  /** Adds the next message; its shape is asked for only where the index is shaped. */
  push(tokens: number, shape: () => MessageShape): void;
}

/** A growing list of messages by seq. */
class Entries {
  first: number;
  readonly shaped: boolean;
  tokens: number[] = [];
  shapes: MessageShape[] = [];

  constructor(first: number, shaped: boolean) {
    this.first = first;
    this.shaped = shaped;
  }

  get last(): number {
    return this.first + this.tokens.length - 1;
  }

  push(tokens: number, shape: () => MessageShape): void {
    if (this.shaped) this.shapes.push(shape());
    this.tokens.push(tokens);
  }
}

/** The index of the committed messages from `first` on. */
export class CommittedIndex implements WindowIndex {
  readonly #entries: Entries;

  constructor(first: number, shaped: boolean) {
    this.#entries = new Entries(first, shaped);
  }

  get shaped(): boolean {
    return this.#entries.shaped;
  }

  /** Seq of the oldest entry. */
  get first(): number {
    return this.#entries.first;
  }

  /** Seq of the newest entry; `first - 1` while empty. */
  get last(): number {
    return this.#entries.last;
  }

  tokens(seq: number): number {
    return present(this.#entries.tokens[seq - this.#entries.first], seq);
  }

  shape(seq: number): MessageShape {
    return present(this.#entries.shapes[seq - this.#entries.first], seq);
  }

  push(tokens: number, shape: () => MessageShape): void {
    this.#entries.push(tokens, shape);
  }

  /** Forgets entries before `first`, once they are worth the move: each entry is moved about once. */
  forget(first: number): void {
    const entries = this.#entries;
    const stale = Math.min(first - entries.first, entries.tokens.length);
    if (stale < 64 || stale * 2 < entries.tokens.length) return;
    entries.tokens = entries.tokens.slice(stale);
    entries.shapes = entries.shapes.slice(stale);
    entries.first += stale;
  }
}

/** Something of the committed messages is needed, and has not been loaded. */
export class NotLoadedError extends Error {
  override readonly name = "NotLoadedError";
}

/**
 * An index with the messages of a commit that is being prepared behind the committed ones. Readers of the committed
 * index do not see them.
 */
export class PendingIndex implements WindowIndex {
  readonly #committed: CommittedIndex | undefined;
  readonly #entries: Entries;

  /**
   * @param committed where it has not been loaded, asking for anything of it throws a {@link NotLoadedError}
   * @param lastSeq of the conversation that the commit is based on
   */
  constructor(committed: CommittedIndex | undefined, lastSeq: number, shaped: boolean) {
    this.#committed = committed;
    this.#entries = new Entries(lastSeq + 1, shaped);
  }

  get shaped(): boolean {
    return this.#entries.shaped;
  }

  tokens(seq: number): number {
    if (seq < this.#entries.first) return loaded(this.#committed, seq).tokens(seq);
    return present(this.#entries.tokens[seq - this.#entries.first], seq);
  }

  shape(seq: number): MessageShape {
    if (seq < this.#entries.first) return loaded(this.#committed, seq).shape(seq);
    return present(this.#entries.shapes[seq - this.#entries.first], seq);
  }

  push(tokens: number, shape: () => MessageShape): void {
    this.#entries.push(tokens, shape);
  }

  /** The commit landed: its messages are committed ones now. */
  land(): void {
    const { first, tokens, shapes } = this.#entries;
    const committed = this.#committed;
    if (committed?.last !== first - 1) return;
    for (let at = 0; at < tokens.length; at++) {
      committed.push(present(tokens[at], first + at), () => present(shapes[at], first + at));
    }
  }
}

function loaded(index: CommittedIndex | undefined, seq: number): CommittedIndex {
  if (index === undefined) throw new NotLoadedError(`seq ${seq} is not at hand`);
  return index;
}

function present<T>(entry: T | undefined, seq: number): T {
  if (entry === undefined) throw new RangeError(`seq ${seq} is not in the window index`);
  return entry;
}

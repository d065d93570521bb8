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

export interface IndexEntry {
  readonly tokens: number;
  /** Only in an index with shapes. */
  readonly shape: MessageShape | undefined;
}

/** What the window's rules need to know of each message, by seq and without holes. */
export interface WindowIndex {
  /** Whether entries carry the shapes that leaving out parts needs. */
  readonly shaped: boolean;
  at(seq: number): IndexEntry;
  /** Adds the next message. */
  push(entry: IndexEntry): void;
}

/** The index of the committed messages from `first` on. */
export class CommittedIndex implements WindowIndex {
  #first: number;
  #entries: IndexEntry[] = [];
  readonly shaped: boolean;

  constructor(first: number, shaped: boolean) {
    this.#first = first;
    this.shaped = shaped;
  }

  /** Seq of the oldest entry. */
  get first(): number {
    return this.#first;
  }

  /** Seq of the newest entry; `first - 1` while empty. */
  get last(): number {
    return this.#first + this.#entries.length - 1;
  }

  at(seq: number): IndexEntry {
    const entry = this.#entries[seq - this.#first];
    if (entry === undefined) throw new RangeError(`seq ${seq} is not in the window index`);
    return entry;
  }

  push(entry: IndexEntry): void {
    this.#entries.push(entry);
  }

  /** Forgets entries before `first`, once they are worth the move: each entry is moved about once. */
  forget(first: number): void {
    const stale = first - this.#first;
    if (stale < 64 || stale * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(stale);
    this.#first = first;
  }
}

/**
 * An index with the messages of a commit that is being prepared behind the committed ones. Readers of the committed
 * index do not see them.
 */
export class PendingIndex implements WindowIndex {
  readonly #committed: CommittedIndex;
  readonly #next: number;
  readonly #entries: IndexEntry[] = [];

  /** @param lastSeq of the conversation that the commit is based on */
  constructor(committed: CommittedIndex, lastSeq: number) {
    this.#committed = committed;
    this.#next = lastSeq + 1;
  }

  get shaped(): boolean {
    return this.#committed.shaped;
  }

  at(seq: number): IndexEntry {
    if (seq < this.#next) return this.#committed.at(seq);
    const entry = this.#entries[seq - this.#next];
    if (entry === undefined) throw new RangeError(`seq ${seq} is not in the window index`);
    return entry;
  }

  push(entry: IndexEntry): void {
    this.#entries.push(entry);
  }

  /** The commit landed: its messages are committed ones now. */
  land(): void {
    if (this.#committed.last !== this.#next - 1) return;
    for (const entry of this.#entries) this.#committed.push(entry);
  }
}

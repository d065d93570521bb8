import {
  createStore,
  type Commit,
  type CommitOutcome,
  type Driver,
  type Head,
  type Mark,
  type StoredMessage,
} from "@fastpaca/core";
import { overriding } from "../drivers.js";

/** A frame of a stream, whatever its type. */
export interface StreamFrame {
  readonly type: string;
  readonly version?: number;
  readonly seq?: number;
  readonly message?: { readonly [field: string]: unknown };
  readonly range?: unknown;
  readonly needs_compaction?: boolean;
  readonly used_tokens?: number;
  readonly expected?: number;
  readonly actual?: number;
}

/** Everything that was committed to a database, as it was handed to the driver. */
export class LogRecord {
  readonly #lives = new Map<string, Life[]>();
  readonly #committing = new Set<Promise<unknown>>();

  /** The same driver, whose commits are noted when they have been applied. */
  recording(driver: Driver): Driver {
    return overriding(driver, {
      commit: (commits) => {
        const committing = this.#commit(driver, commits);
        this.#committing.add(committing);
        return committing.finally(() => this.#committing.delete(committing));
      },
    });
  }

  /** Resolves when everything that can be read by now is noted: readers may see a commit before its writer is told. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#committing);
  }

  async #commit(driver: Driver, commits: readonly Commit[]): Promise<CommitOutcome[]> {
    const outcomes = await driver.commit(commits);
    for (const [at, commit] of commits.entries()) {
      if (outcomes[at]?.status === "committed") this.#note(commit);
    }
    return outcomes;
  }

  /** The latest life of a conversation. */
  life(id: string): Life {
    const life = this.#lives.get(id)?.at(-1);
    if (life === undefined) throw new Error(`there is no ${id}`);
    return life;
  }

  #note({ id, head, messages, marks }: Commit): void {
    const lives = this.#lives.get(id) ?? [];
    this.#lives.set(id, lives);
    let life = lives.at(-1);
    if (life === undefined || life.number !== head.life) {
      life = new Life(head);
      lives.push(life);
    }
    life.note(head, messages, marks);
  }
}

/** The events of one conversation from its creation to its purge. */
export class Life {
  readonly number: number;
  #head: Head;
  readonly #messages: StoredMessage[] = [];
  readonly #marks: Mark[] = [];
  readonly #frames = new Map<number, StreamFrame>();
  /** The head that made each version which was current once. */
  readonly #heads = new Map<number, Head>();
  /** Versions that the oldest message kept has had. */
  readonly trimmedTo = new Set<number>();
  purged = false;

  constructor(head: Head) {
    this.number = head.life;
    this.#head = head;
  }

  note(head: Head, messages: readonly StoredMessage[], marks: readonly Mark[]): void {
    if (head.purged) {
      this.purged = true;
      return;
    }
    this.#messages.push(...messages);
    this.#marks.push(...marks);
    for (const message of messages) this.#frames.set(message.version, messageFrame(message));
    for (const mark of marks) {
      const frame = markFrame(mark);
      if (frame !== undefined) this.#frames.set(mark.version, frame);
    }
    if (!this.#heads.has(head.version)) this.#heads.set(head.version, head);
    if (head.firstSeq > this.#head.firstSeq)
      this.trimmedTo.add(this.#messages[head.firstSeq - 1]?.version ?? 0);
    this.#head = head;
  }

  get version(): number {
    return this.#head.version;
  }

  get tombstoned(): boolean {
    return this.#head.tombstoned;
  }

  get hasWindow(): boolean {
    return this.#head.state.includes('"w":');
  }

  /** The frame of the event at a version; undefined where it has none that a stream of this kind shows. */
  frame(version: number, messages: boolean): StreamFrame | undefined {
    const frame = this.#frames.get(version);
    return messages || frame?.type !== "message" ? frame : undefined;
  }

  /** Whether a stream of this kind shows an event behind `after`, up to `to`. */
  shows(after: number, to: number, messages: boolean): boolean {
    for (let version = after + 1; version <= to; version++) {
      if (this.frame(version, messages) !== undefined) return true;
    }
    return false;
  }

  /** The frame of the state at a version, by what a store over the log of then answers; undefined: never current. */
  async contextFrame(version: number): Promise<StreamFrame | undefined> {
    const head = this.#heads.get(version);
    if (head === undefined) return undefined;
    await using store = createStore({ driver: logOf(head, this.#messages, this.#marks) });
    const { text } = await store.contexts.context(head.id);
    const {
      needs_compaction,
      used_tokens,
    }: StreamFrame & {
      needs_compaction: boolean;
      used_tokens: number;
    } = JSON.parse(text);
    return { type: "context", version, needs_compaction, used_tokens };
  }
}

/** A database in which nothing is done any more. */
function logOf(head: Head, messages: readonly StoredMessage[], marks: readonly Mark[]): Driver {
  return {
    name: "past",
    traits: { durable: true, shared: false },
    limits: { maxCommitBytes: 1, maxBatch: 1 },
    heads: async (ids) => ids.map(() => head),
    commit: () => Promise.reject(new Error("the past does not change")),
    messages: async (_id, from, to) => messages.slice(from - 1, to),
    marks: async (_id, after, limit) => marks.filter(({ version }) => version > after).slice(0, limit),
    keys: async () => [],
    list: async () => ({ heads: [] }),
    prune: async () => undefined,
    close: async () => undefined,
  };
}

function messageFrame({ seq, version, tokens, insertedAt, body }: StoredMessage): StreamFrame {
  const content: StreamFrame["message"] = JSON.parse(body);
  const inserted_at = new Date(insertedAt).toISOString();
  return {
    type: "message",
    version,
    seq,
    message: { ...content, seq, version, token_count: tokens, inserted_at },
  };
}

function markFrame({ kind, version, body }: Mark): StreamFrame | undefined {
  switch (kind) {
    case "compaction": {
      const { range }: { range?: unknown } = JSON.parse(body);
      return { type: kind, version, range };
    }
    case "reset":
      return { type: kind, version };
    case "config":
      return undefined;
  }
}

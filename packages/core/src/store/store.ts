import { randomBytes } from "node:crypto";
import type { Driver } from "../driver.js";
import { TOKEN_LENGTH } from "../semantics/conversation.js";
import { approx, type Estimator } from "../semantics/tokens.js";
import { Backend } from "./backend.js";
import { Batcher } from "./batcher.js";
import { ConversationCache } from "./conversation-cache.js";
import { Feeds } from "./feeds.js";
import { Contexts, Conversations } from "./operations.js";
import { Reader } from "./reader.js";
import { Writer } from "./writer.js";

export interface StoreOptions {
  /** Where conversations live. The store closes it. */
  readonly driver: Driver;
  /** Counts the tokens of messages that come without `token_count`. Default: {@link approx}. */
  readonly estimator?: Estimator | undefined;
  /** Memory for hot conversations, in bytes. Default: 256 MiB. */
  readonly cacheBytes?: number | undefined;
  /** Messages in one append or compaction. Default: 1000. */
  readonly maxMessages?: number | undefined;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly clock?: (() => number) | undefined;
  /** Told of failures that no caller is told of in full. Default: `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const CACHE_BYTES = 256 * 1024 * 1024;
const MAX_MESSAGES = 1000;

/** Opens a store over a driver: the same operations that the server offers, in-process. */
export function createStore(options: StoreOptions): Store {
  return new Store(options);
}

/**
 * Conversations and contexts over one log. Every operation rejects with a {@link FastpacaError} when it is refused:
 * `invalid_request` for input that is not of the expected form, `unavailable` when the database cannot be reached.
 */
export class Store implements AsyncDisposable {
  readonly conversations: Conversations;
  readonly contexts: Contexts;
  readonly #driver: Driver;
  readonly #backend: Backend;
  readonly #writer: Writer;
  readonly #feeds: Feeds;
  #closing: Promise<void> | undefined;

  constructor(options: StoreOptions) {
    const { driver, clock = Date.now, estimator = approx, onError = console.error } = options;
    this.#driver = driver;
    this.#backend = new Backend(driver);
    const cache = new ConversationCache(driver, this.#backend, options.cacheBytes ?? CACHE_BYTES);
    const reader = new Reader(cache, this.#backend);
    this.#feeds = new Feeds({ driver, cache, report: onError });
    this.#writer = new Writer({
      cache,
      backend: this.#backend,
      batcher: new Batcher(driver, onError),
      shared: driver.traits.shared,
      maxCommitBytes: driver.limits.maxCommitBytes,
      clock,
      nextToken: commitTokens(),
      landed: (id, life, messages, marks) => this.#feeds.landed(id, life, messages, marks),
    });
    const parts = {
      reader,
      writer: this.#writer,
      feeds: this.#feeds,
      estimator,
      maxMessages: options.maxMessages ?? MAX_MESSAGES,
    };
    this.conversations = new Conversations(parts);
    this.contexts = new Contexts(parts);
  }

  /** Writes that were taken and not answered yet. */
  get pendingWrites(): number {
    return this.#writer.waiting;
  }

  /**
   * Whether the database answers.
   * @throws FastpacaError `unavailable`
   */
  async ping(): Promise<void> {
    await this.#backend.head("ping");
  }

  /**
   * Takes no more writes, finishes those that were taken, closes subscriptions and the driver. What is asked afterwards
   * is refused as `unavailable`. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writer.close();
    await this.#feeds.close();
    this.#backend.close();
    await this.#driver.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Names for commits: eight random characters that no other store has, and a number. */
function commitTokens(): () => string {
  const digits = TOKEN_LENGTH - 8;
  let prefix = "";
  let count = Infinity;
  return () => {
    if (count >= 36 ** digits) {
      prefix = randomBytes(6).toString("base64url");
      count = 0;
    }
    return prefix + (count++).toString(36).padStart(digits, "0");
  };
}

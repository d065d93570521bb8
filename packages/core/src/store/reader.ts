import type { Head } from "../driver.js";
import { FastpacaError, invalid } from "../errors.js";
import { existing, existingContext, type Surface } from "../semantics/commands.js";
import { decodeHead } from "../semantics/conversation.js";
import { checkIdentifier } from "../semantics/identifiers.js";
import { label } from "../semantics/labels.js";
import { needsShapes, skippedKinds, viewOf } from "../semantics/window.js";
import type { Backend } from "./backend.js";
import { PrunedError, type CachedConversation } from "./cached-conversation.js";
import type { ContextInput, ListInput, ReplayInput, TailInput } from "./check.js";
import type { ConversationCache } from "./conversation-cache.js";
import { Document } from "./document.js";
import {
  renderRecord,
  type ContextRecord,
  type ConversationRecord,
  type ListRecord,
  type ReplayRecord,
  type TailRecord,
  type WindowRecord,
} from "./records.js";

const DEFAULT_PAGE = 100;
/** Times that a read starts over because messages were pruned while it was under way. */
const RESTARTS = 5;

/** The reading half of the store. Each read is of one revision of one conversation, the latest when it was asked for. */
export class Reader {
  readonly #cache: ConversationCache;
  readonly #backend: Backend;

  constructor(cache: ConversationCache, backend: Backend) {
    this.#cache = cache;
    this.#backend = backend;
  }

  record(id: string, surface: "context"): Promise<Document<ContextRecord>>;
  record(id: string, surface: "conversation"): Promise<Document<ConversationRecord>>;
  record(id: string, surface: Surface): Promise<Document<ContextRecord | ConversationRecord>>;
  record(id: string, surface: Surface): Promise<Document<ContextRecord | ConversationRecord>> {
    return this.#read(id, async ({ conversation, revision }) => {
      return new Document(renderRecord(existing(conversation, surface), surface), revision);
    });
  }

  /** The newest messages but `offset`, at most `limit`, ascending. */
  tail(
    id: string,
    surface: Surface,
    { offset = 0, limit = DEFAULT_PAGE }: TailInput,
  ): Promise<Document<TailRecord>> {
    return this.#read(id, async (cached) => {
      const { revision } = cached;
      const { lastSeq, firstSeq, version } = existing(cached.conversation, surface);
      const to = lastSeq - offset;
      const messages = await cached.messages(Math.max(firstSeq, to - limit + 1), to, "limit");
      return new Document(`{"messages":[${joined(messages)}],"version":${version}}`, revision);
    });
  }

  /** At most `limit` messages from seq `from` on, ascending, and the version at which a stream goes on behind them. */
  replay(
    id: string,
    surface: Surface,
    { from = 1, limit = DEFAULT_PAGE }: ReplayInput,
  ): Promise<Document<ReplayRecord>> {
    return this.#read(id, async (cached) => {
      const { revision } = cached;
      const { lastSeq, firstSeq, version } = existing(cached.conversation, surface);
      const start = Math.max(from, firstSeq);
      const end = Math.min(lastSeq, start + limit - 1);
      const messages = await cached.messages(start, end, "limit");
      const resume = end < lastSeq ? messages.at(-1)?.stored.version : undefined;
      const text = `{"messages":[${joined(messages)}],"version":${resume ?? version},"first_seq":${firstSeq}}`;
      return new Document(text, revision);
    });
  }

  /** The window; with a budget, cut down to it. */
  context(id: string, { budget_tokens, if_version }: ContextInput): Promise<Document<WindowRecord>> {
    return this.#read(id, async (cached) => {
      const { revision } = cached;
      const { window, lastSeq, version } = existingContext(cached.conversation);
      if (if_version !== undefined && if_version !== version) {
        throw new FastpacaError("conflict", `if_version is ${if_version}, but the version is ${version}`, {
          field: "if_version",
          version,
        });
      }
      const whole = budget_tokens === undefined || window.used <= budget_tokens;
      const kept = budget_tokens === undefined ? cached.contextText : undefined;
      if (kept !== undefined) return new Document(kept, revision);

      const needs = { from: window.liveFrom, shaped: needsShapes(window) };
      const index = whole ? undefined : await cached.index(needs);
      // A commit that landed meanwhile has cut off what its own window does not need.
      if (index !== undefined && index.first > needs.from) throw new PrunedError(`${id} has moved on`);
      const view = viewOf(window, lastSeq, budget_tokens, index);
      const texts = window.summary === undefined ? [] : [await cached.summaryText(window.summary)];
      for (const message of await cached.messages(view.liveFrom, lastSeq, "budget_tokens")) {
        const text = message.textWithout(skippedKinds(window.skips, message.stored.seq));
        if (text !== undefined) texts.push(text);
      }
      const text =
        `{"version":${version},"messages":[${texts.join(",")}],"used_tokens":${view.used},` +
        `"needs_compaction":${view.needsCompaction},"segments":${JSON.stringify(view.segments)}}`;
      if (budget_tokens === undefined) cached.keepContextText(revision, text);
      return new Document(text, revision);
    });
  }

  /** Conversations, most recently changed first. */
  async list({ limit = DEFAULT_PAGE, cursor, metadata = {} }: ListInput): Promise<Document<ListRecord>> {
    const labels = Object.entries(metadata).map(([key, value]) => label(key, String(value)));
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    const { heads, next } = await this.#backend.list({ limit, labels, after });
    const records = heads.map((head: Head) => renderRecord(decodeHead(head).conversation, "conversation"));
    const rest = next === undefined ? "" : `,"cursor":${JSON.stringify(encodeCursor(next))}`;
    return new Document(`{"conversations":[${records.join(",")}]${rest}}`, 0);
  }

  async #read<T>(id: string, read: (cached: CachedConversation) => Promise<T>): Promise<T> {
    checkIdentifier(id, "id");
    let cached = await this.#cache.current(id);
    for (let restarts = 0; ; restarts++) {
      try {
        return await read(cached);
      } catch (error) {
        if (!(error instanceof PrunedError) || restarts === RESTARTS) throw error;
        cached = await this.#cache.refresh(id);
      } finally {
        this.#cache.touch(id);
      }
    }
  }
}

function joined(messages: readonly { readonly text: string }[]): string {
  return messages.map(({ text }) => text).join(",");
}

function encodeCursor({ updatedAt, id }: { updatedAt: number; id: string }): string {
  return Buffer.from(JSON.stringify([updatedAt, id])).toString("base64url");
}

function decodeCursor(cursor: string): { updatedAt: number; id: string } {
  let decoded: unknown;
  try {
    decoded = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch (cause) {
    throw new FastpacaError("invalid_request", "cursor is not one that a listing returned", {
      field: "cursor",
      cause,
    });
  }
  if (Array.isArray(decoded)) {
    const [updatedAt, id]: unknown[] = decoded;
    if (Number.isSafeInteger(updatedAt) && typeof updatedAt === "number")
      return { updatedAt, id: checkIdentifier(id, "cursor") };
  }
  throw invalid("cursor", "is not one that a listing returned");
}

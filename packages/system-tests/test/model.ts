/**
 * A second reading of the contract: what the store should answer, computed the dumbest way there is. A conversation is
 * an array of events; its window is worked out from the first event on, each time somebody looks. Nothing here is
 * shared with the implementation but the types of its input, and nothing is fast.
 */
import type {
  AppendInput,
  CompactInput,
  ContextInput,
  ErrorCode,
  MessageInput,
  PolicyInput,
  PutContextInput,
  ReplayInput,
  TailInput,
} from "@fastpaca/core";
import {
  evictOverBudget,
  existing,
  messagesOf,
  shownContent,
  usedTokens,
  windowOf,
  type Config,
  type Counted,
  type Event,
  type Fields,
  type MessageEvent,
} from "./model-window.js";

export type Surface = "contexts" | "conversations";

interface Appended {
  readonly seq: number;
  readonly version: number;
  readonly token_count: number;
  readonly token_estimate: number;
}

interface Conversation {
  revision: number;
  tombstoned: boolean;
  metadata: Fields;
  /** The configuration that the context was created with; undefined where it was created without a window. */
  initial: Config | undefined;
  events: Event[];
  readonly keys: Map<string, { readonly content: string; readonly result: Appended }>;
  readonly createdAt: number;
  updatedAt: number;
}

const OWN_FIELDS = new Set(["seq", "version", "inserted_at", "token_count"]);

export class ModelError extends Error {
  readonly code: ErrorCode;
  readonly version: number | undefined;

  constructor(code: ErrorCode, version?: number) {
    super(code);
    this.code = code;
    this.version = version;
  }
}

export class Model {
  /** Milliseconds since 1970; set by the test, together with the store's clock. */
  now = 0;
  readonly #estimate: (message: MessageInput) => number;
  readonly #conversations = new Map<string, Conversation>();
  /** Revisions used so far by ids whose conversation was purged. */
  readonly #purged = new Map<string, number>();

  constructor(estimate: (message: MessageInput) => number) {
    this.#estimate = estimate;
  }

  /** 0 where the conversation does not exist. */
  version(id: string): number {
    return this.#conversations.get(id)?.events.length ?? 0;
  }

  revision(id: string): number {
    return this.#conversations.get(id)?.revision ?? this.#purged.get(id) ?? 0;
  }

  lastSeq(id: string): number {
    const conversation = this.#conversations.get(id);
    return conversation === undefined ? 0 : messagesOf(conversation.events).length;
  }

  /** Where the window's summary ends and its live messages begin, if it has such. */
  bounds(id: string): { summaryEnd: number | undefined; firstLive: number | undefined } {
    const conversation = this.#conversations.get(id);
    const window = conversation && windowOf(conversation);
    return { summaryEnd: window?.summary?.to, firstLive: window?.live[0]?.source.seq };
  }

  putContext(id: string, input: PutContextInput): { created: boolean; record: Fields } {
    const present = this.#conversations.get(id);
    if (present?.tombstoned === true) throw new ModelError("tombstoned");
    const config = present && windowOf(present)?.config;
    const wanted = configured(config, input);
    if (present === undefined) {
      this.#create(id, input.metadata, wanted);
    } else {
      const changed = config === undefined || JSON.stringify(config) !== JSON.stringify(wanted);
      if (changed) present.events.push({ kind: "config", config: wanted });
      const described = this.#describe(present, input.metadata);
      if (changed || described) this.#commit(present);
    }
    return { created: config === undefined, record: this.get(id, "contexts") };
  }

  putConversation(id: string, metadata: Fields | undefined): { created: boolean; record: Fields } {
    const present = this.#conversations.get(id);
    if (present?.tombstoned === true) throw new ModelError("tombstoned");
    if (present === undefined) this.#create(id, metadata, undefined);
    else if (this.#describe(present, metadata)) this.#commit(present);
    return { created: present === undefined, record: this.get(id, "conversations") };
  }

  append(id: string, surface: Surface, input: AppendInput): Appended & { deduplicated?: true } {
    // A key is looked up before its append is refused for any reason, be it that there is no window.
    const conversation = this.#find(id, "conversations");
    const messages = input.messages ?? (input.message === undefined ? [] : [input.message]);
    const content = JSON.stringify(messages.map((message) => [contentOf(message), message.token_count]));
    const { idempotency_key: key, if_version: ifVersion } = input;
    const held = key === undefined ? undefined : conversation.keys.get(key);
    if (held !== undefined) {
      if (held.content !== content) throw new ModelError("idempotency_key_reused");
      return { ...held.result, deduplicated: true };
    }
    this.#find(id, surface);
    if (conversation.tombstoned) throw new ModelError("tombstoned");
    this.#guard(conversation, ifVersion);
    for (const message of messages) {
      const seq = messagesOf(conversation.events).length + 1;
      const version = conversation.events.length + 1;
      conversation.events.push({ kind: "message", seq, version, at: this.now, ...this.#count(message) });
    }
    this.#commit(conversation);
    const last = messagesOf(conversation.events).at(-1);
    if (last === undefined) throw new Error("an append of nothing");
    const { seq, version, tokens } = last;
    const result = { seq, version, token_count: tokens, token_estimate: tokens };
    if (key !== undefined) conversation.keys.set(key, { content, result });
    return result;
  }

  compact(id: string, input: CompactInput): { version: number } {
    const conversation = this.#find(id, "contexts");
    if (conversation.tombstoned) throw new ModelError("tombstoned");
    this.#guard(conversation, input.if_version);
    const { summary, live } = existing(windowOf(conversation));
    const lastSeq = messagesOf(conversation.events).length;
    const through = input.through_seq ?? lastSeq;
    if (lastSeq === 0 || through > lastSeq) throw new ModelError("invalid_request");
    if (summary !== undefined) {
      if (through < summary.to) throw new ModelError("conflict", conversation.events.length);
    } else if (through < existing(live[0]).source.seq) {
      throw new ModelError("invalid_request");
    }
    const replacement = input.replacement.map((message) => this.#count(message));
    conversation.events.push({ kind: "compaction", through, replacement });
    this.#commit(conversation);
    return { version: conversation.events.length };
  }

  reset(id: string): { version: number } {
    const conversation = this.#find(id, "contexts");
    if (conversation.tombstoned) throw new ModelError("tombstoned");
    conversation.events.push({ kind: "reset" });
    this.#commit(conversation);
    return { version: conversation.events.length };
  }

  patchMetadata(id: string, surface: Surface, patch: Fields): Fields {
    const conversation = this.#find(id, surface);
    if (conversation.tombstoned) throw new ModelError("tombstoned");
    if (this.#describe(conversation, mergePatch(conversation.metadata, patch))) this.#commit(conversation);
    return this.get(id, surface);
  }

  remove(id: string, surface: Surface, purge: boolean): undefined {
    // Deleting is idempotent, and erasing is deleting: whoever tries again is told the same.
    if (purge && this.#purged.has(id) && !this.#conversations.has(id)) return;
    const conversation = this.#find(id, surface);
    if (purge) {
      this.#conversations.delete(id);
      this.#purged.set(id, conversation.revision + 1);
    } else if (!conversation.tombstoned) {
      conversation.tombstoned = true;
      this.#commit(conversation);
    }
  }

  get(id: string, surface: Surface): Fields {
    const conversation = this.#find(id, surface);
    const { events, tombstoned, metadata, createdAt, updatedAt } = conversation;
    return {
      id,
      ...(surface === "contexts" ? existing(windowOf(conversation)).config : {}),
      version: events.length,
      last_seq: messagesOf(events).length,
      archived_seq: 0,
      tombstoned,
      metadata,
      created_at: iso(createdAt),
      updated_at: iso(updatedAt),
    };
  }

  context(id: string, { budget_tokens: budget, if_version: ifVersion }: ContextInput = {}): Fields {
    const conversation = this.#find(id, "contexts");
    this.#guard(conversation, ifVersion);
    const window = existing(windowOf(conversation));
    const limit = budget ?? window.config.token_budget;
    if (budget !== undefined) evictOverBudget(window, budget);
    const { summary, live, config } = window;
    const first = live[0];
    const last = live.at(-1);
    return {
      version: conversation.events.length,
      messages: [
        ...(summary?.messages ?? []).map(({ content, tokens }) => ({ ...content, token_count: tokens })),
        ...live.map((message) => ({
          ...shownContent(message),
          seq: message.source.seq,
          version: message.source.version,
          inserted_at: iso(message.source.at),
          token_count: message.source.tokens,
        })),
      ],
      used_tokens: usedTokens(window),
      needs_compaction: usedTokens(window) > limit * config.trigger_ratio,
      segments: [
        ...(summary === undefined ? [] : [{ type: "summary", from_seq: summary.from, to_seq: summary.to }]),
        ...(first === undefined || last === undefined
          ? []
          : [{ type: "live", from_seq: first.source.seq, to_seq: last.source.seq }]),
      ],
    };
  }

  tail(id: string, surface: Surface, { offset = 0, limit = 100 }: TailInput = {}): Fields {
    const { events } = this.#find(id, surface);
    const upTo = messagesOf(events).toReversed().slice(offset).slice(0, limit).toReversed();
    return { messages: upTo.map(logged), version: events.length };
  }

  replay(id: string, surface: Surface, { from = 1, limit = 100 }: ReplayInput = {}): Fields {
    const { events } = this.#find(id, surface);
    const rest = messagesOf(events).filter(({ seq }) => seq >= from);
    const page = rest.slice(0, limit);
    const version = page.length < rest.length ? existing(page.at(-1)).version : events.length;
    return { messages: page.map(logged), version, first_seq: 1 };
  }

  /** The range of each compaction so far, by the version of its event. */
  ranges(id: string): { version: number; range: { from_seq: number; to_seq: number } }[] {
    const conversation = existing(this.#conversations.get(id));
    return conversation.events.flatMap((event, at) => {
      if (event.kind !== "compaction") return [];
      const { from, to } = existing(
        windowOf({ ...conversation, events: conversation.events.slice(0, at + 1) })?.summary,
      );
      return [{ version: at + 1, range: { from_seq: from, to_seq: to } }];
    });
  }

  #find(id: string, surface: Surface): Conversation {
    const conversation = this.#conversations.get(id);
    if (conversation === undefined) throw new ModelError("not_found");
    if (surface === "contexts" && windowOf(conversation) === undefined) throw new ModelError("not_found");
    return conversation;
  }

  #guard({ events }: Conversation, ifVersion: number | undefined): void {
    if (ifVersion !== undefined && ifVersion !== events.length)
      throw new ModelError("conflict", events.length);
  }

  #create(id: string, metadata: Fields = {}, initial: Config | undefined): void {
    this.#conversations.set(id, {
      revision: (this.#purged.get(id) ?? 0) + 1,
      tombstoned: false,
      metadata,
      initial,
      events: [],
      keys: new Map(),
      createdAt: this.now,
      updatedAt: this.now,
    });
  }

  /** Replaces the metadata; returns whether that changed anything. */
  #describe(conversation: Conversation, metadata: Fields | undefined): boolean {
    if (metadata === undefined || JSON.stringify(metadata) === JSON.stringify(conversation.metadata))
      return false;
    conversation.metadata = metadata;
    return true;
  }

  #commit(conversation: Conversation): void {
    conversation.revision += 1;
    conversation.updatedAt = this.now;
  }

  #count(message: MessageInput): Counted {
    return {
      content: contentOf(message),
      parts: message.parts,
      tokens: message.token_count ?? this.#estimate(message),
    };
  }
}

/** A message of the log as readers get it. */
function logged({ content, seq, version, at, tokens }: MessageEvent): Fields {
  return { ...content, seq, version, inserted_at: iso(at), token_count: tokens };
}

function contentOf(message: MessageInput): Fields {
  return Object.fromEntries(Object.entries(message).filter(([name]) => !OWN_FIELDS.has(name)));
}

/** A configuration with all fields: those given, those there were, the defaults. */
function configured(present: Config | undefined, input: PutContextInput): Config {
  return {
    token_budget: input.token_budget ?? present?.token_budget ?? 8000,
    trigger_ratio: input.trigger_ratio ?? present?.trigger_ratio ?? 0.7,
    policy:
      input.policy === undefined
        ? (present?.policy ?? complete({ strategy: "last_n" }))
        : complete(input.policy),
  };
}

/** A policy as records show it: defaults filled in, a `retain` that says nothing left out, kinds named once. */
function complete(policy: PolicyInput): PolicyInput {
  if (policy.strategy === "manual") return { strategy: "manual", config: {} };
  const { limit, retain } = policy.config ?? {};
  const kept = retain === undefined || retain === limit ? {} : { retain };
  if (policy.strategy === "last_n") return { strategy: "last_n", config: { limit: limit ?? 200, ...kept } };
  const kinds = [...new Set(policy.config?.skip_kinds ?? ["tool", "reasoning"])];
  return {
    strategy: "skip_parts",
    config: { skip_kinds: kinds, ...(limit === undefined ? {} : { limit }), ...kept },
  };
}

/** RFC 7396. */
function mergePatch(target: unknown, patch: Fields): Fields {
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, isObject(value) ? mergePatch(merged.get(name), value) : value);
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

import type { KeyRecord, Mark, StoredMessage } from "../driver.js";
import { FastpacaError } from "../errors.js";
import type { Conversation } from "./conversation.js";
import { isObject, mergePatch } from "./json-text.js";
import { renderCompaction, type PreparedMessage } from "./message.js";
import { NO_METADATA, prepareMetadata, type PreparedMetadata } from "./metadata.js";
import { parseJson } from "./parse-json.js";
import * as windows from "./window.js";
import type { Window, WindowConfigInput } from "./window.js";
import type { WindowIndex } from "./window-index.js";

/** Which of the two prefixes a request came by: a context needs a window, a conversation does not. */
export type Surface = "context" | "conversation";

export interface PutCommand {
  readonly type: "put";
  /** Given on a context. */
  readonly config?: WindowConfigInput | undefined;
  readonly metadata?: PreparedMetadata | undefined;
}

export interface AppendCommand {
  readonly type: "append";
  readonly surface: Surface;
  readonly messages: readonly PreparedMessage[];
  readonly ifVersion?: number | undefined;
  readonly key?: { readonly name: string; readonly hash: string } | undefined;
}

export interface CompactCommand {
  readonly type: "compact";
  readonly replacement: readonly PreparedMessage[];
  readonly throughSeq?: number | undefined;
  readonly ifVersion?: number | undefined;
}

export interface ResetCommand {
  readonly type: "reset";
}

export interface PatchCommand {
  readonly type: "patch";
  readonly surface: Surface;
  readonly patch: Record<string, unknown>;
}

/** Tombstones, or purges. */
export interface DeleteCommand {
  readonly type: "delete";
  readonly surface: Surface;
  readonly purge: boolean;
}

export type Command =
  | PutCommand
  | AppendCommand
  | CompactCommand
  | ResetCommand
  | PatchCommand
  | DeleteCommand;

/** What the caller of a command is told. */
export interface Result {
  /** The conversation as the command left it. */
  readonly after: Conversation;
  /** With `put`: whether the conversation, or its window, is new. */
  readonly created?: boolean;
  /** With `append`: what the key's record says, too, when it was done before. */
  readonly appended?: KeyRecord | Omit<KeyRecord, "key" | "hash">;
  readonly deduplicated?: boolean;
}

/** What one command adds to the commit that is being folded. */
export interface Step extends Result {
  readonly messages?: readonly StoredMessage[];
  readonly mark?: Mark;
  readonly key?: KeyRecord;
}

export interface Moment {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Covers the window, and the retained log for a command that rebuilds it. Appended messages are pushed to it. */
  readonly index: WindowIndex | undefined;
}

/**
 * What one command does to a conversation: (state, window index, command) → (state, window index), events, result.
 * A command that changes nothing returns `before` itself as `after`.
 *
 * @param before undefined where the conversation never existed
 * @throws FastpacaError when the command is refused; nothing has changed then
 */
export function perform(before: Conversation | undefined, command: Command, moment: Moment): Step {
  switch (command.type) {
    case "put":
      return put(before, command, moment);
    case "append":
      return append(before, command, moment);
    case "compact":
      return compact(before, command, moment);
    case "reset":
      return reset(before, moment);
    case "patch":
      return patch(before, command, moment);
    case "delete":
      return remove(before, command, moment);
  }
}

function put(before: Conversation | undefined, command: PutCommand, moment: Moment): Step {
  if (before === undefined || before.purged) return { after: create(before, command, moment), created: true };
  refuseTombstoned(before);
  const metadata = command.metadata ?? { text: before.metadata, labels: before.labels };
  const changed = metadata.text !== before.metadata;
  const described = changed
    ? { ...before, metadata: metadata.text, labels: metadata.labels, updatedAt: later(before, moment) }
    : before;
  if (command.config === undefined) return { after: described, created: false };

  const { window, version, firstSeq, lastSeq } = before;
  const config = windows.configure(window, command.config);
  if (window !== undefined && windows.sameConfig(window, config)) return { after: described, created: false };
  const index = indexOf(moment);
  const next =
    window === undefined
      ? windows.rebuild(config, firstSeq, lastSeq, index)
      : windows.reconfigure(window, config, lastSeq, index);
  const updatedAt = later(before, moment);
  const body = JSON.stringify({
    token_budget: config.budget,
    trigger_ratio: config.ratio,
    policy: config.policy,
  });
  return {
    after: { ...described, window: next, version: version + 1, updatedAt },
    mark: { version: version + 1, kind: "config", at: updatedAt, body },
    created: window === undefined,
  };
}

function create(purged: Conversation | undefined, command: PutCommand, moment: Moment): Conversation {
  const metadata = command.metadata ?? NO_METADATA;
  const now = purged === undefined ? moment.now : later(purged, moment);
  return {
    id: moment.id,
    life: (purged?.life ?? 0) + 1,
    version: 0,
    lastSeq: 0,
    firstSeq: 1,
    archivedSeq: 0,
    tombstoned: false,
    purged: false,
    metadata: metadata.text,
    labels: metadata.labels,
    createdAt: now,
    updatedAt: now,
    window: command.config && windows.emptyWindow(windows.configure(undefined, command.config), 0),
  };
}

function append(present: Conversation | undefined, command: AppendCommand, moment: Moment): Step {
  const before = existing(present, command.surface);
  refuseTombstoned(before);
  refuseOtherVersion(before, command.ifVersion);
  const insertedAt = later(before, moment);
  let { window, lastSeq: seq, version } = before;
  const messages = command.messages.map((message): StoredMessage => {
    seq += 1;
    version += 1;
    moment.index?.push(message.tokens, message.shape);
    if (window !== undefined) window = windows.join(window, seq, indexOf(moment));
    return { seq, version, tokens: message.tokens, insertedAt, body: message.body };
  });
  const appended = {
    firstSeq: before.lastSeq + 1,
    lastSeq: seq,
    version,
    tokens: messages.at(-1)?.tokens ?? 0,
  };
  return {
    after: { ...before, window, lastSeq: seq, version, updatedAt: insertedAt },
    messages,
    appended,
    ...(command.key && { key: { key: command.key.name, hash: command.key.hash, ...appended } }),
  };
}

function compact(present: Conversation | undefined, command: CompactCommand, moment: Moment): Step {
  const before = existingContext(present);
  refuseTombstoned(before);
  refuseOtherVersion(before, command.ifVersion);
  const version = before.version + 1;
  const { replacement, throughSeq } = command;
  const tokens = replacement.reduce((sum, message) => sum + message.tokens, 0);
  const size = { tokens, count: replacement.length, throughSeq };
  const {
    window,
    summary: { from, to },
  } = windows.compact(before.window, size, version, before.lastSeq, indexOf(moment));
  const at = later(before, moment);
  return {
    after: { ...before, window, version, updatedAt: at },
    mark: { version, kind: "compaction", at, body: renderCompaction(from, to, replacement) },
  };
}

function reset(present: Conversation | undefined, moment: Moment): Step {
  const before = existingContext(present);
  refuseTombstoned(before);
  const version = before.version + 1;
  const window = windows.rebuild(before.window, before.firstSeq, before.lastSeq, indexOf(moment));
  const at = later(before, moment);
  return {
    after: { ...before, window, version, updatedAt: at },
    mark: { version, kind: "reset", at, body: "{}" },
  };
}

function patch(present: Conversation | undefined, command: PatchCommand, moment: Moment): Step {
  const before = existing(present, command.surface);
  refuseTombstoned(before);
  const merged = mergePatch(parseJson(before.metadata), command.patch);
  const metadata = prepareMetadata(isObject(merged) ? merged : {});
  if (metadata.text === before.metadata) return { after: before };
  return {
    after: { ...before, metadata: metadata.text, labels: metadata.labels, updatedAt: later(before, moment) },
  };
}

function remove(present: Conversation | undefined, command: DeleteCommand, moment: Moment): Step {
  // A repeated purge finds what the first one left, and succeeds: it may be a retry.
  if (command.purge && present?.purged === true) return { after: present };
  const before = existing(present, command.surface);
  if (!command.purge && before.tombstoned) return { after: before };
  const updatedAt = later(before, moment);
  if (!command.purge) return { after: { ...before, tombstoned: true, updatedAt } };
  return {
    after: {
      ...before,
      version: 0,
      lastSeq: 0,
      firstSeq: 1,
      archivedSeq: 0,
      tombstoned: false,
      purged: true,
      metadata: "{}",
      labels: [],
      createdAt: updatedAt,
      updatedAt,
      window: undefined,
    },
  };
}

/**
 * Refuses what is not there: a conversation that was never created or was purged, a context without a window.
 * @throws FastpacaError `not_found`
 */
export function existing(conversation: Conversation | undefined, surface: Surface): Conversation {
  return surface === "context" ? existingContext(conversation) : existingConversation(conversation, surface);
}

export type Context = Conversation & { readonly window: Window };

export function existingContext(conversation: Conversation | undefined): Context {
  const present = existingConversation(conversation, "context");
  if (hasWindow(present)) return present;
  throw new FastpacaError("not_found", "this conversation has no context: a PUT to /v1/contexts adds one");
}

function hasWindow(conversation: Conversation): conversation is Context {
  return conversation.window !== undefined;
}

function existingConversation(conversation: Conversation | undefined, surface: Surface): Conversation {
  if (conversation === undefined || conversation.purged) {
    throw new FastpacaError("not_found", `there is no such ${surface}: a PUT creates it`);
  }
  return conversation;
}

function refuseTombstoned(conversation: Conversation): void {
  if (conversation.tombstoned) throw new FastpacaError("tombstoned", "the conversation is tombstoned");
}

function refuseOtherVersion({ version }: Conversation, expected: number | undefined): void {
  if (expected !== undefined && expected !== version) {
    throw new FastpacaError("conflict", `if_version is ${expected}, but the version is ${version}`, {
      field: "if_version",
      version,
    });
  }
}

/** Times never go back, whatever the clock does. */
function later(conversation: Conversation, moment: Moment): number {
  return Math.max(moment.now, conversation.updatedAt);
}

function indexOf({ index }: Moment): WindowIndex {
  if (index === undefined) throw new TypeError("a context needs its window index");
  return index;
}

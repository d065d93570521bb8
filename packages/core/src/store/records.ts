import type { Conversation } from "../semantics/conversation.js";
import type { Surface } from "../semantics/commands.js";
import type { Policy } from "../semantics/policy.js";
import type { Segment } from "../semantics/window.js";

/** A conversation as readers get it. */
export interface ConversationRecord {
  id: string;
  version: number;
  last_seq: number;
  archived_seq: number;
  tombstoned: boolean;
  metadata: Record<string, unknown>;
  created_at: string;
  updated_at: string;
}

/** A context as readers get it: a conversation and the configuration of its window. */
export interface ContextRecord extends ConversationRecord {
  token_budget: number;
  trigger_ratio: number;
  policy: Policy;
}

/** What a caller sent, as readers get it. */
export interface MessageContent {
  role: string;
  parts: { type: string; [field: string]: unknown }[];
  token_count: number;
  [field: string]: unknown;
}

/** A message as readers get it. */
export interface MessageRecord extends MessageContent {
  seq: number;
  version: number;
  inserted_at: string;
}

/** A message of a window: one of the log, or one that replaces others and has no position of its own. */
export interface WindowMessageRecord extends MessageContent {
  seq?: number;
  version?: number;
  inserted_at?: string;
}

export interface TailRecord {
  messages: MessageRecord[];
  version: number;
}

export interface ReplayRecord extends TailRecord {
  first_seq: number;
}

export interface WindowRecord {
  version: number;
  messages: WindowMessageRecord[];
  used_tokens: number;
  needs_compaction: boolean;
  segments: Segment[];
}

export interface ListRecord {
  conversations: ConversationRecord[];
  cursor?: string;
}

/** The record of a conversation as JSON text; with its window's configuration on the `context` surface. */
export function renderRecord(conversation: Conversation, surface: Surface): string {
  const { window } = conversation;
  const config =
    surface === "context" && window !== undefined
      ? `"token_budget":${window.budget},"trigger_ratio":${window.ratio},"policy":${JSON.stringify(window.policy)},`
      : "";
  return (
    `{"id":${JSON.stringify(conversation.id)},${config}"version":${conversation.version},` +
    `"last_seq":${conversation.lastSeq},"archived_seq":${conversation.archivedSeq},` +
    `"tombstoned":${conversation.tombstoned},"metadata":${conversation.metadata},` +
    `"created_at":"${new Date(conversation.createdAt).toISOString()}",` +
    `"updated_at":"${new Date(conversation.updatedAt).toISOString()}"}`
  );
}

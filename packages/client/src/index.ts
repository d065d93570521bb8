export { createClient, type Client, type ClientOptions } from "./client.js";
export type { Context } from "./context.js";
export type { Conversation } from "./conversation.js";
export { FastpacaError, type FastpacaErrorCode, type FastpacaErrorDetails } from "./errors.js";
export type {
  ModelFile,
  ModelReasoning,
  ModelShape,
  ModelText,
  ModelToolCall,
  ModelToolOutput,
  ModelToolResult,
} from "./model-message.js";
export type {
  CompactionStreamEvent,
  ContextStreamEvent,
  GapStreamEvent,
  MessageStreamEvent,
  ResetStreamEvent,
  StreamEvent,
  StreamOptions,
  TombstonedStreamEvent,
} from "./stream-events.js";
export type { FetchFunction } from "./transport.js";
export type {
  AppendOptions,
  AppendResult,
  CompactOptions,
  ContextOptions,
  ContextRecord,
  ConversationOptions,
  ConversationRecord,
  DeleteOptions,
  Json,
  ListOptions,
  ListResult,
  Message,
  MessageInput,
  MessagePart,
  Metadata,
  PartInput,
  Policy,
  ReplayOptions,
  ReplayResult,
  RequestOptions,
  Segment,
  TailOptions,
  TailResult,
  VersionResult,
  WindowMessage,
  WindowOptions,
  WindowResult,
} from "./types.js";
export type { WebSocketConstructor, WebSocketEvent, WebSocketLike } from "./websocket.js";

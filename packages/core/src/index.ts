export * from "./driver.js";
export { ERROR_CODES, FastpacaError, type ErrorCode, type ErrorDetails } from "./errors.js";
export { loadO200k } from "./o200k.js";
export type { MessageInput, PartInput } from "./semantics/message.js";
export { parseJson } from "./semantics/parse-json.js";
export type { Policy, PolicyInput } from "./semantics/policy.js";
export { approxTokens } from "./semantics/approx-tokens.js";
export { approx, estimatorFrom, type Estimator } from "./semantics/tokens.js";
export type { Segment } from "./semantics/window.js";
export type {
  AppendInput,
  CompactInput,
  ContextInput,
  ListInput,
  PatchMetadataInput,
  PutContextInput,
  PutConversationInput,
  RemoveInput,
  ReplayInput,
  StreamInput,
  TailInput,
} from "./store/check.js";
export type { Document } from "./store/document.js";
export type { AppendResult, Contexts, Conversations, PutResult, VersionResult } from "./store/operations.js";
export type {
  ContextRecord,
  ConversationRecord,
  ListRecord,
  MessageContent,
  MessageRecord,
  ReplayRecord,
  TailRecord,
  WindowMessageRecord,
  WindowRecord,
} from "./store/records.js";
export type { Frame, FrameType } from "./store/frame.js";
export type { Subscription } from "./store/subscription.js";
export { createStore, type Store, type StoreOptions } from "./store/store.js";

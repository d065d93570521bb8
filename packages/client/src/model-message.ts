import type { Json, MessagePart } from "./types.js";

/** Text for the model. */
export interface ModelText {
  type: "text";
  text: string;
}

/** A file for the model. */
export interface ModelFile {
  type: "file";
  /** A URL, a data URL, or base64. */
  data: string;
  /** IANA media type, such as `image/png`. */
  mediaType: string;
  filename?: string;
}

/** What the model thought. */
export interface ModelReasoning {
  type: "reasoning";
  text: string;
}

/** A call that the model made. */
export interface ModelToolCall {
  type: "tool-call";
  toolCallId: string;
  toolName: string;
  input: unknown;
}

/** What became of a call. */
export interface ModelToolResult {
  type: "tool-result";
  toolCallId: string;
  toolName: string;
  output: ModelToolOutput;
}

/** The forms of a tool's output that are handed on as they are; any other becomes `json`. */
export type ModelToolOutput =
  | { type: "text" | "error-text"; value: string }
  | { type: "json" | "error-json"; value: Json };

/**
 * `role` and `content` as ai-sdk's `ModelMessage` has them. The content is computed from the parts each time it is
 * read:
 *
 * - `system`: the text parts, joined. (ai-sdk accepts these among `messages` only with `allowSystemInMessages`.)
 * - `user` and any other role: text and files.
 * - `assistant`: text, files and reasoning.
 * - In both, tool parts (types that start with `tool` or `dynamic-tool`) become text that holds the part as JSON: the
 *   model sees what happened, and no call is left without its result. Only a `tool-call` that is
 *   answered by a `tool` message right behind it, on the same page, stays a call.
 * - `tool`: the results of such calls. A result without its call is left out, because providers refuse it.
 *
 * Parts that are for display (`step-start`, `source-*`, `data-*`) or of unknown type are left out. So is provider
 * metadata: it refers to items at the provider which the window may not hold any more. Use ai-sdk's
 * `convertToModelMessages` on the parts where it matters, or for tool approvals.
 */
export type ModelShape =
  | { role: "system"; readonly content: string }
  | { role: "user"; readonly content: (ModelText | ModelFile)[] }
  | { role: "assistant"; readonly content: (ModelText | ModelFile | ModelReasoning | ModelToolCall)[] }
  | { role: "tool"; readonly content: ModelToolResult[] };

type AnyContent = string | (ModelText | ModelFile | ModelReasoning | ModelToolCall)[] | ModelToolResult[];

/**
 * Gives each message of a page its computed `content`, unless it has one of its own. The property is an accessor that
 * is not enumerable, so that copies, comparisons and JSON show what is stored.
 */
export function withModelContent(messages: readonly object[]): void {
  const paired = pairedParts(messages);
  const accessor: PropertyDescriptor & ThisType<object> = {
    configurable: true,
    enumerable: false,
    get() {
      return contentOf(this, paired);
    },
  };
  for (const message of messages) {
    if (!Object.hasOwn(message, "content")) Object.defineProperty(message, "content", accessor);
  }
}

function contentOf(message: object, paired: ReadonlySet<MessagePart>): AnyContent {
  const parts = partsOf(message);
  switch (roleOf(message)) {
    case "system":
      return parts
        .flatMap(modelText)
        .map(({ text }) => text)
        .join("");
    case "assistant":
      return parts.flatMap((part) => [
        ...modelText(part),
        ...modelFile(part),
        ...modelReasoning(part),
        ...(paired.has(part) ? modelToolCall(part) : toolAsText(part)),
      ]);
    case "tool":
      return parts.filter((part) => paired.has(part)).flatMap(modelToolResult);
    default:
      return parts.flatMap((part) => [...modelText(part), ...modelFile(part), ...toolAsText(part)]);
  }
}

/**
 * Calls and their results, where a result stands in one of the tool messages right behind its call. By identity, not
 * by `toolCallId`: some providers start counting anew with every answer.
 */
function pairedParts(messages: readonly object[]): ReadonlySet<MessagePart> {
  const paired = new Set<MessagePart>();
  let waiting = new Map<string, MessagePart>();
  for (const message of messages) {
    const role = roleOf(message);
    if (role !== "tool") waiting = new Map();
    if (role !== "assistant" && role !== "tool") continue;
    for (const part of partsOf(message)) {
      if (role === "assistant") {
        for (const { toolCallId } of modelToolCall(part)) waiting.set(toolCallId, part);
        continue;
      }
      for (const { toolCallId } of modelToolResult(part)) {
        const call = waiting.get(toolCallId);
        if (call !== undefined) paired.add(call).add(part);
        waiting.delete(toolCallId);
      }
    }
  }
  return paired;
}

function modelText(part: MessagePart): ModelText[] {
  return part.type === "text" && typeof part["text"] === "string"
    ? [{ type: "text", text: part["text"] }]
    : [];
}

function modelReasoning(part: MessagePart): ModelReasoning[] {
  if (part.type !== "reasoning" || typeof part["text"] !== "string") return [];
  return [{ type: "reasoning", text: part["text"] }];
}

/** Files as in a UIMessage (`url`) or a ModelMessage (`data`). */
function modelFile(part: MessagePart): ModelFile[] {
  const { type, mediaType, filename } = part;
  const data = part["url"] ?? part["data"];
  if (type !== "file" || typeof data !== "string" || typeof mediaType !== "string") return [];
  return [{ type, data, mediaType, ...(typeof filename === "string" ? { filename } : {}) }];
}

function modelToolCall(part: MessagePart): ModelToolCall[] {
  const { type, toolCallId, toolName, input } = part;
  if (type !== "tool-call" || typeof toolCallId !== "string" || typeof toolName !== "string") return [];
  return [{ type, toolCallId, toolName, input }];
}

function modelToolResult(part: MessagePart): ModelToolResult[] {
  const { type, toolCallId, toolName, output } = part;
  if (type !== "tool-result" || typeof toolCallId !== "string" || typeof toolName !== "string") return [];
  return [{ type, toolCallId, toolName, output: modelToolOutput(output) }];
}

function modelToolOutput(output: unknown): ModelToolOutput {
  if (isObject(output)) {
    const { type, value } = output;
    if ((type === "text" || type === "error-text") && typeof value === "string") return { type, value };
    if ((type === "json" || type === "error-json") && isJson(value)) return { type, value };
  }
  return { type: "json", value: isJson(output) ? output : null };
}

function toolAsText(part: MessagePart): ModelText[] {
  if (!part.type.startsWith("tool") && !part.type.startsWith("dynamic-tool")) return [];
  return [{ type: "text", text: JSON.stringify(part) }];
}

function roleOf(message: object): unknown {
  return "role" in message ? message.role : undefined;
}

function partsOf(message: object): MessagePart[] {
  const parts: unknown = "parts" in message ? message.parts : undefined;
  return Array.isArray(parts) ? parts.filter(isPart) : [];
}

function isPart(value: unknown): value is MessagePart {
  return isObject(value) && typeof value["type"] === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** What is in a message came out of `JSON.parse`: unless it is missing, it is JSON. */
function isJson(value: unknown): value is Json {
  return value !== undefined;
}

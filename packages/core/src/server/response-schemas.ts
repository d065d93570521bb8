import { ERROR_CODES } from "../errors.js";
import { messageSchema, metadataSchema, policySchema } from "../schemas.js";

/** JSON schemas of the answers, for the OpenAPI document. Answers are rendered by the store, not by these. */

const position = { type: "integer", minimum: 0 } as const;
const time = { type: "string", format: "date-time" } as const;

const conversationFields = {
  id: { type: "string" },
  version: { ...position, description: "Position of the latest event." },
  last_seq: { ...position, description: "Position of the latest message." },
  archived_seq: position,
  tombstoned: { type: "boolean" },
  metadata: metadataSchema,
  created_at: time,
  updated_at: time,
} as const;

export const conversationSchema = {
  type: "object",
  required: Object.keys(conversationFields),
  properties: conversationFields,
};

export const contextRecordSchema = {
  type: "object",
  required: [...Object.keys(conversationFields), "token_budget", "trigger_ratio", "policy"],
  properties: {
    ...conversationFields,
    token_budget: { type: "integer" },
    trigger_ratio: { type: "number" },
    policy: policySchema,
  },
};

const storedMessageSchema = {
  ...messageSchema,
  properties: {
    ...messageSchema.properties,
    seq: { ...position, description: "Absent on a message that replaces others." },
    version: position,
    inserted_at: time,
  },
};

const messages = { type: "array", items: storedMessageSchema };

export const appendedSchema = {
  type: "object",
  required: ["seq", "version", "token_count", "token_estimate"],
  properties: {
    seq: { ...position, description: "Of the last message." },
    version: position,
    token_count: { type: "integer" },
    token_estimate: { type: "integer", description: "The same as token_count." },
    deduplicated: { const: true, description: "The key was used before: this is the first answer again." },
  },
};

export const tailRecordSchema = {
  type: "object",
  required: ["messages", "version"],
  properties: { messages, version: position },
};

export const replayRecordSchema = {
  type: "object",
  required: ["messages", "version", "first_seq"],
  properties: {
    messages,
    version: { ...position, description: "Where a stream may resume behind these messages." },
    first_seq: { type: "integer", minimum: 1, description: "The oldest message that is still kept." },
  },
};

export const windowRecordSchema = {
  type: "object",
  required: ["version", "messages", "used_tokens", "needs_compaction", "segments"],
  properties: {
    version: position,
    messages,
    used_tokens: { type: "integer" },
    needs_compaction: { type: "boolean" },
    segments: {
      type: "array",
      items: {
        type: "object",
        required: ["type", "from_seq", "to_seq"],
        properties: { type: { enum: ["summary", "live"] }, from_seq: position, to_seq: position },
      },
    },
  },
};

export const versionSchema = { type: "object", required: ["version"], properties: { version: position } };

export const listRecordSchema = {
  type: "object",
  required: ["conversations"],
  properties: {
    conversations: { type: "array", items: conversationSchema },
    cursor: { type: "string", description: "Where the next page starts; absent on the last one." },
  },
};

export const healthSchema = { type: "object", required: ["status"], properties: { status: { const: "ok" } } };

const errorSchema = {
  type: "object",
  required: ["error", "message"],
  properties: {
    error: { enum: Object.keys(ERROR_CODES) },
    message: { type: "string" },
    field: { type: "string", description: "The input that is wrong." },
    version: { ...position, description: "With conflict: the present version." },
  },
};

/** What every answer may be instead. */
export const REFUSED = { default: { description: "Refused", ...errorSchema } };

export function answer(status: number, schema: object): Record<string, object> {
  return { [status]: json("Done", schema), ...REFUSED };
}

/** Of what is read: whoever has it already is told so. */
export function readAnswer(schema: object): Record<string, object> {
  return { ...answer(200, tagged(schema)), 304: { description: "As `If-None-Match` says", type: "null" } };
}

export function tagged(schema: object): object {
  const etag = {
    type: "string",
    description:
      "The revision of the conversation, in quotes. Not with a state that another write has changed already.",
  };
  return { ...schema, headers: { ETag: etag } };
}

export function json(description: string, schema: object): object {
  return { description, ...schema };
}

/**
 * JSON schemas of everything callers hand over: checked where a call enters the store, whether it came over HTTP or
 * in-process, and published in the OpenAPI document.
 */

/** Largest budgets, counts and limits that callers may give, so that sums of them stay exact. */
export const MAX_TOKENS = 1_000_000_000;
const MAX_MESSAGES = 1_000_000;

const version = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const tokens = { type: "integer", minimum: 1, maximum: MAX_TOKENS } as const;
const count = { type: "integer", minimum: 1, maximum: MAX_MESSAGES } as const;

export const metadataSchema = {
  type: "object",
  description: "Any JSON object, at most 8 KiB.",
  additionalProperties: true,
} as const;

export const messageSchema = {
  type: "object",
  required: ["role", "parts"],
  properties: {
    role: { type: "string", minLength: 1, maxLength: 64 },
    parts: {
      type: "array",
      items: {
        type: "object",
        required: ["type"],
        properties: { type: { type: "string", minLength: 1 } },
        additionalProperties: true,
      },
    },
    token_count: {
      type: "integer",
      minimum: 0,
      maximum: MAX_TOKENS,
      description: "Size for the model; estimated where absent.",
    },
  },
  additionalProperties: true,
} as const;

export const policySchema = {
  type: "object",
  required: ["strategy"],
  discriminator: { propertyName: "strategy" },
  oneOf: [
    {
      properties: {
        strategy: { const: "last_n" },
        config: { type: "object", properties: { limit: count, retain: count }, additionalProperties: false },
      },
      additionalProperties: false,
    },
    {
      properties: {
        strategy: { const: "skip_parts" },
        config: {
          type: "object",
          properties: {
            skip_kinds: {
              type: "array",
              minItems: 1,
              maxItems: 16,
              items: { type: "string", minLength: 1, maxLength: 64 },
              description: "Prefixes of part types.",
            },
            limit: count,
            retain: count,
          },
          additionalProperties: false,
        },
      },
      additionalProperties: false,
    },
    {
      properties: {
        strategy: { const: "manual" },
        config: { type: "object", properties: {}, additionalProperties: false },
      },
      additionalProperties: false,
    },
  ],
} as const;

export const putContextSchema = {
  type: "object",
  properties: {
    token_budget: { ...tokens, description: "Tokens the window may hold; 8000 on a new context." },
    trigger_ratio: {
      type: "number",
      exclusiveMinimum: 0,
      maximum: 1,
      description: "Part of the budget from which on compaction is due; 0.7 on a new context.",
    },
    policy: policySchema,
    metadata: metadataSchema,
  },
  additionalProperties: false,
} as const;

export const putConversationSchema = {
  type: "object",
  properties: { metadata: metadataSchema },
  additionalProperties: false,
} as const;

export const patchMetadataSchema = {
  type: "object",
  required: ["metadata"],
  properties: { metadata: { ...metadataSchema, description: "A JSON merge patch (RFC 7396)." } },
  additionalProperties: false,
} as const;

export const appendSchema = {
  type: "object",
  properties: {
    message: messageSchema,
    messages: { type: "array", minItems: 1, items: messageSchema },
    if_version: { ...version, description: "Append only if the conversation is at exactly this version." },
    idempotency_key: { type: "string", minLength: 1, maxLength: 255 },
  },
  additionalProperties: false,
  description: "Exactly one of `message` and `messages`.",
} as const;

export const compactSchema = {
  type: "object",
  required: ["replacement"],
  properties: {
    replacement: { type: "array", minItems: 1, items: messageSchema },
    through_seq: {
      ...version,
      minimum: 1,
      description: "Last message that is replaced; the newest by default.",
    },
    if_version: version,
  },
  additionalProperties: false,
} as const;

const limit = { type: "integer", minimum: 1, maximum: 1000, default: 100 } as const;

export const tailSchema = {
  type: "object",
  properties: {
    offset: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 },
    limit,
  },
  additionalProperties: false,
} as const;

export const replaySchema = {
  type: "object",
  properties: {
    from: { type: "integer", minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 1 },
    limit,
  },
  additionalProperties: false,
} as const;

export const contextSchema = {
  type: "object",
  properties: { budget_tokens: tokens, if_version: version },
  additionalProperties: false,
} as const;

export const streamSchema = {
  type: "object",
  properties: {
    cursor: { ...version, description: "The last version that was processed; from now on where absent." },
    include_messages: { type: "boolean", default: true },
  },
  additionalProperties: false,
} as const;

export const removeSchema = {
  type: "object",
  properties: { purge: { type: "boolean", default: false } },
  additionalProperties: false,
} as const;

export const listSchema = {
  type: "object",
  properties: {
    limit,
    cursor: { type: "string", minLength: 1, maxLength: 2048 },
    metadata: {
      type: "object",
      maxProperties: 16,
      additionalProperties: { type: ["string", "number", "boolean"] },
    },
  },
  additionalProperties: false,
} as const;

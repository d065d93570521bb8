/** A message of 100 bytes of JSON. */
export function message(number: number): { role: string; parts: { type: string; text: string }[] } {
  const text = `Message ${number} `.padEnd(47, "says something short. ");
  return { role: "user", parts: [{ type: "text", text }] };
}

/** What a bare route validates: the form of an append's body. */
export const appendBodySchema = {
  type: "object",
  properties: {
    message: {
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
      },
      additionalProperties: true,
    },
    if_version: { type: "integer", minimum: 0 },
    idempotency_key: { type: "string", minLength: 1, maxLength: 255 },
  },
  required: ["message"],
  additionalProperties: false,
} as const;

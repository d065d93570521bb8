/** A message of one text part, with its size given where a check reckons with it. */
export function say(text: string, tokens?: number): object {
  return {
    role: "user",
    parts: [{ type: "text", text }],
    ...(tokens !== undefined && { token_count: tokens }),
  };
}

/** The text of a message as a server gives it; undefined where it has another form. */
export function textOf(message: unknown): unknown {
  const { parts }: { parts?: unknown } = Object(message);
  const [first]: unknown[] = Array.isArray(parts) ? parts : [];
  const { text }: { text?: unknown } = Object(first);
  return text;
}

/** The messages of an answer or a frame. */
export function messagesIn({ messages }: { readonly messages?: unknown }): readonly unknown[] {
  return Array.isArray(messages) ? messages : [];
}

export function textsIn(body: { readonly messages?: unknown }): unknown[] {
  return messagesIn(body).map(textOf);
}

export function seqsIn(body: { readonly messages?: unknown }): unknown[] {
  return messagesIn(body).map((message) => {
    const { seq }: { seq?: unknown } = Object(message);
    return seq;
  });
}

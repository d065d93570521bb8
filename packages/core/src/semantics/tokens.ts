import { approxTokens } from "./approx-tokens.js";

/** What an estimator has to know of a message. */
export interface EstimableMessage {
  readonly role: string;
  readonly parts: readonly EstimablePart[];
  readonly [field: string]: unknown;
}

export interface EstimablePart {
  readonly type: string;
  readonly [field: string]: unknown;
}

/**
 * Tokens of one message as it reaches a model: an integer from 0 to 10⁹. Never throws for what JSON can express.
 * Where it does, or makes anything else, the append is refused as `internal`.
 */
export type Estimator = (message: EstimableMessage) => number;

/**
 * Tokens that frame a message, whatever is in it: its start, its role and its end are special tokens of their own in
 * the chat formats, and a line break or two separates them.
 */
export const MESSAGE_TOKENS = 4;

/**
 * Tokens of an embedded file, whatever its size. A model does not read base64; it gets an image or a document, and what
 * that costs depends on the model and on pixels or pages, which are not looked at here. This is the order of magnitude
 * of one picture of about 1000 by 1000 pixels.
 */
export const FILE_TOKENS = 1000;

/**
 * An estimator that counts text by `count` (0 or more, and an integer).
 *
 * Parts of type `text` and `reasoning` count as their `text`. Every other part counts as its JSON text, in which each
 * embedded file is left out and counts {@link FILE_TOKENS}: any string that is a base64 `data:` URL, and the `data` or
 * `image` of a `file` or `image` part unless it is a link. The other fields of a message (its `id`, its metadata) do
 * not reach a model and count nothing.
 */
export function estimatorFrom(count: (text: string) => number): Estimator {
  return (message) => {
    let tokens = MESSAGE_TOKENS;
    for (const part of message.parts) tokens += partTokens(part, count);
    return tokens;
  };
}

/** The default estimator: {@link approxTokens} and {@link MESSAGE_TOKENS}. */
export const approx: Estimator = estimatorFrom(approxTokens);

function partTokens(part: EstimablePart, count: (text: string) => number): number {
  if ((part.type === "text" || part.type === "reasoning") && typeof part["text"] === "string") {
    return count(part["text"]);
  }
  const isFile = part.type === "file" || part.type === "image";
  let files = 0;
  const json = JSON.stringify(part, (key, value: unknown) => {
    if (typeof value !== "string") return value;
    const holdsContent = isFile && (key === "data" || key === "image") && !URL_SCHEME.test(value);
    if (!holdsContent && !isDataUrl(value)) return value;
    files++;
    return "";
  });
  return files * FILE_TOKENS + count(json);
}

/** What tells a link to a file from its content in base64, which has no colon. */
const URL_SCHEME = /^[a-z][a-z0-9+.-]{0,31}:/i;

/** Media type and parameters of a `data:` URL end within this many characters; only so many are searched. */
const DATA_URL_HEADER = 256;

function isDataUrl(value: string): boolean {
  return value.startsWith("data:") && value.slice(0, DATA_URL_HEADER).includes(";base64,");
}

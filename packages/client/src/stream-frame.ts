import { FastpacaError, excerpt, isRecord, parseObject } from "./errors.js";
import { withModelContent } from "./model-message.js";
import type { StreamEvent } from "./stream-events.js";

/** What a server sends: an event, or a sign of life. */
export type StreamFrame = StreamEvent | { readonly type: "ping" };

/**
 * The frame that a text holds; undefined where it is of a type that this version does not know, which newer servers
 * may send.
 *
 * @param name the call, for errors
 * @throws FastpacaError `invalid_response` when it is no frame
 */
export function readFrame(name: string, text: string): StreamFrame | undefined {
  const value = parseObject(text);
  if (value !== undefined && typeof value["type"] === "string") {
    if (!FORM_OF.has(value["type"])) return undefined;
    if (isFrame(value, value["type"])) {
      if (value.type === "message") withModelContent([value.message]);
      return value;
    }
  }
  throw notAFrame(name, text);
}

/** The error for something in a stream that is no frame. */
export function notAFrame(name: string, text: string): FastpacaError {
  return new FastpacaError("invalid_response", `${name}: not a frame of Fastpaca's: ${excerpt(text)}`);
}

type Fields = Readonly<Record<string, unknown>>;

const FORMS: Readonly<Record<StreamFrame["type"], (frame: Fields) => boolean>> = {
  message: ({ version, seq, message }) => isPosition(version) && isPosition(seq) && isRecord(message),
  context: ({ version, needs_compaction, used_tokens }) =>
    isPosition(version) && typeof needs_compaction === "boolean" && typeof used_tokens === "number",
  compaction: ({ version, range }) =>
    isPosition(version) && isRecord(range) && isPosition(range["from_seq"]) && isPosition(range["to_seq"]),
  reset: ({ version }) => isPosition(version),
  gap: ({ expected, actual }) => isPosition(expected) && isPosition(actual),
  tombstoned: () => true,
  ping: () => true,
};

const FORM_OF: ReadonlyMap<string, (frame: Fields) => boolean> = new Map(Object.entries(FORMS));

function isFrame(value: Fields, type: string): value is Fields & StreamFrame {
  return FORM_OF.get(type)?.(value) === true;
}

function isPosition(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

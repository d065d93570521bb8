import { FastpacaError } from "../errors.js";
import { encodeJson } from "./json-text.js";
import { labelsOf } from "./labels.js";
import { MAX_DEPTH } from "./message.js";

/** Largest metadata, in bytes of its JSON text: it is part of the head, and written again with every commit. */
export const MAX_METADATA_BYTES = 8192;

/** Metadata ready to be stored. */
export interface PreparedMetadata {
  /** A JSON object as text. */
  readonly text: string;
  readonly labels: readonly string[];
}

export const NO_METADATA: PreparedMetadata = { text: "{}", labels: [] };

/** @throws FastpacaError `invalid_request`, or `payload_too_large` above {@link MAX_METADATA_BYTES} */
export function prepareMetadata(value: Record<string, unknown>): PreparedMetadata {
  const text = encodeJson(value, "metadata", MAX_DEPTH);
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES) {
    throw new FastpacaError(
      "payload_too_large",
      `metadata must be at most ${MAX_METADATA_BYTES} bytes of JSON`,
      {
        field: "metadata",
      },
    );
  }
  return { text, labels: labelsOf(value) };
}

import type { KeyRecord, StoredMessage } from "@fastpaca/core";
import { FlatReader } from "./flat.js";

/**
 * The tail of a conversation: its newest messages and keys as text in its head's row, which every commit rewrites
 * anyway. They move to their tables together when the tail becomes too long, so that the pages of the tables are
 * written once for several commits.
 *
 * The text is JSON without the brackets: five values for a message, of which the first is a number, and six for a
 * key, of which the first is a string. In the order of the commits, so that messages ascend.
 */
export interface Tail {
  readonly messages: readonly StoredMessage[];
  readonly keys: readonly KeyRecord[];
}

/** Longest text in bytes of UTF-8. Two heads with tails still share a page then; longer ones cost more pages than they save. */
export const TAIL_BYTES = 1500;

/** @returns `undefined` where that is too much for a tail */
export function extended(
  tail: string,
  messages: readonly StoredMessage[],
  keys: readonly KeyRecord[],
): string | undefined {
  if (messages.length === 0 && keys.length === 0) return tail;
  // Before anything is packed in vain.
  let units = tail.length;
  for (const { body } of messages) if ((units += body.length) > TAIL_BYTES) return undefined;
  const added = packed({ messages, keys });
  const longer = tail === "" ? added : `${tail},${added}`;
  return Buffer.byteLength(longer) > TAIL_BYTES ? undefined : longer;
}

export function packed({ messages, keys }: Tail): string {
  const values: (string | number)[] = [];
  for (const { seq, version, tokens, insertedAt, body } of messages) {
    values.push(seq, version, tokens, insertedAt, body);
  }
  for (const { key, hash, firstSeq, lastSeq, version, tokens } of keys) {
    values.push(key, hash, firstSeq, lastSeq, version, tokens);
  }
  return JSON.stringify(values).slice(1, -1);
}

/** @throws TypeError or SyntaxError when it is no tail: the file was changed by hand, or is corrupt */
export function unpacked(tail: string): Tail {
  const values: unknown = JSON.parse(`[${tail}]`);
  const reader = new FlatReader(Array.isArray(values) ? values : []);
  const messages: StoredMessage[] = [];
  const keys: KeyRecord[] = [];
  while (!reader.ended) {
    if (reader.atText) keys.push(keyIn(reader));
    else messages.push(messageIn(reader));
  }
  return { messages, keys };
}

/** Those of the keys that a tail holds. */
export function heldIn(tail: string, keys: readonly string[]): KeyRecord[] {
  // A key that is held is in the text as JSON writes it, and hardly any other is.
  if (!keys.some((key) => tail.includes(JSON.stringify(key)))) return [];
  return unpacked(tail).keys.filter(({ key }) => keys.includes(key));
}

// Properties are evaluated in the order in which they are written: that of `packed` and of `flatten`.

export function messageIn(reader: FlatReader): StoredMessage {
  return {
    seq: reader.number(),
    version: reader.number(),
    tokens: reader.number(),
    insertedAt: reader.number(),
    body: reader.text(),
  };
}

export function keyIn(reader: FlatReader): KeyRecord {
  return {
    key: reader.text(),
    hash: reader.text(),
    firstSeq: reader.number(),
    lastSeq: reader.number(),
    version: reader.number(),
    tokens: reader.number(),
  };
}

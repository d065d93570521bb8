import { isDeepStrictEqual } from "node:util";
import type { Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

const HEAD = [
  "id",
  "revision",
  "life",
  "version",
  "lastSeq",
  "firstSeq",
  "archivedSeq",
  "tombstoned",
  "purged",
  "metadata",
  "labels",
  "createdAt",
  "updatedAt",
  "state",
] as const satisfies readonly (keyof Head)[];
const MESSAGE = [
  "seq",
  "version",
  "tokens",
  "insertedAt",
  "body",
] as const satisfies readonly (keyof StoredMessage)[];
const MARK = ["version", "kind", "at", "body"] as const satisfies readonly (keyof Mark)[];
const KEY = [
  "key",
  "hash",
  "firstSeq",
  "lastSeq",
  "version",
  "tokens",
] as const satisfies readonly (keyof KeyRecord)[];

/** What an answer may be made of. */
export type Kind = "head" | "message" | "mark" | "key";

const FIELDS: Readonly<Record<Kind, readonly string[]>> = {
  head: HEAD,
  message: MESSAGE,
  mark: MARK,
  key: KEY,
};

/**
 * An answer reduced to what the interface speaks of: rows of a database may have no prototype, or more columns than
 * asked for, and are right all the same. Text in place of what cannot be shown, such as a bigint.
 */
export function plain(kind: Kind, value: unknown): unknown {
  if (!isRecord(value)) return scalar(value);
  return Object.fromEntries(FIELDS[kind].map((field) => [field, scalar(Reflect.get(value, field))]));
}

/** @returns the rows reduced; undefined where the answer is no list at all */
export function plainRows(kind: Kind, answer: unknown): unknown[] | undefined {
  return Array.isArray(answer) ? answer.map((row) => plain(kind, row)) : undefined;
}

/** Whether an answer says what it should. */
export function same(kind: Kind, actual: unknown, expected: unknown): boolean {
  if (!isRecord(actual) || !isRecord(expected)) return Object.is(actual, expected);
  return FIELDS[kind].every((name) => {
    const one: unknown = Reflect.get(actual, name);
    const other: unknown = Reflect.get(expected, name);
    return one === other || (Array.isArray(one) && isDeepStrictEqual(one, other));
  });
}

/** A field of something that a driver answered, whatever that is. */
export function field(value: unknown, name: string): unknown {
  return isRecord(value) ? Reflect.get(value, name) : undefined;
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function scalar(value: unknown): unknown {
  if (typeof value === "bigint") return `the bigint ${value}`;
  return Array.isArray(value) ? value.map(scalar) : value;
}

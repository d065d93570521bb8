import type {
  Commit,
  CommitOutcome,
  Head,
  KeyRecord,
  ListPage,
  ListQuery,
  Mark,
  StoredMessage,
} from "@fastpaca/core";
import { kindOf } from "./columns.js";
import { FlatReader } from "./flat.js";
import { keyIn, messageIn } from "./tail.js";

/** What the worker is asked. `call` is repeated in the answer. */
export type Request = { readonly call: number } & (
  | { readonly kind: "commit"; readonly batch: Flat }
  | { readonly kind: "heads"; readonly ids: readonly string[] }
  | { readonly kind: "messages"; readonly id: string; readonly from: number; readonly to: number }
  | { readonly kind: "marks"; readonly id: string; readonly after: number; readonly limit: number }
  | { readonly kind: "keys"; readonly id: string; readonly keys: readonly string[] }
  | { readonly kind: "list"; readonly query: ListQuery }
  | { readonly kind: "prune"; readonly id: string; readonly below: number }
  | { readonly kind: "close" }
);

/** What each kind of request is answered with. */
export interface Answers {
  /** `undefined`: all of them were committed. */
  readonly commit: CommitOutcome[] | undefined;
  readonly heads: (Head | undefined)[];
  readonly messages: StoredMessage[];
  readonly marks: Mark[];
  readonly keys: KeyRecord[];
  readonly list: ListPage;
  readonly prune: undefined;
  readonly close: undefined;
}

/** `call` 0 answers the opening of the database. */
export type Reply =
  | { readonly call: number; readonly answer: Answers[keyof Answers] }
  | { readonly call: number; readonly failure: Error };

/**
 * A batch of commits as one array of strings and numbers: cloning it from thread to thread takes the main thread half
 * the time of cloning the objects, and a third of JSON.
 */
export type Flat = readonly (string | number)[];

export function flatten(commits: readonly Commit[]): Flat {
  const flat: (string | number)[] = [commits.length];
  for (const { id, base, head, messages, marks, keys } of commits) {
    flat.push(
      id,
      base,
      head.revision,
      head.life,
      head.version,
      head.lastSeq,
      head.firstSeq,
      head.archivedSeq,
    );
    flat.push(
      head.tombstoned ? 1 : 0,
      head.purged ? 1 : 0,
      head.metadata,
      head.createdAt,
      head.updatedAt,
      head.state,
    );
    flat.push(head.labels.length, ...head.labels);
    flat.push(messages.length);
    for (const { seq, version, tokens, insertedAt, body } of messages) {
      flat.push(seq, version, tokens, insertedAt, body);
    }
    flat.push(marks.length);
    for (const { version, kind, at, body } of marks) flat.push(version, kind, at, body);
    flat.push(keys.length);
    for (const { key, hash, firstSeq, lastSeq, version, tokens } of keys) {
      flat.push(key, hash, firstSeq, lastSeq, version, tokens);
    }
  }
  return flat;
}

export function unflatten(flat: Flat): Commit[] {
  const reader = new FlatReader(flat);
  const text = (): string => reader.text();
  const number = (): number => reader.number();
  // Properties are evaluated in the order in which they are written: that of `flatten`.
  return reader.many((): Commit => {
    const id = text();
    return {
      id,
      base: number(),
      head: {
        id,
        revision: number(),
        life: number(),
        version: number(),
        lastSeq: number(),
        firstSeq: number(),
        archivedSeq: number(),
        tombstoned: number() !== 0,
        purged: number() !== 0,
        metadata: text(),
        createdAt: number(),
        updatedAt: number(),
        state: text(),
        labels: reader.many(text),
      },
      messages: reader.many(() => messageIn(reader)),
      marks: reader.many(() => ({ version: number(), kind: kindOf(text()), at: number(), body: text() })),
      keys: reader.many(() => keyIn(reader)),
    };
  });
}

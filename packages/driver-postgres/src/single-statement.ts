import type { Commit } from "@fastpaca/core";
import type { Tables } from "./tables.js";

const HEAD = "life, version, last_seq, first_seq, archived_seq, created_at, updated_at, metadata, state";
const MESSAGE = "seq, version, tokens, inserted_at, body";
const KEY = "key, hash, first_seq, last_seq, version, tokens";

/**
 * One commit of one message, keyed or not, to a conversation that there is: what a client sends that waits for each
 * answer. The same compare-and-set as `commitStatement`, which takes several times as long to start, since it puts
 * everything together from arrays.
 *
 * `w` finds the row in the snapshot of the statement, locks the newest version of it, and compares the revision of
 * *that* version. A key that is held fails the statement as a whole.
 *
 * It returns a row if the commit was applied, and does not say why where it was not.
 */
export function singleStatement({ heads, messages, keys }: Tables, keyed: boolean): string {
  let parameters = 0;
  const next = (): string => `$${++parameters}`;
  const list = (columns: string): string => columns.split(", ").map(next).join(", ");
  const [id, base] = [next(), next()];
  const changes = HEAD.split(", ").map((column) => `${column} = ${next()}`);
  const [updatedAt, tombstoned, labels] = [next(), next(), next()];
  const message = list(MESSAGE);
  const key = keyed ? list(KEY) : "";
  const insertKey = keyed ? `,\nk AS (INSERT INTO ${keys} (log, ${KEY}) SELECT log, ${key} FROM w)` : "";
  return `WITH w AS (
  UPDATE ${heads} SET revision = ${base}::int8 + 1, ${changes.join(", ")}, updated_minute = ${updatedAt}::int8 / 60000,
    tombstoned = ${tombstoned}, purged = false, labels = string_to_array(${labels}, E'\\n')
  WHERE id = ${id} AND revision = ${base}::int8
  RETURNING log),
m AS (INSERT INTO ${messages} (log, ${MESSAGE}) SELECT log, ${message} FROM w)${insertKey}
SELECT 1 FROM w`;
}

/** What {@link singleStatement} takes; undefined where the commits are anything else. */
export function singleOf(
  commits: readonly Commit[],
): { readonly keyed: boolean; readonly values: readonly string[] } | undefined {
  const [commit] = commits;
  if (commits.length !== 1 || commit === undefined) return undefined;
  const { id, base, head, messages, marks, keys } = commit;
  const [message] = messages;
  const [key] = keys;
  const usual = base > 0 && !head.purged && messages.length === 1 && marks.length === 0 && keys.length <= 1;
  if (!usual || message === undefined) return undefined;
  const { life, version, lastSeq, firstSeq, archivedSeq, createdAt, updatedAt, metadata, state } = head;
  const values: (string | number | boolean)[] = [id, base, life, version, lastSeq, firstSeq, archivedSeq];
  values.push(createdAt, updatedAt, metadata, state, updatedAt, head.tombstoned, head.labels.join("\n"));
  values.push(message.seq, message.version, message.tokens, message.insertedAt, message.body);
  if (key !== undefined) {
    values.push(key.key, key.hash, key.firstSeq, key.lastSeq, key.version, key.tokens);
  }
  return { keyed: key !== undefined, values: values.map(String) };
}

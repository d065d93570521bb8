import type { Tables } from "./tables.js";

/** What a batch has beside heads and messages: a statement that need not look for it is faster. */
export interface CommitParts {
  readonly keys: boolean;
  readonly marks: boolean;
  readonly purges: boolean;
}

/**
 * Numbers of one commit, one message, one key, one mark, in the order in which they travel: all of them in one array,
 * since every further array costs the server more than its elements do. `slot` is the place of the commit in the
 * batch, from 1.
 */
export const COMMIT_NUMBERS = [
  "base",
  "life",
  "version",
  "last_seq",
  "first_seq",
  "archived_seq",
  "created_at",
  "updated_at",
  "flags",
] as const;
export const MESSAGE_NUMBERS = ["slot", "seq", "version", "tokens", "inserted_at"] as const;
export const KEY_NUMBERS = ["slot", "first_seq", "last_seq", "version", "tokens"] as const;
export const MARK_NUMBERS = ["slot", "version", "at"] as const;
/** Bits of `flags`. */
export const TOMBSTONED = 1;
export const PURGED = 2;

/** The columns of a head as JSON, in the order that {@link headOf} reads. */
export const HEAD_COLUMNS =
  "id, revision, life, version, last_seq, first_seq, archived_seq, tombstoned, purged, metadata, labels, created_at, updated_at, state";

/**
 * One statement for a whole batch. It returns a row for each commit that was *not* applied: its slot, the keys that
 * are held, and the head that won where it is known.
 *
 * Why this is a compare-and-set, in READ COMMITTED, without a lock taken beforehand:
 *
 * - `c` reads the stored revision in the snapshot of the statement. A commit whose base is another one, or whose keys
 *   are held in that snapshot, is refused, which is true at the moment of the snapshot. Nothing is locked for it.
 * - `w` writes the others. `ON CONFLICT DO UPDATE` waits for and locks the newest version of the row, and compares the
 *   revision of *that* version. Revisions are never used twice, so if it still is the base, nobody has changed the
 *   conversation since the snapshot: the log and the keys that were read in the snapshot are the present ones. If it is
 *   not, the row is not returned, and the commit is refused. Two creations race for the primary key: the one that waits
 *   finds a row whose revision is not 0.
 * - A row that the snapshot does not show is inserted only by a creation. Rows of heads are never deleted.
 * - Messages, keys and marks are inserted for what `w` returned only.
 * - The batch arrives sorted by id, and `w` keeps that order: two batches lock what they share in the same order.
 *
 * A log is one life of a conversation: a purge gives the head the number of a new, empty one, which hides everything
 * at once, and leaves the old number in `erased` for whoever deletes its rows.
 *
 * Why it looks as it does: its plan is made once, perhaps on empty tables, and must still be good on full ones. So
 * rows are looked up one by one (`LIMIT 1` keeps the planner from joining whole tables), and the parts of the batch are
 * put together by array index and not by joins, whose method would be chosen for the guessed size of the batch.
 */
export function commitStatement(tables: Tables, { keys, marks, purges }: CommitParts): string {
  const parameters = { next: 6 };
  // In a sub-select its length is nobody's guess: a plan for one batch then never seems better than one for all.
  const hidden = (parameter: number, type: string): string => `(SELECT $${parameter}::${type})`;
  const parameter = (type: string): string => hidden(parameters.next++, type);
  const number = (array: string, columns: readonly string[], name: string, row: string): string =>
    `(${array})[${row} * ${columns.length} - ${columns.length - 1 - columns.indexOf(name)}]`;
  const commits = (name: string): string => number(hidden(5, "int8[]"), COMMIT_NUMBERS, name, "b.i");
  const purged = `${commits("flags")} >= ${PURGED}`;
  const newLog = `nextval('${tables.logs}')`;
  const log = (slot: string): string => `((SELECT a FROM logs))[${slot}]`;
  const applied = (slot: string): string => `${log(slot)} <> ALL ((SELECT a FROM lost)::int8[])`;

  const ctes = [
    `c AS MATERIALIZED (
  SELECT b.i, b.id, b.metadata, b.labels, b.state, ${COMMIT_NUMBERS.map((name) => `${commits(name)} AS ${name}`).join(", ")},
    coalesce(h.revision, 0) AS found, h.log AS old,
    CASE WHEN h.log IS NULL THEN CASE WHEN ${commits("base")} = 0 THEN ${newLog} ELSE 0 END
      ${purges ? `WHEN ${purged} THEN ${newLog} ` : ""}ELSE h.log END AS log
  FROM unnest(${[1, 2, 3, 4].map((parameter) => hidden(parameter, "text[]")).join(", ")}) WITH ORDINALITY AS b (id, metadata, labels, state, i)
  LEFT JOIN LATERAL (SELECT revision, log FROM ${tables.heads} WHERE id = b.id LIMIT 1) h ON true)`,
    `logs AS MATERIALIZED (SELECT array_agg(log ORDER BY i) AS a FROM c)`,
  ];
  const messageTexts = parameter("text[]");
  const messageNumbers = parameter("int8[]");
  const message = (name: string): string => number(messageNumbers, MESSAGE_NUMBERS, name, "b.i");

  let unheld = "";
  let held = "NULL";
  let insertKeys = "";
  if (keys) {
    const texts = `unnest(${parameter("text[]")}, ${parameter("text[]")}) WITH ORDINALITY AS b (key, hash, i)`;
    const numbers = parameter("int8[]");
    const key = (name: string): string => number(numbers, KEY_NUMBERS, name, "b.i");
    ctes.push(`held AS MATERIALIZED (
  SELECT ${key("slot")} AS slot, k.*
  FROM ${texts}
  CROSS JOIN LATERAL (
    SELECT key, hash, first_seq, last_seq, version, tokens FROM ${tables.keys}
    WHERE log = ${log(key("slot"))} AND key = b.key LIMIT 1) k)`);
    unheld = " AND i <> ALL (ARRAY(SELECT slot FROM held))";
    held = `(SELECT json_agg(json_build_array(key, hash, first_seq, last_seq, version, tokens)) FROM held WHERE slot = c.i)::text`;
    insertKeys = `k AS (
  INSERT INTO ${tables.keys} (log, first_seq, last_seq, version, tokens, key, hash)
  SELECT ${log(key("slot"))}, ${key("first_seq")}, ${key("last_seq")}, ${key("version")}, ${key("tokens")}, b.key, b.hash
  FROM ${texts} WHERE ${applied(key("slot"))})`;
  }
  ctes.push(
    `w AS (
  INSERT INTO ${tables.heads} AS h (log, revision, life, version, last_seq, first_seq, archived_seq, created_at, updated_at,
    updated_minute, tombstoned, purged, id, labels, metadata, state)
  SELECT log, base + 1, life, version, last_seq, first_seq, archived_seq, created_at, updated_at,
    updated_at / 60000, flags & ${TOMBSTONED} <> 0, flags & ${PURGED} <> 0, id, string_to_array(labels, E'\\n'), metadata, state
  FROM c WHERE found = base${unheld} ORDER BY i
  ON CONFLICT (id) DO UPDATE SET log = EXCLUDED.log, revision = EXCLUDED.revision, life = EXCLUDED.life,
    version = EXCLUDED.version, last_seq = EXCLUDED.last_seq, first_seq = EXCLUDED.first_seq,
    archived_seq = EXCLUDED.archived_seq, created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at,
    updated_minute = EXCLUDED.updated_minute, tombstoned = EXCLUDED.tombstoned, purged = EXCLUDED.purged,
    labels = EXCLUDED.labels, metadata = EXCLUDED.metadata, state = EXCLUDED.state
  WHERE h.revision = EXCLUDED.revision - 1
  RETURNING h.log)`,
    `lost AS MATERIALIZED (SELECT ARRAY(SELECT log FROM c EXCEPT SELECT log FROM w) AS a)`,
    `m AS (
  INSERT INTO ${tables.messages} (log, seq, version, tokens, inserted_at, body)
  SELECT ${log(message("slot"))}, ${message("seq")}, ${message("version")}, ${message("tokens")}, ${message("inserted_at")}, b.body::json
  FROM unnest(${messageTexts}) WITH ORDINALITY AS b (body, i) WHERE ${applied(message("slot"))})`,
  );
  if (insertKeys !== "") ctes.push(insertKeys);
  if (marks) {
    const texts = `unnest(${parameter("text[]")}, ${parameter("text[]")}) WITH ORDINALITY AS b (kind, body, i)`;
    const numbers = parameter("int8[]");
    const mark = (name: string): string => number(numbers, MARK_NUMBERS, name, "b.i");
    ctes.push(`r AS (
  INSERT INTO ${tables.marks} (log, version, at, kind, body)
  SELECT ${log(mark("slot"))}, ${mark("version")}, ${mark("at")}, b.kind, b.body::json
  FROM ${texts} WHERE ${applied(mark("slot"))})`);
  }
  if (purges) {
    ctes.push(`e AS (
  INSERT INTO ${tables.erased} (log)
  SELECT old FROM c WHERE flags >= ${PURGED} AND old IS NOT NULL AND ${applied("i")})`);
  }
  return `WITH ${ctes.join(",\n")}
SELECT c.i, ${held}, h.head
FROM c LEFT JOIN LATERAL (
  SELECT json_build_array(${HEAD_COLUMNS})::text AS head FROM ${tables.heads} WHERE id = c.id AND revision <> c.base LIMIT 1) h ON true
WHERE c.log = ANY ((SELECT a FROM lost)::int8[])`;
}

import type { Tables } from "./tables.js";

/** What a batch has beside heads and messages: a statement that need not look for it is faster. */
export interface CommitParts {
  readonly keys: boolean;
  /** Whether keys are looked up first. If not, one that is held fails the statement, and nothing of it is applied. */
  readonly lookup: boolean;
  readonly marks: boolean;
  readonly purges: boolean;
}

/**
 * Numbers of one commit, one message, one key, one mark, in the order in which they travel: all of them in one array,
 * since every further array costs the server more than its elements do. `slot` is the place of the commit in the
 * batch, from 1.
 */
const COMMIT_NUMBERS = [
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
const MESSAGE_NUMBERS = ["slot", "seq", "version", "tokens", "inserted_at"] as const;
const KEY_NUMBERS = ["slot", "first_seq", "last_seq", "version", "tokens"] as const;
const MARK_NUMBERS = ["slot", "version", "at"] as const;
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
 * - Messages, keys and marks are inserted for what `w` returned only. Keys are unique in their log: one that is held
 *   and was not looked up fails the statement as a whole.
 * - The batch arrives sorted by id, and `w` keeps that order: two batches lock what they share in the same order.
 *
 * A log is one life of a conversation: a purge gives the head the number of a new, empty one, which hides everything
 * at once, and leaves the old number in `erased` for whoever deletes its rows.
 *
 * Why it looks as it does: its plan is made once, perhaps on empty tables, and must still be good on full ones. So
 * rows are looked up one by one (`LIMIT 1` keeps the planner from joining whole tables), and the parts of the batch are
 * put together by array index and not by joins, whose method would be chosen for the guessed size of the batch.
 * Numbers are read from the parameters themselves: a sub-select for each would be a plan of its own to start.
 */
export function commitStatement(tables: Tables, { keys, lookup, marks, purges }: CommitParts): string {
  let parameters = 0;
  const texts = (columns: string): string => {
    // In a sub-select its length is nobody's guess: a plan for one batch then never seems better than one for all.
    const arrays = columns.split(", ").map(() => `(SELECT $${++parameters}::text[])`);
    return `unnest(${arrays.join(", ")}) WITH ORDINALITY AS b (${columns}, i)`;
  };
  const numbers = (columns: readonly string[]): ((name: string) => string) => {
    const array = `$${++parameters}::int8[]`;
    return (name) => `(${array})[b.i * ${columns.length} - ${columns.length - 1 - columns.indexOf(name)}]`;
  };
  const newLog = `nextval('${tables.logs}')`;
  const log = (slot: string): string => `logs.a[${slot}]`;
  const applied = (slot: string): string => `${log(slot)} <> ALL (lost.a)`;

  const commitTexts = texts("id, metadata, labels, state");
  const commit = numbers(COMMIT_NUMBERS);
  const purged = `${commit("flags")} >= ${PURGED}`;

  const ctes = [
    `c AS MATERIALIZED (
  SELECT b.i, b.id, b.metadata, b.labels, b.state, ${COMMIT_NUMBERS.map((name) => `${commit(name)} AS ${name}`).join(", ")},
    coalesce(h.revision, 0) AS found, h.log AS old,
    CASE WHEN h.log IS NULL THEN CASE WHEN ${commit("base")} = 0 THEN ${newLog} ELSE 0 END
      ${purges ? `WHEN ${purged} THEN ${newLog} ` : ""}ELSE h.log END AS log
  FROM ${commitTexts}
  LEFT JOIN LATERAL (SELECT revision, log FROM ${tables.heads} WHERE id = b.id LIMIT 1) h ON true)`,
    `logs AS MATERIALIZED (SELECT array_agg(log ORDER BY i) AS a FROM c)`,
  ];
  const messageTexts = texts("body");
  const message = numbers(MESSAGE_NUMBERS);

  let unheld = "";
  let held = "NULL";
  let insertKeys = "";
  if (keys) {
    const keyTexts = texts("key, hash");
    const key = numbers(KEY_NUMBERS);
    if (lookup) {
      ctes.push(`held AS MATERIALIZED (
  SELECT ${key("slot")} AS slot, k.*
  FROM logs CROSS JOIN ${keyTexts}
  CROSS JOIN LATERAL (
    SELECT key, hash, first_seq, last_seq, version, tokens FROM ${tables.keys}
    WHERE log = ${log(key("slot"))} AND key = b.key LIMIT 1) k)`);
      unheld = " AND i <> ALL (ARRAY(SELECT slot FROM held))";
      held = `(SELECT json_agg(json_build_array(key, hash, first_seq, last_seq, version, tokens)) FROM held WHERE slot = c.i)::text`;
    }
    insertKeys = `k AS (
  INSERT INTO ${tables.keys} (log, first_seq, last_seq, version, tokens, key, hash)
  SELECT ${log(key("slot"))}, ${key("first_seq")}, ${key("last_seq")}, ${key("version")}, ${key("tokens")}, b.key, b.hash
  FROM logs CROSS JOIN lost CROSS JOIN ${keyTexts} WHERE ${applied(key("slot"))})`;
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
  FROM logs CROSS JOIN lost CROSS JOIN ${messageTexts} WHERE ${applied(message("slot"))})`,
  );
  if (insertKeys !== "") ctes.push(insertKeys);
  if (marks) {
    const markTexts = texts("kind, body");
    const mark = numbers(MARK_NUMBERS);
    ctes.push(`r AS (
  INSERT INTO ${tables.marks} (log, version, at, kind, body)
  SELECT ${log(mark("slot"))}, ${mark("version")}, ${mark("at")}, b.kind, b.body::json
  FROM logs CROSS JOIN lost CROSS JOIN ${markTexts} WHERE ${applied(mark("slot"))})`);
  }
  if (purges) {
    ctes.push(`e AS (
  INSERT INTO ${tables.erased} (log)
  SELECT old FROM c CROSS JOIN logs CROSS JOIN lost WHERE flags >= ${PURGED} AND old IS NOT NULL AND ${applied("i")})`);
  }
  return `WITH ${ctes.join(",\n")}
SELECT c.i, ${held}, h.head
FROM c LEFT JOIN LATERAL (
  SELECT json_build_array(${HEAD_COLUMNS})::text AS head FROM ${tables.heads} WHERE id = c.id AND revision <> c.base LIMIT 1) h ON true
WHERE c.log = ANY ((SELECT a FROM lost)::int8[])`;
}

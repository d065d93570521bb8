import { statement, type Statement } from "./connections.js";
import { HEAD_TEXT_COLUMNS } from "./rows.js";
import type { Tables } from "./tables.js";

/** The reads. Each sees one snapshot: the log that the head names, and what is in it. */
export interface ReadStatements {
  /** `$1`: ids. Their places, from 1, and the heads that exist. */
  readonly heads: Statement;
  /** `$1`: id, `$2` to `$3`: seqs. */
  readonly messages: Statement;
  /** `$1`: id, `$2`: version, `$3`: limit. */
  readonly marks: Statement;
  /** `$1`: id, `$2`: keys. */
  readonly keys: Statement;
}

/** Rows are looked up one by one for the reason that {@link commitStatement} gives. */
export function readStatements({ heads, messages, marks, keys }: Tables): ReadStatements {
  const log = `(SELECT log FROM ${heads} WHERE id = $1)`;
  return {
    heads: statement(
      `SELECT b.i, h.* FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS b (id, i) ` +
        `CROSS JOIN LATERAL (SELECT ${HEAD_TEXT_COLUMNS} FROM ${heads} WHERE id = b.id LIMIT 1) h`,
    ),
    messages: statement(
      `SELECT seq, version, tokens, inserted_at, body::text FROM ${messages} ` +
        `WHERE log = ${log} AND seq BETWEEN $2 AND $3 ORDER BY seq`,
    ),
    marks: statement(
      `SELECT version, kind, at, body::text FROM ${marks} WHERE log = ${log} AND version > $2 ORDER BY version LIMIT $3`,
    ),
    keys: statement(
      `SELECT k.* FROM unnest((SELECT $2::text[])) AS b (key) CROSS JOIN LATERAL (` +
        `SELECT key, hash, first_seq, last_seq, version, tokens FROM ${keys} WHERE log = ${log} AND key = b.key LIMIT 1) k`,
    ),
  };
}

/** `$1`: ids. Those of them whose heads somebody else has locked. */
export function lockedStatement({ heads }: Tables): string {
  return (
    `WITH free AS (SELECT id FROM ${heads} WHERE id = ANY ($1::text[]) FOR NO KEY UPDATE SKIP LOCKED) ` +
    `SELECT id FROM ${heads} WHERE id = ANY ($1::text[]) AND id NOT IN (SELECT id FROM free)`
  );
}

/**
 * Heads by recency. The minute leads so that its index gives the order; what shares a minute is sorted. `$1`: how many;
 * then, `after` a position, its minute, time and id; then `labels`.
 */
export function listStatement({ heads }: Tables, after: boolean, labels: boolean): string {
  const conditions = ["NOT purged"];
  if (after) conditions.push("updated_minute <= $2::bigint / 60000 AND (updated_at, id) < ($2::bigint, $3)");
  if (labels) conditions.push(`labels <> '{}' AND labels @> ${after ? "$4" : "$2"}::text[]`);
  return (
    `SELECT ${HEAD_TEXT_COLUMNS} FROM ${heads} WHERE ${conditions.join(" AND ")} ` +
    `ORDER BY updated_minute DESC, updated_at DESC, id DESC LIMIT $1`
  );
}

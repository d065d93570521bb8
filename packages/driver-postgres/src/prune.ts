import { statement, type Connections } from "./connections.js";
import { SLICE } from "./eraser.js";
import type { Tables } from "./tables.js";

/** Frees messages below a seq, and the marks that only they needed. */
export type Prune = (id: string, below: number) => Promise<void>;

/**
 * Deletes by log, not by conversation: should a purge come in between, it deletes in a log that nobody reads any
 * more. Walks upwards from the oldest message, so that no slice looks at what an earlier one has deleted.
 */
export function pruner(connections: Connections, { heads, messages, marks }: Tables): Prune {
  const oldest = statement(
    `SELECT log, first_seq, (SELECT seq FROM ${messages} m WHERE m.log = h.log ORDER BY seq LIMIT 1)
  FROM ${heads} h WHERE id = $1`,
  );
  const slice = statement(`DELETE FROM ${messages} WHERE log = $1 AND seq >= $2 AND seq < $3`);
  // Marks of one conversation are few. Where no message is kept, all go that the head knew.
  const rest = statement(
    `DELETE FROM ${marks} WHERE log = $1
  AND version < coalesce(
    (SELECT version FROM ${messages} WHERE log = $1 AND seq >= $2 ORDER BY seq LIMIT 1),
    (SELECT version + 1 FROM ${heads} WHERE id = $3))
  AND version <> coalesce(
    (SELECT version FROM ${marks} WHERE log = $1 AND kind = 'compaction' ORDER BY version DESC LIMIT 1), -1)`,
  );
  return async (id, below) => {
    const [row] = await connections.run(oldest, [id]);
    const log = row?.[0];
    if (row === undefined || log === undefined || log === null) return;
    // Of a later life than the prune was meant for, the head keeps what is below.
    const end = Math.min(below, Number(row[1]));
    if (row[2] !== null) {
      for (let from = Number(row[2]); from < end; from += SLICE)
        await connections.run(slice, [log, String(from), String(Math.min(from + SLICE, end))]);
    }
    await connections.run(rest, [log, String(end), id]);
  };
}

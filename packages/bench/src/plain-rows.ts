import type { DatabaseSync } from "node:sqlite";

/** Inserts one row at a time, durably, and returns its seq. */
export function rowInserter(database: DatabaseSync): (id: string, body: string) => number {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec(
    "CREATE TABLE IF NOT EXISTS plain_rows (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL)",
  );
  const insert = database.prepare("INSERT INTO plain_rows (id, body) VALUES (?, ?)");
  return (id, body) => Number(insert.run(id, body).lastInsertRowid);
}

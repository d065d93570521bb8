import type { Commit, CommitOutcome, Head, KeyRecord } from "@fastpaca/core";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HEAD, headOf, integer, keyOf, labelsAsText, labelsIn, text, type Row } from "./columns.js";

/** Applies commits, inside a transaction that the caller began. */
export class Commits {
  readonly #find: StatementSync;
  readonly #head: StatementSync;
  readonly #key: StatementSync;
  readonly #create: StatementSync;
  readonly #update: StatementSync;
  readonly #addMessage: StatementSync;
  readonly #addMark: StatementSync;
  readonly #addKey: StatementSync;
  readonly #addLabel: StatementSync;
  readonly #removeLabel: StatementSync;
  readonly #addGarbage: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare("SELECT n, revision, epoch, updated_at, labels FROM heads WHERE id = ?");
    this.#head = database.prepare(`SELECT ${HEAD} FROM heads WHERE n = ?`);
    this.#key = database.prepare(
      "SELECT key, hash, first_seq, last_seq, version, tokens FROM keys WHERE n = ? AND epoch = ? AND key = ?",
    );
    this.#create = database.prepare(
      `INSERT INTO heads (revision, epoch, life, version, last_seq, first_seq, archived_seq, tombstoned, purged,
      created_at, updated_at, labels, metadata, state, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = database.prepare(
      `UPDATE heads SET revision = ?, epoch = ?, life = ?, version = ?, last_seq = ?, first_seq = ?,
      archived_seq = ?, tombstoned = ?, purged = ?, created_at = ?, updated_at = ?, labels = ?, metadata = ?,
      state = ? WHERE n = ?`,
    );
    this.#addMessage = database.prepare(
      "INSERT INTO messages (n, epoch, seq, version, tokens, inserted_at, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    this.#addMark = database.prepare(
      "INSERT INTO marks (n, epoch, version, kind, at, body) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#addKey = database.prepare("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    this.#addLabel = database.prepare("INSERT INTO labels VALUES (?, ?, ?)");
    this.#removeLabel = database.prepare("DELETE FROM labels WHERE label = ? AND updated_at = ? AND n = ?");
    this.#addGarbage = database.prepare("INSERT INTO garbage VALUES (?, ?)");
  }

  apply({ id, base, head, messages, marks, keys }: Commit): CommitOutcome {
    const found = this.#find.get(id);
    const refusal = this.#refusal(found, base, keys);
    if (refusal !== undefined) return refusal;
    const { n, epoch } = found === undefined ? this.#insertHead(id, head) : this.#updateHead(found, head);
    for (const { seq, version, tokens, insertedAt, body } of messages) {
      this.#addMessage.run(n, epoch, seq, version, tokens, insertedAt, body);
    }
    for (const { version, kind, at, body } of marks) this.#addMark.run(n, epoch, version, kind, at, body);
    for (const { key, hash, firstSeq, lastSeq, version, tokens } of keys) {
      this.#addKey.run(n, epoch, key, hash, firstSeq, lastSeq, version, tokens);
    }
    return { status: "committed" };
  }

  #refusal(found: Row | undefined, base: number, keys: readonly KeyRecord[]): CommitOutcome | undefined {
    if (found === undefined) return base === 0 ? undefined : { status: "conflict", head: undefined };
    const n = integer(found["n"]);
    if (found["revision"] !== base) {
      const row = this.#head.get(n);
      return { status: "conflict", head: row && headOf(row) };
    }
    if (keys.length === 0) return undefined;
    const epoch = integer(found["epoch"]);
    const held = keys.flatMap(({ key }) => {
      const row = this.#key.get(n, epoch, key);
      return row === undefined ? [] : keyOf(row);
    });
    return held.length === 0 ? undefined : { status: "duplicate", held };
  }

  #insertHead(id: string, head: Head): { n: number; epoch: number } {
    // A conversation may begin as a purged one, when its history was brought from elsewhere.
    const epoch = head.purged ? head.revision : 0;
    const n = Number(this.#create.run(...columns(head, epoch), id).lastInsertRowid);
    this.#label(n, head);
    return { n, epoch };
  }

  #updateHead(found: Row, head: Head): { n: number; epoch: number } {
    const n = integer(found["n"]);
    const before = integer(found["epoch"]);
    const epoch = head.purged ? head.revision : before;
    if (epoch !== before) this.#addGarbage.run(n, before);
    const labels = text(found["labels"]);
    const updatedAt = integer(found["updated_at"]);
    const relabel = updatedAt !== head.updatedAt || labels !== labelsAsText(head.labels) || head.purged;
    if (relabel) for (const label of labelsIn(labels)) this.#removeLabel.run(label, updatedAt, n);
    this.#update.run(...columns(head, epoch), n);
    if (relabel) this.#label(n, head);
    return { n, epoch };
  }

  #label(n: number, { labels, updatedAt, purged }: Head): void {
    if (!purged) for (const label of labels) this.#addLabel.run(label, updatedAt, n);
  }
}

/** What `#create` and `#update` have in common, in their order. */
function columns(head: Head, epoch: number): (string | number)[] {
  return [
    head.revision,
    epoch,
    head.life,
    head.version,
    head.lastSeq,
    head.firstSeq,
    head.archivedSeq,
    head.tombstoned ? 1 : 0,
    head.purged ? 1 : 0,
    head.createdAt,
    head.updatedAt,
    labelsAsText(head.labels),
    head.metadata,
    head.state,
  ];
}

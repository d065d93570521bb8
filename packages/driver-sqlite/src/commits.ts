import type { Commit, CommitOutcome, Head, KeyRecord, StoredMessage } from "@fastpaca/core";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  HEAD,
  headOf,
  integer,
  keyOf,
  labelsAsText,
  labelsIn,
  secondOf,
  text,
  type Log,
  type Row,
} from "./columns.js";
import { extended, heldIn, unpacked, type Tail } from "./tail.js";

/** What every commit writes to a head, in the order of {@link columns}. No index has any of it. */
const CHANGES =
  "revision = ?, epoch = ?, life = ?, version = ?, last_seq = ?, first_seq = ?, archived_seq = ?, tombstoned = ?, " +
  "created_at = ?, updated_at = ?, label_text = ?, metadata = ?, state = ?, tail = ?";

/** Applies commits, inside a transaction that the caller began. */
export class Commits {
  readonly #find: StatementSync;
  readonly #head: StatementSync;
  readonly #key: StatementSync;
  readonly #create: StatementSync;
  readonly #update: StatementSync;
  readonly #updateIndexed: StatementSync;
  readonly #addMessage: StatementSync;
  readonly #addMark: StatementSync;
  readonly #addKey: StatementSync;
  readonly #addLabel: StatementSync;
  readonly #removeLabel: StatementSync;
  readonly #addGarbage: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare(
      "SELECT n, revision, epoch, last_seq, purged, updated_at, label_text, tail FROM heads WHERE id = ?",
    );
    this.#head = database.prepare(`SELECT ${HEAD} FROM heads WHERE n = ?`);
    this.#key = database.prepare(
      "SELECT key, hash, first_seq, last_seq, version, tokens FROM keys WHERE n = ? AND epoch = ? AND key = ?",
    );
    this.#create = database.prepare(
      `INSERT INTO heads (revision, epoch, life, version, last_seq, first_seq, archived_seq, tombstoned,
      created_at, updated_at, label_text, metadata, state, tail, purged, updated_second, id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = database.prepare(`UPDATE heads SET ${CHANGES} WHERE n = ?`);
    this.#updateIndexed = database.prepare(
      `UPDATE heads SET ${CHANGES}, purged = ?, updated_second = ? WHERE n = ?`,
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
    const goesOn = found !== undefined && found["purged"] === 0 && !head.purged;
    refuseDisorder(messages, goesOn ? integer(found["last_seq"]) : 0);
    // A purge leaves its old tail nowhere.
    const before = found === undefined || head.purged ? "" : text(found["tail"]);
    const tail = extended(before, messages, keys);
    const log =
      found === undefined
        ? this.#insertHead(id, head, tail ?? "")
        : this.#updateHead(found, head, tail ?? "");
    if (tail === undefined) {
      if (before !== "") this.#store(log, unpacked(before));
      this.#store(log, { messages, keys });
    }
    for (const { version, kind, at, body } of marks)
      this.#addMark.run(log.n, log.epoch, version, kind, at, body);
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
    const names = keys.map(({ key }) => key);
    const held = heldIn(text(found["tail"]), names);
    const epoch = integer(found["epoch"]);
    for (const name of names) {
      const row = this.#key.get(n, epoch, name);
      if (row !== undefined) held.push(keyOf(row));
    }
    return held.length === 0 ? undefined : { status: "duplicate", held };
  }

  #insertHead(id: string, head: Head, tail: string): Log {
    // A conversation may begin as a purged one, when its history was brought from elsewhere.
    const epoch = head.purged ? head.revision : 0;
    const indexed = [head.purged ? 1 : 0, secondOf(head.updatedAt)];
    const n = Number(this.#create.run(...columns(head, epoch, tail), ...indexed, id).lastInsertRowid);
    this.#label(n, head);
    return { n, epoch };
  }

  #updateHead(found: Row, head: Head, tail: string): Log {
    const n = integer(found["n"]);
    const before = integer(found["epoch"]);
    const epoch = head.purged ? head.revision : before;
    if (epoch !== before) this.#addGarbage.run(n, before);
    const labels = text(found["label_text"]);
    const updatedAt = integer(found["updated_at"]);
    const relabel = updatedAt !== head.updatedAt || labels !== labelsAsText(head.labels) || head.purged;
    if (relabel) for (const label of labelsIn(labels)) this.#removeLabel.run(label, updatedAt, n);
    const purged = head.purged ? 1 : 0;
    const second = secondOf(head.updatedAt);
    // SQLite rewrites the entries of an index whose columns are named, also where their values stay.
    if (purged === found["purged"] && second === secondOf(updatedAt)) {
      this.#update.run(...columns(head, epoch, tail), n);
    } else {
      this.#updateIndexed.run(...columns(head, epoch, tail), purged, second, n);
    }
    if (relabel) this.#label(n, head);
    return { n, epoch };
  }

  #label(n: number, { labels, updatedAt, purged }: Head): void {
    if (!purged) for (const label of labels) this.#addLabel.run(label, updatedAt, n);
  }

  #store({ n, epoch }: Log, { messages, keys }: Tail): void {
    for (const { seq, version, tokens, insertedAt, body } of messages) {
      this.#addMessage.run(n, epoch, seq, version, tokens, insertedAt, body);
    }
    for (const { key, hash, firstSeq, lastSeq, version, tokens } of keys) {
      this.#addKey.run(n, epoch, key, hash, firstSeq, lastSeq, version, tokens);
    }
  }
}

/**
 * A tail takes what its table would refuse, and could then never be moved there.
 *
 * @throws RangeError when the messages do not ascend from behind `last`
 */
function refuseDisorder(messages: readonly StoredMessage[], last: number): void {
  let before = last;
  for (const { seq } of messages) {
    if (seq <= before) throw new RangeError(`message ${seq} does not follow message ${before}`);
    before = seq;
  }
}

/** What {@link CHANGES} names, in its order. */
function columns(head: Head, epoch: number, tail: string): (string | number)[] {
  return [
    head.revision,
    epoch,
    head.life,
    head.version,
    head.lastSeq,
    head.firstSeq,
    head.archivedSeq,
    head.tombstoned ? 1 : 0,
    head.createdAt,
    head.updatedAt,
    labelsAsText(head.labels),
    head.metadata,
    head.state,
    tail,
  ];
}

import type { Commit, CommitOutcome, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

/**
 * What a database would hold if nothing could go wrong: the list of commits that landed, and every answer worked out
 * from it anew. Slow and plain on purpose.
 */
export class Model {
  readonly #landed: Commit[] = [];
  /** Messages and marks that pruning freed. */
  readonly #freed = new Set<StoredMessage | Mark>();

  /** What a driver must answer to one commit at this moment. Applies it where it lands. */
  commit(commit: Commit): CommitOutcome {
    const head = this.head(commit.id);
    if ((head?.revision ?? 0) !== commit.base) return { status: "conflict", head };
    if (!commit.head.purged) {
      const held = this.keys(
        commit.id,
        commit.keys.map(({ key }) => key),
      );
      if (held.length > 0) return { status: "duplicate", held };
    }
    this.#landed.push(commit);
    return { status: "committed" };
  }

  head(id: string): Head | undefined {
    return this.#landed.findLast((commit) => commit.id === id)?.head;
  }

  /** Messages of the present life within the range, without those that were freed. */
  messages(id: string, from = 1, to = Infinity): StoredMessage[] {
    return this.#life(id)
      .flatMap(({ messages }) => messages)
      .filter((message) => message.seq >= from && message.seq <= to && !this.#freed.has(message));
  }

  /** Marks of the present life after a version, without those that were freed. */
  marks(id: string, after = 0, limit = Infinity): Mark[] {
    return this.#life(id)
      .flatMap(({ marks }) => marks)
      .filter((mark) => mark.version > after && !this.#freed.has(mark))
      .slice(0, limit);
  }

  keys(id: string, wanted: readonly string[]): KeyRecord[] {
    return this.#life(id)
      .flatMap(({ keys }) => keys)
      .filter(({ key }) => wanted.includes(key));
  }

  /** Every head that is listed, the most recently changed first; ties in no order. */
  list(labels: readonly string[] = []): Head[] {
    const ids = new Set(this.#landed.map(({ id }) => id));
    return [...ids]
      .flatMap((id) => this.head(id) ?? [])
      .filter((head) => !head.purged && labels.every((label) => head.labels.includes(label)))
      .sort((a, b) => b.updatedAt - a.updatedAt);
  }

  prune(id: string, below: number): void {
    for (const message of this.messages(id, 1, below - 1)) this.#freed.add(message);
    const oldest = this.messages(id)[0]?.version ?? (this.head(id)?.version ?? 0) + 1;
    const marks = this.marks(id);
    const summary = marks.findLast(({ kind }) => kind === "compaction");
    for (const mark of marks) if (mark.version < oldest && mark !== summary) this.#freed.add(mark);
  }

  /** Commits of the present life: everything after the newest purge. */
  #life(id: string): Commit[] {
    const all = this.#landed.filter((commit) => commit.id === id);
    return all.slice(all.findLastIndex(({ head }) => head.purged) + 1);
  }
}

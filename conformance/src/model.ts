import type { Commit, CommitOutcome, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

/**
 * What a database would hold if nothing could go wrong: the commits of each conversation that landed, and every answer worked out
 * from it anew. Slow and plain on purpose.
 */
export class Model {
  readonly #landed = new Map<string, Commit[]>();
  readonly #refused = new Map<string, Commit[]>();
  /** Messages and marks that pruning freed. */
  readonly #freed = new Set<StoredMessage | Mark>();

  /** What a driver must answer to one commit at this moment. Applies it where it lands. */
  commit(commit: Commit): CommitOutcome {
    const outcome = this.foresee(commit);
    const log = outcome.status === "committed" ? this.#landed : this.#refused;
    const before = log.get(commit.id);
    if (before === undefined) log.set(commit.id, [commit]);
    else before.push(commit);
    return outcome;
  }

  /** What {@link commit} would answer. */
  foresee(commit: Commit): CommitOutcome {
    const head = this.head(commit.id);
    if ((head?.revision ?? 0) !== commit.base) return { status: "conflict", head };
    if (!commit.head.purged) {
      const held = this.keys(
        commit.id,
        commit.keys.map(({ key }) => key),
      );
      if (held.length > 0) return { status: "duplicate", held };
    }
    return { status: "committed" };
  }

  /** Every id that was ever created, in the order of creation. */
  get ids(): string[] {
    return [...this.#landed.keys()];
  }

  head(id: string): Head | undefined {
    return this.#landed.get(id)?.at(-1)?.head;
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

  keys(id: string, wanted?: readonly string[]): KeyRecord[] {
    return this.#life(id)
      .flatMap(({ keys }) => keys)
      .filter(({ key }) => wanted === undefined || wanted.includes(key));
  }

  /** Every head that is listed, the most recently changed first; ties in no order. */
  list(labels: readonly string[] = []): Head[] {
    return this.ids
      .flatMap((id) => this.head(id) ?? [])
      .filter((head) => !head.purged && labels.every((label) => head.labels.includes(label)))
      .sort((a, b) => b.updatedAt - a.updatedAt);
  }

  /** Frees messages, and the marks that only they needed: nothing that the head keeps. */
  prune(id: string, below: number): void {
    const head = this.head(id);
    if (head === undefined) return;
    for (const message of this.messages(id, 1, Math.min(below, head.firstSeq) - 1)) this.#freed.add(message);
    const oldest = this.messages(id)[0]?.version ?? head.version + 1;
    const marks = this.marks(id);
    const summary = marks.findLast(({ kind }) => kind === "compaction");
    for (const mark of marks) if (mark.version < oldest && mark !== summary) this.#freed.add(mark);
  }

  /** Commits that landed, of all lives, in their order. */
  landed(id: string): readonly Commit[] {
    return this.#landed.get(id) ?? [];
  }

  refused(id: string): readonly Commit[] {
    return this.#refused.get(id) ?? [];
  }

  /** Whether pruning freed it. */
  isFreed(part: StoredMessage | Mark): boolean {
    return this.#freed.has(part);
  }

  /** Commits of the present life: everything after the newest purge. */
  #life(id: string): readonly Commit[] {
    const all = this.landed(id);
    return all.slice(all.findLastIndex(({ head }) => head.purged) + 1);
  }
}

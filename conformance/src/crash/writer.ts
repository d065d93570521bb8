import fc from "fast-check";
import type { Driver, Head } from "@fastpaca/core";
import { commitOn, type Step } from "../commits.js";
import type { Attempt, Ledger } from "./ledger.js";
import { Violation, show } from "../violation.js";

/** One step of a conversation that is being disturbed, before it is known what it meets. */
export interface Move {
  readonly kind: "append" | "much" | "keyed" | "mark" | "metadata" | "trim" | "purge";
  /** Messages, or marks. */
  readonly count: number;
  /** Characters of a body. */
  readonly size: number;
}

const kinds = fc.oneof(
  { weight: 6, arbitrary: fc.constant("append" as const) },
  { weight: 5, arbitrary: fc.constant("keyed" as const) },
  { weight: 4, arbitrary: fc.constant("mark" as const) },
  { weight: 2, arbitrary: fc.constant("metadata" as const) },
  { weight: 2, arbitrary: fc.constant("much" as const) },
  { weight: 1, arbitrary: fc.constant("trim" as const) },
  { weight: 1, arbitrary: fc.constant("purge" as const) },
);

export const move: fc.Arbitrary<Move> = fc.record({
  kind: kinds,
  count: fc.integer({ min: 1, max: 4 }),
  size: fc.integer({ min: 1, max: 300 }),
});

/** What a writer does, over and over. */
export const moves: fc.Arbitrary<readonly Move[]> = fc.array(move, { minLength: 6, maxLength: 20 });

/** The same script for another writer, who is elsewhere in it. */
export function startingAt(script: readonly Move[], at: number): readonly Move[] {
  return [...script.slice(at), ...script.slice(0, at)];
}

const MARKS = ["config", "compaction", "reset"] as const;

/** The step that a move makes of a conversation as it is. */
export function stepOf({ kind, count, size }: Move, before: Head | undefined, token: string): Step {
  const body = (n: number): string => JSON.stringify({ by: token, n, text: "m".repeat(size) });
  const messages = (many: number): string[] => Array.from({ length: many }, (_, n) => body(n));
  switch (kind) {
    case "append":
      return { token, messages: messages(count) };
    case "much":
      return { token, messages: messages(count * 20) };
    case "keyed":
      return {
        token,
        messages: messages(count),
        keys: Array.from({ length: Math.min(2, count) }, (_, n) => `${token}/${n}`),
      };
    case "mark":
      return {
        token,
        messages: count % 2 === 0 ? messages(1) : [],
        marks: Array.from({ length: count }, (_, n) => ({
          kind: MARKS[(n + size) % MARKS.length] ?? "reset",
          body: body(n),
        })),
      };
    case "metadata":
      return { token, metadata: JSON.stringify({ by: token }), labels: [`n=${size}`] };
    case "trim": {
      const last = before?.purged === false ? before.lastSeq : 0;
      return { token, messages: messages(1), firstSeq: Math.max(before?.firstSeq ?? 1, last - count) };
    }
    case "purge":
      return before === undefined || before.purged
        ? { token, messages: messages(count) }
        : { token, purge: true };
  }
}

/** Commits to its conversations, all of them in one call, again and again. */
export class Writer {
  readonly ids: readonly string[];
  /** Nobody else commits to them. */
  readonly alone: boolean;
  readonly #name: string;
  readonly #ledger: Ledger;
  readonly #moves: readonly Move[];
  readonly #heads = new Map<string, Head>();
  #step = 0;

  constructor(name: string, ids: readonly string[], ledger: Ledger, script: readonly Move[], alone = true) {
    this.#name = name;
    this.ids = ids;
    this.#ledger = ledger;
    this.#moves = script;
    this.alone = alone;
  }

  /** What was found, by whoever looked. */
  learn(id: string, head: Head | undefined): void {
    if (head === undefined) this.#heads.delete(id);
    else this.#heads.set(id, head);
  }

  /** The commits that it makes next: one for each of its conversations. */
  next(): readonly Attempt[] {
    return this.ids.map((id) => this.#enter(id));
  }

  /**
   * One commit for each of its conversations, and what follows from it.
   *
   * @throws what the driver rejected with; Violation for an answer that nothing explains
   */
  async write(driver: Driver, ended: (error: unknown) => boolean): Promise<void> {
    const attempts = this.next();
    const outcomes = await this.#ledger.submit(driver, attempts, ended);
    for (const [index, attempt] of attempts.entries()) {
      const { id, head } = attempt.commit;
      const outcome = outcomes[index];
      switch (outcome?.status) {
        case "committed":
          this.#heads.set(id, head);
          if (head.firstSeq > 1) await driver.prune(id, head.firstSeq);
          break;
        case "conflict":
          if (this.alone) {
            const lost = (outcome.head?.revision ?? 0) < attempt.commit.base;
            throw new Violation(
              lost ? this.#ledger.blame.lost : "CAS-1",
              `revision ${attempt.commit.base} of ${id}, which nobody else commits to, conflicts with ${show(outcome.head)}`,
            );
          }
          this.learn(id, outcome.head ?? (await driver.heads([id]))[0]);
          break;
        case "duplicate":
          throw new Violation("KEY-1", `a new key of ${id} is a duplicate of ${show(outcome.held)}`);
        case "unknown":
          throw new Violation("ERR-2", "the outcome of a commit is unknown although nothing was wrong");
        case undefined:
          break;
      }
    }
  }

  #enter(id: string): Attempt {
    const before = this.#heads.get(id);
    const move = this.#moves[this.#step++ % this.#moves.length] ?? { kind: "append", count: 1, size: 1 };
    const step = stepOf(move, before, `${this.#name}.${this.#step}`);
    return this.#ledger.enter(commitOn(before, id, step), before);
  }
}

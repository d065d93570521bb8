import { isDeepStrictEqual } from "node:util";
import type { Commit, CommitOutcome, Driver, Head } from "@fastpaca/core";
import { plain } from "../answers.js";
import type { InvariantId } from "../catalogue.js";
import { Violation, show } from "../violation.js";

/** A commit that was tried, and what was said about it. */
export interface Attempt {
  readonly commit: Commit;
  /** The one whose head it was decided on; undefined for the first of a conversation. */
  readonly parent: Attempt | undefined;
  /** `open`: nobody said for certain whether it landed. */
  told: "committed" | "refused" | "rejected" | "open";
  /** An earlier call with this same commit was left open, so that a later refusal says nothing about it. */
  doubtful: boolean;
}

/** Invariants that a finding is put down to: what is checked is the same after a kill, a cut and a start. */
export interface Blame {
  /** Something that was told as committed is not there. */
  readonly lost: InvariantId;
  /** Something is there in part, or was never committed. */
  readonly partial: InvariantId;
  /** Something that was told as refused is there. What was rejected and is there breaks `ERR-3`. */
  readonly refused: InvariantId;
}

/**
 * Every commit that was tried on a database that is being disturbed. Each carries a token, which the head's state
 * shows, and each was decided on the head of another: so the head that is found at the end names the whole chain of
 * commits that led to it, whoever won on the way and whatever was left open.
 */
export class Ledger {
  readonly #byToken = new Map<string, Attempt>();
  readonly #byId = new Map<string, Attempt[]>();
  readonly blame: Blame;

  constructor(blame: Blame) {
    this.blame = blame;
  }

  get ids(): string[] {
    return [...this.#byId.keys()];
  }

  /** Of one conversation, in the order in which they were tried. */
  attempts(id: string): readonly Attempt[] {
    return this.#byId.get(id) ?? [];
  }

  /** Enters a commit that is about to be tried. @throws Violation if it was decided on a head that nobody committed */
  enter(commit: Commit, before: Head | undefined): Attempt {
    const parent = before === undefined ? undefined : this.author(before);
    const attempt: Attempt = { commit, parent, told: "open", doubtful: false };
    this.#byToken.set(tokenOf(commit.head) ?? "", attempt);
    const known = this.#byId.get(commit.id) ?? [];
    known.push(attempt);
    this.#byId.set(commit.id, known);
    return attempt;
  }

  /**
   * Hands attempts over in one call, and enters what is said of each.
   *
   * @throws what the call rejected with, after entering that too: `ended(error)` tells whether the call was cut off,
   * so that its commits may have landed
   */
  async submit(
    driver: Driver,
    attempts: readonly Attempt[],
    ended: (error: unknown) => boolean = () => false,
  ): Promise<readonly CommitOutcome[]> {
    let outcomes: readonly CommitOutcome[];
    try {
      outcomes = await driver.commit(attempts.map(({ commit }) => commit));
    } catch (error) {
      const open = error instanceof Violation || ended(error);
      for (const attempt of attempts) settle(attempt, open ? "open" : "rejected");
      throw error;
    }
    if (!Array.isArray(outcomes) || outcomes.length !== attempts.length) {
      throw new Violation(
        this.blame.refused,
        `${attempts.length} commits were answered with ${show(outcomes, 200)}`,
      );
    }
    for (const [index, attempt] of attempts.entries()) {
      const told = TOLD[outcomes[index]?.status ?? ""];
      if (told === undefined) {
        throw new Violation(this.blame.refused, `a commit was answered with ${show(outcomes[index], 200)}`);
      }
      settle(attempt, told);
    }
    return outcomes;
  }

  /**
   * The commits that led to a head, the first one first.
   *
   * @throws Violation for a head that none of them made, one that was refused, and for one that is missing although
   * it was told as committed
   */
  chain(id: string, head: Head | undefined): readonly Attempt[] {
    const found: Attempt[] = [];
    let link = head === undefined ? undefined : this.author(head);
    for (; link !== undefined; link = link.parent) found.unshift(link);
    const landed = new Set(found);
    for (const attempt of this.attempts(id)) {
      if (attempt.told === "committed" && !landed.has(attempt)) {
        throw new Violation(
          this.blame.lost,
          `${describe(attempt)} was told as committed and is not there: the head is ${show(head)}`,
        );
      }
      if ((attempt.told === "refused" || attempt.told === "rejected") && landed.has(attempt)) {
        throw new Violation(
          attempt.told === "rejected" ? "ERR-3" : this.blame.refused,
          `${describe(attempt)} was ${attempt.told} as not applied and is there: the head is ${show(head)}`,
        );
      }
    }
    return found;
  }

  /** Whose head this is, to the last field. @throws Violation if it is nobody's */
  author(head: Head): Attempt {
    const author = this.#byToken.get(tokenOf(head) ?? "");
    if (author === undefined) {
      throw new Violation(this.blame.partial, `there is a head that nobody committed: ${show(head)}`);
    }
    if (!isDeepStrictEqual(plain("head", head), author.commit.head)) {
      throw new Violation(
        this.blame.partial,
        `the head is ${show(head)}, and was committed as ${show(author.commit.head)}`,
      );
    }
    return author;
  }
}

/** How an attempt is called in messages. */
export function describe({ commit }: Attempt): string {
  return `the commit of revision ${commit.head.revision} of ${commit.id}`;
}

const TOLD: Readonly<Record<string, Attempt["told"]>> = {
  committed: "committed",
  conflict: "refused",
  duplicate: "refused",
  unknown: "open",
};

function settle(attempt: Attempt, told: Attempt["told"]): void {
  if (told === "open") attempt.doubtful = true;
  if (attempt.told === "committed") return;
  attempt.told = told !== "committed" && attempt.doubtful ? "open" : told;
}

function tokenOf(head: Head): string | undefined {
  try {
    const state: unknown = JSON.parse(head.state);
    if (typeof state !== "object" || state === null || !("token" in state)) return undefined;
    return typeof state.token === "string" ? state.token : undefined;
  } catch {
    // A state that is no JSON names nobody.
    return undefined;
  }
}

import type { Commit, CommitOutcome, Driver, Head } from "@fastpaca/core";
import { expect, test } from "vitest";
import type { InvariantId } from "../src/catalogue.js";
import { runChecks } from "../src/runner.js";
import type { ClaimedTraits, DriverUnderTest } from "../src/subject.js";
import { modelSubject } from "./model-driver.js";

/** A driver that is right but for one thing, the check that has to find it, and what it has to call it. */
export type Row = readonly [
  check: string,
  invariant: InvariantId,
  name: string,
  wrong: ((driver: Driver) => Partial<Driver>) | DriverUnderTest,
];

const SEEDS = [1, 20_261_120, -7];

/** Plays every row with several seeds: the check alone finds the change each time, and names the invariant. */
export function caught(rows: readonly Row[]): void {
  test.each(rows)("%s finds %s broken: %s", async (check, invariant, _name, wrong) => {
    const subject =
      typeof wrong === "function" ? modelSubject((driver) => ({ ...driver, ...wrong(driver) })) : wrong;
    for (const seed of SEEDS) {
      const { checks } = await runChecks(subject, { only: [check], seed });
      const failure = checks[0]?.failure;
      expect.soft(failure?.invariant, `seed ${seed}: ${failure?.message}`).toBe(invariant);
    }
  });
}

export function subjectWith(
  traits: Partial<ClaimedTraits>,
  change?: (driver: Driver) => Driver,
): DriverUnderTest {
  const subject = modelSubject(change);
  return { ...subject, traits: { ...subject.traits, ...traits } };
}

/** Frees messages below a seq, also those that the head keeps: by another head, for as long as that takes. */
export async function free(driver: Driver, id: string, below: number): Promise<void> {
  const [head] = await driver.heads([id]);
  if (head === undefined || head.purged) return;
  const put = (firstSeq: number): Promise<CommitOutcome[]> =>
    driver.commit([
      { id, base: head.revision, head: { ...head, firstSeq }, messages: [], marks: [], keys: [] },
    ]);
  await put(below);
  await driver.prune(id, below);
  await put(head.firstSeq);
}

/** Changes each commit on its way in. */
export function going(change: (commit: Commit) => Commit) {
  return (driver: Driver): Partial<Driver> => ({ commit: (commits) => driver.commit(commits.map(change)) });
}

/** Changes each outcome on its way back; `landed` ran before it. */
export function coming(change: (outcome: CommitOutcome, commit: Commit) => CommitOutcome) {
  return (driver: Driver): Partial<Driver> => ({
    commit: async (commits) => {
      const outcomes = await driver.commit(commits);
      return outcomes.map((outcome, index) => change(outcome, commits[index] as Commit));
    },
  });
}

/** Changes each head that is read. */
export function headAs(change: (head: Head) => Head | undefined) {
  return (driver: Driver): Partial<Driver> => ({
    heads: async (ids) => (await driver.heads(ids)).map((head) => head && change(head)),
  });
}

/** Changes the bodies that are stored. */
export function bodyAs(change: (body: string) => string) {
  const changed = <T extends { readonly body: string }>(parts: readonly T[]): T[] =>
    parts.map((part) => ({ ...part, body: change(part.body) }));
  return going((commit) => ({ ...commit, messages: changed(commit.messages), marks: changed(commit.marks) }));
}

/** Compares ids as something less than what they are. */
export function idAs(fold: (id: string) => string) {
  return (driver: Driver): Partial<Driver> => ({
    heads: (ids) => driver.heads(ids.map(fold)),
    commit: (commits) => driver.commit(commits.map((commit) => ({ ...commit, id: fold(commit.id) }))),
    messages: (id, from, to) => driver.messages(fold(id), from, to),
    marks: (id, after, limit) => driver.marks(fold(id), after, limit),
    keys: (id, keys) => driver.keys(fold(id), keys),
  });
}

/** Compares keys as something less than what they are. */
export function keyAs(fold: (key: string) => string) {
  const records = (commit: Commit): Commit["keys"] => {
    const unique = new Map(
      commit.keys.map((record) => [fold(record.key), { ...record, key: fold(record.key) }]),
    );
    return [...unique.values()];
  };
  return (driver: Driver): Partial<Driver> => ({
    commit: (commits) => driver.commit(commits.map((commit) => ({ ...commit, keys: records(commit) }))),
    keys: (id, keys) => driver.keys(id, keys.map(fold)),
  });
}

/** Runs `before` on the commits of a call, one by one, each with the head that it will meet. */
export function meeting(
  change: (commit: Commit, head: Head | undefined, driver: Driver) => Commit | Promise<Commit>,
) {
  return (driver: Driver): Partial<Driver> => ({
    commit: async (commits) => {
      const outcomes: CommitOutcome[] = [];
      for (const commit of commits) {
        const [head] = await driver.heads([commit.id]);
        outcomes.push(...(await driver.commit([await change(commit, head, driver)])));
      }
      return outcomes;
    },
  });
}

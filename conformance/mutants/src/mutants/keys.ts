import type { CommitOutcome, KeyRecord } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { each, one, wrong, wrongDatabase } from "../shared-driver.js";

/** Idempotency keys gone wrong. */
export const KEYS: readonly Mutant[] = [
  wrongDatabase("keys-of-all", "Has one table of keys for all conversations.", ["KEY-2"], () => {
    const table = new Map<string, { record: KeyRecord; id: string }>();
    return ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit): Promise<CommitOutcome> => {
          const [head] = await memory.heads([commit.id]);
          const right = (head?.revision ?? 0) === commit.base && !commit.head.purged;
          const held = commit.keys.flatMap(({ key }) => table.get(key)?.record ?? []);
          if (right && held.length > 0) return { status: "duplicate", held };
          const outcome = await one(memory, commit);
          if (outcome.status !== "committed") return outcome;
          if (commit.head.purged) for (const [key, { id }] of table) if (id === commit.id) table.delete(key);
          for (const record of commit.keys) table.set(record.key, { record, id: commit.id });
          return outcome;
        }),
      ),
    });
  }),
  wrong(
    "duplicate-before-conflict",
    "Tells a held key although the base is wrong.",
    ["KEY-4"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit): Promise<CommitOutcome> => {
          const held = await memory.keys(
            commit.id,
            commit.keys.map(({ key }) => key),
          );
          return held.length > 0 && !commit.head.purged ? { status: "duplicate", held } : one(memory, commit);
        }),
      ),
    }),
  ),
  wrong(
    "duplicate-with-new-positions",
    "Shows a held key with the seqs of the commit that was refused.",
    ["KEY-1"],
    duplicates((held, given) =>
      held.map((record) => ({ ...record, ...given.find(({ key }) => key === record.key) })),
    ),
  ),
  wrong(
    "duplicate-shows-all",
    "Shows every key of the commit, also those not held.",
    ["KEY-1"],
    duplicates((_, given) => given),
  ),
  wrong(
    "duplicate-shows-one",
    "Shows the first of several held keys.",
    ["KEY-1"],
    duplicates((held) => held.slice(0, 1)),
  ),
  wrong(
    "held-keys-do-not-matter",
    "Applies a commit although one of its keys is held.",
    ["KEY-1"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const outcome = await one(memory, commit);
          if (outcome.status !== "duplicate") return outcome;
          const held = new Set(outcome.held.map(({ key }) => key));
          return one(memory, { ...commit, keys: commit.keys.filter(({ key }) => !held.has(key)) });
        }),
      ),
    }),
  ),
  wrong("first-key-only", "Looks only at the first key of a commit.", ["KEY-1"], ({ memory, commitBy }) => ({
    commit: commitBy(
      each(async (commit) => {
        const [first] = commit.keys;
        const held = await memory.keys(
          commit.id,
          commit.keys.map(({ key }) => key),
        );
        if (first === undefined || held.some(({ key }) => key === first.key)) return one(memory, commit);
        const known = new Set(held.map(({ key }) => key));
        return one(memory, { ...commit, keys: commit.keys.filter(({ key }) => !known.has(key)) });
      }),
    ),
  })),
  wrong(
    "keys-not-held",
    "Answers a record for every key that is asked for.",
    ["KEY-6"],
    ({ memory, answer }) => ({
      keys: (id, wanted) =>
        answer(async () => {
          const held = new Map((await memory.keys(id, wanted)).map((record) => [record.key, record]));
          return wanted.map(
            (key) => held.get(key) ?? { key, hash: "", firstSeq: 0, lastSeq: 0, version: 0, tokens: 0 },
          );
        }),
    }),
  ),
  wrong(
    "keys-first-only",
    "Answers only the first of several held keys.",
    ["KEY-6"],
    ({ memory, answer }) => ({
      keys: (id, wanted) => answer(async () => (await memory.keys(id, wanted)).slice(0, 1)),
    }),
  ),
  wrongDatabase(
    "keys-forgotten",
    "Remembers the keys of a conversation's newest commit with keys only.",
    ["KEY-6", "KEY-1"],
    () => {
      const newest = new Map<string, readonly KeyRecord[]>();
      return ({ memory, answer, commitBy }) => ({
        keys: (id, wanted) =>
          answer(async () => (newest.get(id) ?? []).filter(({ key }) => wanted.includes(key))),
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status !== "committed") return outcome;
            if (commit.head.purged) newest.delete(commit.id);
            else if (commit.keys.length > 0) newest.set(commit.id, commit.keys);
            return outcome;
          }),
        ),
      });
    },
  ),
];

/** Shows other records of held keys. */
function duplicates(
  change: (held: readonly KeyRecord[], given: readonly KeyRecord[]) => readonly KeyRecord[],
): Parameters<typeof wrong>[3] {
  return ({ memory, commitBy }) => ({
    commit: commitBy(
      each(async (commit) => {
        const outcome = await one(memory, commit);
        return outcome.status === "duplicate"
          ? { ...outcome, held: change(outcome.held, commit.keys) }
          : outcome;
      }),
    ),
  });
}

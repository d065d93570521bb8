import type { Commit, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { each, one, wrong, wrongDatabase, type ChangeOfDatabase, type Parts } from "../shared-driver.js";

const ALL = Number.MAX_SAFE_INTEGER;

/** Purging and tombstones gone wrong. */
export const ERASING: readonly Mutant[] = [
  wrongDatabase("purge-leaves-keys", "Forgets to erase keys.", ["TMB-2", "TMB-3"], () => {
    const former = new Map<string, Map<string, KeyRecord>>();
    const held = (id: string, keys: readonly string[]): KeyRecord[] =>
      keys.flatMap((key) => former.get(id)?.get(key) ?? []);
    return ({ memory, answer, commitBy }) => ({
      keys: (id, keys) => answer(async () => held(id, keys)),
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          const old = held(
            commit.id,
            commit.keys.map(({ key }) => key),
          );
          if (head?.revision === commit.base && old.length > 0) return { status: "duplicate", held: old };
          const outcome = await one(memory, commit);
          if (outcome.status === "committed") {
            const all = former.get(commit.id) ?? new Map<string, KeyRecord>();
            for (const record of commit.keys) all.set(record.key, record);
            former.set(commit.id, all);
          }
          return outcome;
        }),
      ),
    });
  }),
  wrongDatabase(
    "purge-leaves-messages",
    "Forgets to erase messages.",
    ["TMB-2", "TMB-3"],
    leaving<StoredMessage>(
      (commit) => commit.messages,
      ({ memory, answer }, former) => ({
        messages: (id, from, to) =>
          answer(async () => {
            const messages = await memory.messages(id, from, to);
            const last = (await memory.messages(id, 1, ALL)).at(-1)?.seq ?? 0;
            const old = (former.get(id) ?? []).filter(({ seq }) => seq > last && seq >= from && seq <= to);
            return [...messages, ...old];
          }),
      }),
    ),
  ),
  wrongDatabase(
    "purged-messages-come-back",
    "Hides the messages of a former life until the next one begins.",
    ["TMB-3"],
    leaving<StoredMessage>(
      (commit) => commit.messages,
      ({ memory, answer }, former) => ({
        messages: (id, from, to) =>
          answer(async () => {
            const [head] = await memory.heads([id]);
            const messages = await memory.messages(id, from, to);
            const last = (await memory.messages(id, 1, ALL)).at(-1)?.seq ?? 0;
            if (head?.purged === true) return messages;
            const old = (former.get(id) ?? []).filter(({ seq }) => seq > last && seq >= from && seq <= to);
            return [...messages, ...old];
          }),
      }),
    ),
  ),
  wrongDatabase(
    "purge-leaves-marks",
    "Forgets to erase marks.",
    ["TMB-2", "TMB-3"],
    leaving<Mark>(
      (commit) => commit.marks,
      ({ memory, answer }, former) => ({
        marks: (id, after, limit) =>
          answer(async () => {
            const marks = await memory.marks(id, 0, ALL);
            const versions = new Set(marks.map(({ version }) => version));
            const old = (former.get(id) ?? []).filter(({ version }) => !versions.has(version));
            return [...marks, ...old]
              .filter(({ version }) => version > after)
              .sort((a, b) => a.version - b.version)
              .slice(0, limit);
          }),
      }),
    ),
  ),
  wrongDatabase(
    "purge-forgets-the-head",
    "Erases the head as well, so that revisions start over.",
    ["TMB-2", "TMB-3", "TMB-4", "VER-1", "CAS-3"],
    () => {
      const gone = new Set<string>();
      return ({ memory, answer, commitBy }) => ({
        heads: (ids) =>
          answer(async () =>
            (await memory.heads(ids)).map((head) => (head && gone.has(head.id) ? undefined : head)),
          ),
        commit: commitBy(
          each(async (commit) => {
            const [head] = await memory.heads([commit.id]);
            const reborn = gone.has(commit.id);
            if (reborn && commit.base !== 0) return { status: "conflict", head: undefined };
            const outcome = await one(memory, reborn ? { ...commit, base: head?.revision ?? 0 } : commit);
            if (outcome.status === "committed" && commit.head.purged) gone.add(commit.id);
            else if (outcome.status === "committed") gone.delete(commit.id);
            return outcome;
          }),
        ),
      });
    },
  ),
  wrong(
    "purged-is-as-good-as-new",
    "Lets a creation land on a purged conversation, as if it had never been.",
    ["TMB-4", "CAS-3", "CAS-8"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          return head?.purged === true && commit.base === 0
            ? one(memory, { ...commit, base: head.revision })
            : one(memory, commit);
        }),
      ),
    }),
  ),
  wrong(
    "purge-takes-any-base",
    "Purges whatever the revision is.",
    ["CAS-3", "CAS-2", "CAS-8"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          return one(
            memory,
            commit.head.purged && head !== undefined ? { ...commit, base: head.revision } : commit,
          );
        }),
      ),
    }),
  ),
  wrong(
    "tombstone-drops-messages",
    "Frees the messages of a tombstoned conversation.",
    ["TMB-1", "GAP-2"],
    ({ memory, answer }) => ({
      messages: (id, from, to) =>
        answer(async () =>
          (await memory.heads([id]))[0]?.tombstoned === true ? [] : memory.messages(id, from, to),
        ),
    }),
  ),
  wrong(
    "tombstone-drops-keys",
    "Forgets the keys of a tombstoned conversation.",
    ["TMB-1", "KEY-6"],
    ({ memory, answer }) => ({
      keys: (id, keys) =>
        answer(async () => ((await memory.heads([id]))[0]?.tombstoned === true ? [] : memory.keys(id, keys))),
    }),
  ),
  wrong(
    "tombstone-refuses-commits",
    "Refuses commits to a tombstoned conversation, as if that were its affair.",
    ["CAS-1", "TMB-1"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          return head?.tombstoned === true && !head.purged
            ? { status: "conflict", head }
            : one(memory, commit);
        }),
      ),
    }),
  ),
];

/** Keeps something of former lives. */
function leaving<T>(
  of: (commit: Commit) => readonly T[],
  read: (parts: Parts, former: ReadonlyMap<string, readonly T[]>) => Partial<Parts["right"]>,
): ChangeOfDatabase {
  return () => {
    const present = new Map<string, readonly T[]>();
    const former = new Map<string, readonly T[]>();
    return (parts) => ({
      ...read(parts, former),
      commit: parts.commitBy(
        each(async (commit) => {
          const outcome = await one(parts.memory, commit);
          if (outcome.status !== "committed") return outcome;
          if (commit.head.purged) {
            former.set(commit.id, present.get(commit.id) ?? []);
            present.delete(commit.id);
          } else present.set(commit.id, [...(present.get(commit.id) ?? []), ...of(commit)]);
          return outcome;
        }),
      ),
    });
  };
}

import type { Commit, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import {
  each,
  free,
  one,
  wrong,
  wrongDatabase,
  type ChangeOfDatabase,
  type Parts,
} from "../shared-driver.js";

const ALL = Number.MAX_SAFE_INTEGER;

/** Pruning, purging and tombstones gone wrong. */
export const ERASING: readonly Mutant[] = [
  wrong("prune-one-more", "Frees the message at the seq, too.", ["TRM-1"], ({ memory, answer }) => ({
    prune: (id, below) => answer(() => free(memory, id, below + 1)),
  })),
  wrong("prune-one-less", "Keeps the last message below the seq.", ["TRM-1"], ({ memory, answer }) => ({
    prune: (id, below) => answer(() => memory.prune(id, below - 1)),
  })),
  wrong("prune-nothing", "Frees nothing.", ["TRM-1"], ({ answer }) => ({
    prune: () => answer(async () => undefined),
  })),
  wrong(
    "prune-everybody",
    "Frees the messages of all conversations.",
    ["ISO-1", "TRM-1"],
    ({ memory, answer }) => ({
      prune: (id, below) =>
        answer(async () => {
          const { heads } = await memory.list({ limit: 1e9, labels: [] });
          for (const head of heads)
            if (head.id !== id && head.lastSeq > 0) await free(memory, head.id, below);
          await memory.prune(id, below);
        }),
    }),
  ),
  wrong("prune-by-version", "Takes the seq for a version.", ["TRM-1"], ({ memory, answer }) => ({
    prune: (id, below) =>
      answer(async () => {
        const all = await memory.messages(id, 1, ALL);
        await free(
          memory,
          id,
          all.find(({ version }) => version >= below)?.seq ?? (all.at(-1)?.seq ?? 0) + 1,
        );
      }),
  })),
  wrong(
    "prune-again-frees-more",
    "Counts what to free from the oldest message kept, so that pruning again frees more.",
    ["TRM-2", "TRM-1"],
    ({ memory, answer }) => {
      const before = new Map<string, number>();
      return {
        prune: (id, below) =>
          answer(async () => {
            await free(memory, id, before.get(id) === below ? below + 1 : below);
            before.set(id, below);
          }),
      };
    },
  ),
  wrongDatabase(
    "prune-hides-what-it-keeps",
    "Hides the oldest message kept while it is at work.",
    ["TRM-1", "TRM-5", "GAP-1"],
    () => {
      const hidden = new Map<string, number>();
      return ({ memory, answer }) => ({
        prune: async (id, below) => {
          await answer(async () => {
            const [head] = await memory.heads([id]);
            const before = await memory.messages(id, 1, below - 1);
            if (head !== undefined && before.length > 0) hidden.set(id, Math.min(below, head.firstSeq));
          });
          await answer(() => memory.prune(id, below));
          hidden.delete(id);
        },
        messages: (id, from, to) =>
          answer(async () =>
            (await memory.messages(id, from, to)).filter(({ seq }) => seq !== hidden.get(id)),
          ),
      });
    },
  ),
  wrong(
    "prune-clamps-by-the-archive",
    "Frees what is archived, also where the head keeps it.",
    ["TRM-5"],
    ({ memory, answer }) => ({
      prune: (id, below) =>
        answer(async () => {
          const [head] = await memory.heads([id]);
          await free(memory, id, Math.min(below, (head?.archivedSeq ?? 0) + 1));
        }),
    }),
  ),
  wrongDatabase(
    "prune-frees-marks-of-the-next-life",
    "Frees marks after the messages, in slices, in whichever life there is by then.",
    ["TRM-4"],
    () => {
      const lost = new Set<Mark>();
      return ({ memory, answer }) => ({
        prune: async (id, below) => {
          const limit = await answer(async () => {
            await memory.prune(id, below);
            const [head] = await memory.heads([id]);
            return (await memory.messages(id, 1, ALL))[0]?.version ?? (head?.version ?? 0) + 1;
          });
          for (let slice = 0; slice < 3; slice++) {
            await answer(async () => {
              const marks = await memory.marks(id, 0, ALL);
              const summary = marks.findLast(({ kind }) => kind === "compaction");
              for (const mark of marks) if (mark.version < limit && mark !== summary) lost.add(mark);
            });
          }
        },
        marks: (id, after, limit) =>
          answer(async () =>
            (await memory.marks(id, after, ALL)).filter((mark) => !lost.has(mark)).slice(0, limit),
          ),
      });
    },
  ),
  wrong(
    "prune-trusts-its-seq",
    "Frees what the head keeps where the seq says so.",
    ["TRM-5"],
    ({ memory, answer }) => ({ prune: (id, below) => answer(() => free(memory, id, below)) }),
  ),
  wrong(
    "prune-goes-on-in-the-next-life",
    "Frees what the head did not keep when it began, in slices, in whichever life there is by then.",
    ["TRM-5"],
    ({ memory, answer }) => ({
      prune: async (id, below) => {
        const seqs = await answer(async () => {
          const [head] = await memory.heads([id]);
          return (await memory.messages(id, 1, Math.min(below, head?.firstSeq ?? 1) - 1)).map(
            ({ seq }) => seq,
          );
        });
        for (const seq of seqs) await answer(() => free(memory, id, seq + 1));
        await answer(() => memory.prune(id, below));
      },
    }),
  ),
  wrong(
    "prune-looks-for-messages-only",
    "Frees no mark where no message goes.",
    ["TRM-4"],
    ({ memory, answer }) => ({
      prune: (id, below) =>
        answer(async () => {
          if ((await memory.messages(id, 1, below - 1)).length > 0) await memory.prune(id, below);
        }),
    }),
  ),
  wrong(
    "prune-eats-the-head",
    "Forgets a conversation of which no message is left.",
    ["TRM-3", "TRM-1"],
    ({ memory, answer }) => {
      const eaten = new Set<string>();
      return {
        prune: (id, below) =>
          answer(async () => {
            await memory.prune(id, below);
            const [head] = await memory.heads([id]);
            if (head !== undefined && head.lastSeq > 0 && below > head.lastSeq) eaten.add(id);
          }),
        heads: (ids) =>
          answer(async () =>
            (await memory.heads(ids)).map((head) => (head && eaten.has(head.id) ? undefined : head)),
          ),
      };
    },
  ),
  wrong(
    "prune-is-a-commit",
    "Counts a pruning as a commit of its own.",
    ["TRM-3", "CAS-1"],
    ({ memory, answer }) => ({
      prune: (id, below) =>
        answer(async () => {
          await memory.prune(id, below);
          const [head] = await memory.heads([id]);
          if (head === undefined || head.purged) return;
          const next = { ...head, revision: head.revision + 1 };
          await memory.commit([{ id, base: head.revision, head: next, messages: [], marks: [], keys: [] }]);
        }),
    }),
  ),
  wrongDatabase(
    "prune-frees-all-marks",
    "Frees every mark.",
    ["TRM-4"],
    marksAfterPrune(() => false),
  ),
  wrongDatabase(
    "prune-frees-the-newest-compaction",
    "Frees the newest compaction with the other marks.",
    ["TRM-4"],
    marksAfterPrune((mark, oldest) => mark.version >= oldest),
  ),
  wrongDatabase(
    "prune-keeps-marks",
    "Frees no mark.",
    ["TRM-4"],
    marksAfterPrune(() => true),
  ),
  wrongDatabase(
    "prune-keeps-all-compactions",
    "Frees no compaction.",
    ["TRM-4"],
    marksAfterPrune((mark, oldest) => mark.version >= oldest || mark.kind === "compaction"),
  ),
  wrongDatabase(
    "keys-go-with-their-messages",
    "Forgets keys when their messages are pruned.",
    ["KEY-3"],
    () => {
      const freed = new Map<string, number>();
      const left = (id: string, records: readonly KeyRecord[]): KeyRecord[] =>
        records.filter(({ lastSeq }) => lastSeq >= (freed.get(id) ?? 0));
      return ({ memory, answer, commitBy }) => ({
        prune: (id, below) =>
          answer(async () => {
            freed.set(id, Math.max(below, freed.get(id) ?? 0));
            await memory.prune(id, below);
          }),
        keys: (id, wanted) => answer(async () => left(id, await memory.keys(id, wanted))),
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status === "committed" && commit.head.purged) freed.delete(commit.id);
            if (outcome.status !== "duplicate" || left(commit.id, outcome.held).length > 0) return outcome;
            const held = new Set(outcome.held.map(({ key }) => key));
            return one(memory, { ...commit, keys: commit.keys.filter(({ key }) => !held.has(key)) });
          }),
        ),
      });
    },
  ),
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

/** Keeps other marks when it prunes. */
function marksAfterPrune(keeps: (mark: Mark, oldest: number) => boolean): ChangeOfDatabase {
  return () => {
    const pruned = new Map<
      string,
      { readonly life: number; readonly upTo: number; readonly kept: readonly Mark[] }
    >();
    return ({ memory, answer }) => {
      const marksOf = async (id: string): Promise<readonly Mark[]> => {
        const [head] = await memory.heads([id]);
        const now = await memory.marks(id, 0, ALL);
        const before = pruned.get(id);
        if (before === undefined || before.life !== head?.life || head.purged) return now;
        return [...before.kept, ...now.filter(({ version }) => version > before.upTo)];
      };
      return {
        prune: (id, below) =>
          answer(async () => {
            const first = (await memory.messages(id, 1, ALL))[0]?.seq ?? Infinity;
            const before = await marksOf(id);
            await memory.prune(id, below);
            const [head] = await memory.heads([id]);
            if (head === undefined || first >= below) return;
            const oldest = (await memory.messages(id, 1, ALL))[0]?.version ?? head.version + 1;
            const kept = before.filter((mark) => keeps(mark, oldest));
            pruned.set(id, { life: head.life, upTo: head.version, kept });
          }),
        marks: (id, after, limit) =>
          answer(async () => (await marksOf(id)).filter(({ version }) => version > after).slice(0, limit)),
      };
    };
  };
}

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

import type { CommitOutcome, Driver, KeyRecord, Mark } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { each, one, wrong, wrongDatabase, type ChangeOfDatabase } from "../shared-driver.js";

const ALL = Number.MAX_SAFE_INTEGER;

/** Pruning gone wrong. */
export const PRUNING: readonly Mutant[] = [
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
    ["TRM-1", "TRM-5", "GAP-1", "GAP-2"],
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
    "prune-looks-twice",
    "Frees every message where the oldest one that it found is gone when it looks again.",
    ["TRM-5", "TRM-1"],
    ({ memory, answer }) => ({
      prune: async (id, below) => {
        const [head] = await answer(() => memory.heads([id]));
        if (head === undefined) return;
        const [found] = await answer(() => memory.messages(id, Math.min(below, head.firstSeq), ALL));
        const seq = found?.seq ?? 0;
        const [oldest] = await answer(() => memory.messages(id, seq, seq));
        await answer(() => free(memory, id, oldest?.seq ?? head.lastSeq + 1, head.life));
      },
    }),
  ),
  wrongDatabase(
    "prune-skips-what-lands-meanwhile",
    "Looks for the message at the seq, then for a commit behind it, and frees what landed in between.",
    ["TRM-5", "TRM-1"],
    () => {
      /** Where commits begin. */
      const begins = new Set<string>();
      return ({ memory, answer, commitBy }) => ({
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status === "committed")
              begins.add(`${commit.id} ${commit.head.life} ${commit.messages[0]?.seq}`);
            return outcome;
          }),
        ),
        prune: async (id, below) => {
          const [head] = await answer(() => memory.heads([id]));
          if (head === undefined) return;
          const seq = Math.min(below, head.firstSeq);
          const [first] = await answer(() => memory.messages(id, seq, seq));
          const oldest =
            first ??
            (await answer(() => memory.messages(id, 1, ALL))).find(
              (message, place) =>
                message.seq > seq && (place === 0 || begins.has(`${id} ${head.life} ${message.seq}`)),
            );
          await answer(() => free(memory, id, oldest?.seq ?? seq, head.life));
        },
      });
    },
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
];

/**
 * Frees messages below a seq, also those that the head keeps: by another head, for as long as that takes.
 *
 * @param life the only one in which it does, where it is given
 */
async function free(memory: Driver, id: string, below: number, life?: number): Promise<void> {
  const [head] = await memory.heads([id]);
  if (head === undefined || head.purged || (life !== undefined && head.life !== life)) return;
  const put = (firstSeq: number): Promise<CommitOutcome> =>
    one(memory, {
      id,
      base: head.revision,
      head: { ...head, firstSeq },
      messages: [],
      marks: [],
      keys: [],
    });
  await put(below);
  await memory.prune(id, below);
  await put(head.firstSeq);
}

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

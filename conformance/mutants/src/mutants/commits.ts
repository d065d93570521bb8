import { setImmediate as turn } from "node:timers/promises";
import type { CommitOutcome, Head, KeyRecord, StoredMessage } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { each, force, mutex, one, wrong, wrongDatabase } from "../shared-driver.js";

const committed: CommitOutcome = { status: "committed" };

/** Long enough for others to read in between. */
async function aWhile(): Promise<void> {
  for (let turns = 0; turns < 6; turns++) await turn();
}

/** Compare-and-set gone wrong. */
export const COMMITS: readonly Mutant[] = [
  wrong(
    "check-then-write",
    "Reads the revision, compares, and writes a turn later, without a transaction around it.",
    ["CAS-2", "CAS-3", "CAS-7"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) => {
        const checked = await Promise.all(
          commits.map(async (commit) => {
            const [head] = await memory.heads([commit.id]);
            if ((head?.revision ?? 0) !== commit.base) return { status: "conflict", head } as const;
            const held = await memory.keys(
              commit.id,
              commit.keys.map(({ key }) => key),
            );
            return held.length > 0 && !commit.head.purged
              ? ({ status: "duplicate", held } as const)
              : undefined;
          }),
        );
        await turn();
        return Promise.all(commits.map(async (commit, index) => checked[index] ?? force(memory, commit)));
      }),
    }),
  ),
  wrong(
    "last-write-wins",
    "Never compares revisions.",
    ["CAS-3", "CAS-2", "CAS-8"],
    ({ memory, commitBy }) => ({ commit: commitBy(each((commit) => force(memory, commit))) }),
  ),
  wrong(
    "base-from-the-future",
    "Takes a base that is above the stored revision.",
    ["CAS-3"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          return head !== undefined && commit.base > head.revision
            ? force(memory, commit)
            : one(memory, commit);
        }),
      ),
    }),
  ),
  wrong(
    "change-creates",
    "Creates a conversation that is not there, whatever revision the change was decided on.",
    ["CAS-3"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          return head === undefined ? force(memory, commit) : one(memory, commit);
        }),
      ),
    }),
  ),
  wrong(
    "creation-overwrites",
    "Creates a conversation although it exists.",
    ["CAS-3", "CAS-2", "CAS-8"],
    ({ memory, commitBy }) => ({
      commit: commitBy(each((commit) => (commit.base === 0 ? force(memory, commit) : one(memory, commit)))),
    }),
  ),
  wrong(
    "compares-versions",
    "Compares the version instead of the revision, so that a change without an event goes unnoticed.",
    ["CAS-3", "CAS-2", "CAS-8", "TMB-4", "TRM-3"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          const before = commit.head.version - commit.messages.length - commit.marks.length;
          return head !== undefined && !head.purged && commit.base > 0 && before === head.version
            ? force(memory, commit)
            : one(memory, commit);
        }),
      ),
    }),
  ),
  wrong(
    "committed-on-conflict",
    "Says committed to the loser of a race.",
    ["CAS-3", "CAS-2", "CAS-7", "CAS-8"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) =>
        (await memory.commit(commits)).map((outcome) =>
          outcome.status === "conflict" ? committed : outcome,
        ),
      ),
    }),
  ),
  wrong(
    "conflict-on-committed",
    "Says conflict to every commit with a mark that landed.",
    ["CAS-1", "CAS-7"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const outcome = await one(memory, commit);
          return outcome.status === "committed" && commit.marks.length > 0
            ? { status: "conflict", head: commit.head }
            : outcome;
        }),
      ),
    }),
  ),
  wrong(
    "rebases-on-conflict",
    "Means well: puts a commit that would conflict on top of what is there.",
    ["CAS-3", "CAS-2", "CAS-8"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          if (head === undefined || head.revision <= commit.base || commit.head.purged || head.purged) {
            return one(memory, commit);
          }
          const up = head.lastSeq + 1 - (commit.messages[0]?.seq ?? head.lastSeq + 1);
          const messages = commit.messages.map((message) => ({
            ...message,
            seq: message.seq + up,
            version: message.version + up,
          }));
          const lastSeq = head.lastSeq + messages.length;
          const version = head.version + messages.length + commit.marks.length;
          const rebased = { ...commit.head, revision: head.revision + 1, lastSeq, version, life: head.life };
          return one(memory, { ...commit, base: head.revision, head: rebased, messages });
        }),
      ),
    }),
  ),
  wrong(
    "resubmission-applied-again",
    "Applies a commit that is handed over again a second time.",
    ["CAS-8", "CAS-3"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          return head?.state === commit.head.state && head.revision === commit.head.revision
            ? force(memory, { ...commit, keys: [] })
            : one(memory, commit);
        }),
      ),
    }),
  ),
  wrong(
    "resubmission-is-committed",
    "Says committed to a commit that is handed over again while its head is still the latest.",
    ["CAS-8", "CAS-3"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const [head] = await memory.heads([commit.id]);
          return head?.state === commit.head.state && head.revision === commit.head.revision
            ? committed
            : one(memory, commit);
        }),
      ),
    }),
  ),
  wrong(
    "batch-stops",
    "Stops at the first commit of a call that is refused.",
    ["ISO-2", "CAS-1"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) => {
        let refused = false;
        return each(async (commit): Promise<CommitOutcome> => {
          if (refused) return { status: "conflict", head: undefined };
          const outcome = await one(memory, commit);
          refused = outcome.status !== "committed";
          return outcome;
        })(commits);
      }),
    }),
  ),
  wrong(
    "batch-is-all-or-nothing",
    "Rolls a whole call back where one of its commits conflicts.",
    ["ISO-2", "CAS-1"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) => {
        const heads = await memory.heads(commits.map(({ id }) => id));
        return commits.some(({ base }, index) => (heads[index]?.revision ?? 0) !== base)
          ? heads.map((head) => ({ status: "conflict", head }))
          : memory.commit(commits);
      }),
    }),
  ),
  wrong(
    "held-key-stops-the-batch",
    "Refuses every commit of a call as a duplicate where one of them has a held key.",
    ["ISO-2", "CAS-1"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) => {
        const held = await Promise.all(
          commits.map(({ id, keys }) =>
            memory.keys(
              id,
              keys.map(({ key }) => key),
            ),
          ),
        );
        return held.some((records) => records.length > 0)
          ? held.map((records) => ({ status: "duplicate", held: records }))
          : memory.commit(commits);
      }),
    }),
  ),
  wrong(
    "batch-half-applied",
    "Applies only the first half of a large call, and says committed to all of it.",
    ["CAS-7", "LIM-2", "VER-1", "VER-2", "CAS-3"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) => {
        if (commits.length < 4) return memory.commit(commits);
        const half = Math.ceil(commits.length / 2);
        const outcomes = await memory.commit(commits.slice(0, half));
        return [...outcomes, ...commits.slice(half).map(() => committed)];
      }),
    }),
  ),
  wrong(
    "batch-cut-at-100",
    "Passes over what is behind the hundredth commit of a call, and says committed to it.",
    ["LIM-2", "CAS-7"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) => {
        const outcomes = await memory.commit(commits.slice(0, 100));
        return [...outcomes, ...commits.slice(100).map(() => committed)];
      }),
    }),
  ),
  wrong(
    "outcomes-grouped",
    "Tells the commits that landed first, then the others.",
    ["CAS-6", "ISO-2"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) => {
        const outcomes = await memory.commit(commits);
        return [
          ...outcomes.filter(({ status }) => status === "committed"),
          ...outcomes.filter(({ status }) => status !== "committed"),
        ];
      }),
    }),
  ),
  wrong(
    "outcomes-of-the-landed",
    "Has outcomes only for the commits that landed.",
    ["CAS-6", "CAS-3", "CAS-2"],
    ({ memory, commitBy }) => ({
      commit: commitBy(async (commits) =>
        (await memory.commit(commits)).filter(({ status }) => status === "committed"),
      ),
    }),
  ),
  wrong(
    "conflict-shows-the-loser",
    "Shows the head of the commit that lost as the one that won.",
    ["CAS-4"],
    ({ memory, commitBy }) => ({
      commit: commitBy(
        each(async (commit) => {
          const outcome = await one(memory, commit);
          return outcome.status === "conflict" ? { status: "conflict", head: commit.head } : outcome;
        }),
      ),
    }),
  ),
  wrong(
    "conflict-shows-a-snapshot",
    "Shows a head from before the race that was lost: the statement's snapshot.",
    ["CAS-4"],
    ({ memory, commitBy }) => {
      const seen = new Map<string, Head>();
      return {
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status === "conflict")
              return { status: "conflict", head: seen.get(commit.id) ?? outcome.head };
            if (outcome.status === "committed") seen.set(commit.id, commit.head);
            return outcome;
          }),
        ),
      };
    },
  ),
  wrongDatabase(
    "head-before-messages",
    "Writes the head in one transaction, and the messages in the next.",
    ["CAS-5", "GAP-2"],
    () => {
      const alone = mutex();
      return ({ memory, commitBy }) => ({
        commit: commitBy((commits) =>
          alone(async () => {
            const outcomes = await memory.commit(
              commits.map((commit) => ({ ...commit, messages: [], marks: [] })),
            );
            await aWhile();
            for (const [index, { messages, marks, id }] of commits.entries()) {
              const [head] = await memory.heads([id]);
              if (outcomes[index]?.status !== "committed" || head === undefined) continue;
              if (messages.length + marks.length === 0) continue;
              await memory.commit([{ id, base: head.revision, head, messages, marks, keys: [] }]);
            }
            return outcomes;
          }),
        ),
      });
    },
  ),
  wrongDatabase(
    "messages-before-head",
    "Writes the messages in one transaction, and the head in the next.",
    ["CAS-5", "GAP-2", "SEQ-1"],
    () => {
      const alone = mutex();
      return ({ memory, commitBy }) => ({
        commit: commitBy((commits) =>
          alone(() =>
            each(async (commit) => {
              const [head] = await memory.heads([commit.id]);
              if (head === undefined || head.purged || head.revision !== commit.base)
                return one(memory, commit);
              const held = await memory.keys(
                commit.id,
                commit.keys.map(({ key }) => key),
              );
              if (held.length > 0 || commit.head.purged) return one(memory, commit);
              await memory.commit([{ ...commit, base: head.revision, head }]);
              await aWhile();
              return one(memory, { ...commit, messages: [], marks: [], keys: [] });
            })(commits),
          ),
        ),
      });
    },
  ),
  wrongDatabase(
    "locks-in-the-order-given",
    "Locks the conversations of a call one by one as they come, and rejects when it meets another call doing so.",
    ["ERR-2"],
    () => {
      const locked = new Set<string>();
      return ({ memory, commitBy }) => ({
        commit: commitBy(async (commits) => {
          const mine: string[] = [];
          try {
            for (const { id } of commits) {
              for (let tries = 0; locked.has(id); tries++) {
                if (tries === 20) throw new Error("deadlock detected");
                await turn();
              }
              locked.add(id);
              mine.push(id);
              await turn();
            }
            return await memory.commit(commits);
          } finally {
            for (const id of mine) locked.delete(id);
          }
        }),
      });
    },
  ),
  wrong(
    "unavailable-but-applied",
    "Rejects now and then after the commit has been applied.",
    ["ERR-2", "ERR-3"],
    ({ memory, commitBy }) => {
      let commitsSoFar = 0;
      return {
        commit: commitBy(async (commits) => {
          const outcomes = await memory.commit(commits);
          if ((commitsSoFar += 1) % 7 === 0) throw new Error("the connection was reset");
          return outcomes;
        }),
      };
    },
  ),
  wrong("always-unknown", "Never says what became of a commit.", ["ERR-2"], ({ memory, commitBy }) => ({
    commit: commitBy(async (commits) => (await memory.commit(commits)).map(() => ({ status: "unknown" }))),
  })),
  wrong(
    "refused-messages-stay",
    "Leaves the messages of a commit that was refused in the log's table, where the next ones collide with them.",
    ["CAS-3", "CAS-7", "SEQ-1", "GAP-1", "KEY-1"],
    ({ memory, answer, commitBy }) => {
      const left = new Map<string, StoredMessage[]>();
      return {
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status === "conflict") left.set(commit.id, [...commit.messages]);
            return outcome;
          }),
        ),
        messages: (id, from, to) =>
          answer(async () => {
            const messages = await memory.messages(id, from, to);
            const last = messages.at(-1)?.seq ?? 0;
            const more = (left.get(id) ?? []).filter(({ seq }) => seq > last && seq >= from && seq <= to);
            return [...messages, ...more];
          }),
      };
    },
  ),
  wrong(
    "refused-keys-stay",
    "Remembers the keys of commits that were refused.",
    ["CAS-3", "KEY-6", "KEY-1", "CAS-7"],
    ({ memory, answer, commitBy }) => {
      const left = new Map<string, KeyRecord>();
      return {
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            for (const record of commit.keys) {
              if (outcome.status !== "committed") left.set(`${commit.id} ${record.key}`, record);
            }
            return outcome;
          }),
        ),
        keys: (id, keys) =>
          answer(async () => {
            const found = await memory.keys(id, keys);
            const known = new Set(found.map(({ key }) => key));
            return [
              ...found,
              ...keys.flatMap((key) => (known.has(key) ? [] : (left.get(`${id} ${key}`) ?? []))),
            ];
          }),
      };
    },
  ),
];

import type { Driver, Head } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { each, one, wrong, wrongDatabase } from "../shared-driver.js";

/** Heads, seqs, ranges and marks gone wrong. */
export const READS: readonly Mutant[] = [
  wrong(
    "heads-cached-per-handle",
    "Keeps the heads that it has seen, and hears of no other handle's commits.",
    ["VER-2", "VER-1", "DUR-5"],
    ({ memory, answer, commitBy }) => {
      const cache = new Map<string, Head | undefined>();
      return {
        heads: (ids) =>
          answer(async () => {
            for (const id of ids)
              if (cache.get(id) === undefined) cache.set(id, (await memory.heads([id]))[0]);
            return ids.map((id) => cache.get(id));
          }),
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status === "committed") cache.set(commit.id, commit.head);
            else cache.delete(commit.id);
            return outcome;
          }),
        ),
      };
    },
  ),
  wrongDatabase(
    "heads-from-a-replica",
    "Reads heads from a replica that is one commit behind.",
    ["VER-2", "VER-1"],
    () => {
      const behind = new Map<string, Head | undefined>();
      return ({ memory, answer, commitBy }) => ({
        heads: (ids) =>
          answer(async () => {
            const heads = await memory.heads(ids);
            return ids.map((id, index) => (behind.has(id) ? behind.get(id) : heads[index]));
          }),
        commit: commitBy(
          each(async (commit) => {
            const [before] = await memory.heads([commit.id]);
            const outcome = await one(memory, commit);
            if (outcome.status === "committed") behind.set(commit.id, before);
            return outcome;
          }),
        ),
      });
    },
  ),
  wrong(
    "snapshot-at-open",
    "Answers heads from a snapshot taken when the handle was opened, and from what it committed itself.",
    ["VER-2", "VER-1", "DUR-5"],
    ({ memory, answer, commitBy }) => {
      const snapshot = memory.list({ limit: 1000, labels: [] });
      const own = new Map<string, Head>();
      return {
        heads: (ids) =>
          answer(async () => {
            const { heads } = await snapshot;
            return ids.map((id) => own.get(id) ?? heads.find((head) => head.id === id));
          }),
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status === "committed") own.set(commit.id, commit.head);
            return outcome;
          }),
        ),
      };
    },
  ),
  wrong("heads-sorted", "Answers heads in order of their ids.", ["VER-4"], ({ memory, answer }) => ({
    heads: (ids) => answer(() => memory.heads([...ids].sort())),
  })),
  wrong("heads-without-gaps", "Leaves out the heads that never were.", ["VER-4"], ({ memory, answer }) => ({
    heads: (ids) => answer(async () => (await memory.heads(ids)).filter((head) => head !== undefined)),
  })),
  wrong("heads-distinct", "Answers an id that is asked for twice once.", ["VER-4"], ({ memory, answer }) => ({
    heads: (ids) => answer(() => memory.heads([...new Set(ids)])),
  })),
  changedHead("revision-in-a-byte", "Keeps revisions in a byte.", ["VER-3", "VER-1", "CAS-1"], (head) => ({
    revision: head.revision % 256,
  })),
  wrongDatabase(
    "revisions-sorted-as-text",
    "Takes the head whose revision comes last as text: 9, not 10.",
    ["VER-1", "VER-2"],
    () => {
      const latest = new Map<string, Head>();
      return ({ memory, answer, commitBy }) => ({
        heads: (ids) => answer(async () => ids.map((id) => latest.get(id))),
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            const before = latest.get(commit.id);
            const later = before === undefined || String(commit.head.revision) > String(before.revision);
            if (outcome.status === "committed" && later) latest.set(commit.id, commit.head);
            return outcome;
          }),
        ),
      });
    },
  ),
  changedHead("version-32-bit", "Keeps versions in 32 bits.", ["VER-3", "VER-1"], (head) => ({
    version: head.version | 0,
  })),
  changedHead("updated-at-32-bit", "Keeps times in 32 bits, in seconds.", ["VER-1", "VER-3"], (head) => ({
    updatedAt: Math.floor(head.updatedAt / 1000) * 1000,
  })),
  changedHead("numbers-as-floats", "Keeps seqs as single-precision numbers.", ["VER-3", "VER-1"], (head) => ({
    lastSeq: Math.fround(head.lastSeq),
    archivedSeq: Math.fround(head.archivedSeq),
  })),
  changedHead("clock-of-its-own", "Puts its own time into updatedAt.", ["VER-1", "LST-1"], () => ({
    updatedAt: Date.now(),
  })),
  changedHead("archived-seq-lost", "Does not keep archivedSeq.", ["VER-1", "VER-3", "TRM-3"], () => ({
    archivedSeq: 0,
  })),
  changedHead(
    "tombstone-lost",
    "Does not keep that a conversation is tombstoned.",
    ["TMB-1", "VER-1"],
    (head) => (head.purged ? {} : { tombstoned: false }),
  ),
  wrong(
    "token-counts-32-bit",
    "Keeps token counts in 32 bits.",
    ["VER-3", "SEQ-1"],
    ({ memory, answer }) => ({
      messages: (id, from, to) =>
        answer(async () =>
          (await memory.messages(id, from, to)).map((message) => ({
            ...message,
            tokens: message.tokens | 0,
          })),
        ),
    }),
  ),
  wrong("seq-32-bit", "Keeps times of messages in 32 bits.", ["VER-3", "SEQ-1"], ({ memory, answer }) => ({
    messages: (id, from, to) =>
      answer(async () =>
        (await memory.messages(id, from, to)).map((message) => ({
          ...message,
          insertedAt: message.insertedAt | 0,
        })),
      ),
  })),
  wrong(
    "seq-from-a-count",
    "Numbers messages by counting what is there.",
    ["SEQ-1", "SEQ-2", "TRM-1"],
    ({ memory, answer }) => ({
      messages: (id, from, to) =>
        answer(async () => {
          const all = await memory.messages(id, 1, Number.MAX_SAFE_INTEGER);
          return all
            .map((message, index) => ({ ...message, seq: index + 1 }))
            .filter(({ seq }) => seq >= from && seq <= to);
        }),
    }),
  ),
  wrong(
    "seq-from-a-clock",
    "Orders messages by the time at which they were inserted.",
    ["SEQ-1"],
    ({ memory, answer }) => ({
      messages: (id, from, to) =>
        answer(async () =>
          (await memory.messages(id, from, to)).sort((a, b) => a.insertedAt - b.insertedAt || b.seq - a.seq),
        ),
    }),
  ),
  wrong(
    "seq-from-a-cached-head",
    "Numbers messages by the head that this handle saw last.",
    ["SEQ-1", "GAP-1", "GAP-2", "SEQ-2"],
    ({ memory, commitBy }) => {
      const cache = new Map<string, number>();
      return {
        commit: commitBy(
          each(async (commit) => {
            const given = commit.head.lastSeq - commit.messages.length;
            const last = commit.base === 0 || commit.head.purged ? 0 : (cache.get(commit.id) ?? given);
            const messages = commit.messages.map((message, index) => ({ ...message, seq: last + index + 1 }));
            const outcome = await one(memory, { ...commit, messages });
            if (outcome.status === "committed") cache.set(commit.id, last + messages.length);
            return outcome;
          }),
        ),
      };
    },
  ),
  wrongDatabase(
    "hole-after-a-conflict",
    "Draws seqs from a sequence, which a commit that is refused moves on as well.",
    ["GAP-1", "SEQ-1", "CAS-3", "GAP-2", "SEQ-2"],
    () => {
      const drawn = new Map<string, number>();
      return ({ memory, answer, commitBy }) => ({
        commit: commitBy(
          each(async (commit) => {
            const outcome = await one(memory, commit);
            if (outcome.status !== "committed" && commit.messages.length > 0) {
              const [head] = await memory.heads([commit.id]);
              drawn.set(commit.id, Math.min(drawn.get(commit.id) ?? Infinity, (head?.lastSeq ?? 0) + 1));
            }
            return outcome;
          }),
        ),
        messages: (id, from, to) =>
          answer(async () => {
            const hole = drawn.get(id) ?? Infinity;
            const messages = await memory.messages(id, 1, Number.MAX_SAFE_INTEGER);
            return messages
              .map((message) => (message.seq < hole ? message : { ...message, seq: message.seq + 1 }))
              .filter(({ seq }) => seq >= from && seq <= to);
          }),
      });
    },
  ),
  wrong(
    "range-without-its-end",
    "Leaves the last seq of a range out.",
    ["SEQ-2", "SEQ-1", "GAP-2"],
    ({ memory, answer }) => ({
      messages: (id, from, to) => answer(() => memory.messages(id, from, to - 1)),
    }),
  ),
  wrong(
    "range-without-its-start",
    "Leaves the first seq of a range out.",
    ["SEQ-2", "SEQ-1", "GAP-2"],
    ({ memory, answer }) => ({
      messages: (id, from, to) => answer(() => memory.messages(id, from + 1, to)),
    }),
  ),
  wrong("range-from-one", "Ignores where a range starts.", ["SEQ-2"], ({ memory, answer }) => ({
    messages: (id, _from, to) => answer(() => memory.messages(id, 1, to)),
  })),
  wrong(
    "range-capped-at-100",
    "Answers at most 100 messages.",
    ["SEQ-3", "SEQ-2", "GAP-2"],
    ({ memory, answer }) => ({
      messages: (id, from, to) => answer(async () => (await memory.messages(id, from, to)).slice(0, 100)),
    }),
  ),
  wrong(
    "range-capped-at-1000",
    "Answers at most 1000 messages.",
    ["SEQ-3", "SEQ-2", "GAP-2"],
    ({ memory, answer }) => ({
      messages: (id, from, to) => answer(async () => (await memory.messages(id, from, to)).slice(0, 1000)),
    }),
  ),
  wrong("newest-message-first", "Answers messages newest first.", ["SEQ-1"], ({ memory, answer }) => ({
    messages: (id, from, to) => answer(async () => (await memory.messages(id, from, to)).toReversed()),
  })),
  wrong(
    "seqs-sorted-as-text",
    "Orders messages by their seq as text: 1, 10, 2.",
    ["SEQ-1"],
    ({ memory, answer }) => ({
      messages: (id, from, to) =>
        answer(async () =>
          (await memory.messages(id, from, to)).sort((a, b) => (String(a.seq) < String(b.seq) ? -1 : 1)),
        ),
    }),
  ),
  wrong("marks-without-limit", "Answers all marks, whatever the limit.", ["CMP-2"], ({ memory, answer }) => ({
    marks: (id, after) => answer(() => memory.marks(id, after, 1e6)),
  })),
  wrong(
    "newest-marks",
    "Answers the newest marks where there are more than asked for.",
    ["CMP-2"],
    ({ memory, answer }) => ({
      marks: (id, after, limit) =>
        answer(async () => (limit === 0 ? [] : (await memory.marks(id, after, 1e6)).slice(-limit))),
    }),
  ),
  wrong(
    "marks-from",
    "Answers the mark at the version asked for, too.",
    ["CMP-2", "CMP-1"],
    ({ memory, answer }) => ({
      marks: (id, after, limit) => answer(() => memory.marks(id, after - 1, limit)),
    }),
  ),
  wrong("marks-newest-first", "Answers marks newest first.", ["CMP-1", "CMP-2"], ({ memory, answer }) => ({
    marks: (id, after, limit) => answer(async () => (await memory.marks(id, after, limit)).toReversed()),
  })),
  wrong(
    "one-mark-per-commit",
    "Keeps the last mark of a commit only.",
    ["CMP-1", "GAP-2", "CAS-5"],
    ({ memory, commitBy }) => ({
      commit: commitBy((commits) =>
        memory.commit(commits.map((commit) => ({ ...commit, marks: commit.marks.slice(-1) }))),
      ),
    }),
  ),
  wrong(
    "ranges-of-a-prefix",
    "Finds messages by the start of the id, as LIKE does.",
    ["ISO-1", "ISO-3", "SEQ-1"],
    ({ memory, answer }) => ({
      messages: (id, from, to) =>
        answer(async () => {
          const { heads } = await memory.list({ limit: 1e6, labels: [] });
          const like = heads.filter((head) => head.id.startsWith(id) && head.id !== id).slice(0, 1);
          const more: Awaited<ReturnType<Driver["messages"]>> = [];
          for (const head of like) more.push(...(await memory.messages(head.id, from, to)));
          return [...(await memory.messages(id, from, to)), ...more];
        }),
    }),
  ),
  wrong(
    "ids-as-patterns",
    "Takes % and _ in an id for wildcards when it reads heads.",
    ["ISO-3", "ISO-1", "VER-4"],
    ({ memory, answer }) => ({
      heads: (ids) =>
        answer(async () => {
          const { heads } = await memory.list({ limit: 1e6, labels: [] });
          const exact = await memory.heads(ids);
          return ids.map((id, index) => {
            if (!/[%_]/.test(id)) return exact[index];
            const pattern = id
              .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
              .replaceAll("%", ".*")
              .replaceAll("_", ".");
            return heads.find((head) => new RegExp(`^${pattern}$`, "su").test(head.id));
          });
        }),
    }),
  ),
];

/** Stores another head than the one that was given. */
function changedHead(
  name: string,
  says: string,
  invariants: Mutant["invariants"],
  change: (head: Head) => Partial<Head>,
): Mutant {
  return wrong(name, says, invariants, ({ memory, commitBy }) => ({
    commit: commitBy((commits) =>
      memory.commit(
        commits.map((commit) => ({ ...commit, head: { ...commit.head, ...change(commit.head) } })),
      ),
    ),
  }));
}

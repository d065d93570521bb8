import type { Commit, CommitOutcome, Driver, Head, KeyRecord, StoredMessage } from "@fastpaca/core";
import { bodyAs, caught, coming, going, headAs, keyAs, meeting, type Row } from "./checks-table.js";

/** Compares a base with the stored revision in a way of its own. */
function comparing(equal: (base: number, stored: number, head: Head | undefined) => boolean) {
  return meeting((commit, head) => {
    const stored = head?.revision ?? 0;
    return equal(commit.base, stored, head) ? { ...commit, base: stored } : { ...commit, base: -1 };
  });
}

/** Looks for held keys before it looks at the base. */
const keysFirst = (driver: Driver): Partial<Driver> => ({
  commit: async (commits) => {
    const answers = [];
    for (const commit of commits) {
      const held = await driver.keys(
        commit.id,
        commit.keys.map(({ key }) => key),
      );
      if (held.length > 0) answers.push({ status: "duplicate" as const, held });
      else answers.push(...(await driver.commit([commit])));
    }
    return answers;
  },
});

const without = (...statuses: readonly string[]) =>
  coming((outcome) => (statuses.includes(outcome.status) ? { status: "committed" } : outcome));

const heldAs = (change: (held: readonly KeyRecord[], commit: Commit) => readonly KeyRecord[]) =>
  coming((outcome, commit) =>
    outcome.status === "duplicate" ? { ...outcome, held: change(outcome.held, commit) } : outcome,
  );

/** The first refused commit of a call takes those after it along. */
const aborting = (driver: Driver): Partial<Driver> => ({
  commit: async (commits) => {
    const answers: CommitOutcome[] = [];
    for (const commit of commits) {
      const failed = answers.some(({ status }) => status !== "committed");
      answers.push(
        ...(failed ? [{ status: "conflict" as const, head: undefined }] : await driver.commit([commit])),
      );
    }
    return answers;
  },
});

/** Messages of refused commits turn up behind the others. */
const leaving = (driver: Driver): Partial<Driver> => {
  const left = new Map<string, StoredMessage[]>();
  return {
    ...coming((outcome, commit) => {
      if (outcome.status === "duplicate") left.set(commit.id, [...commit.messages]);
      return outcome;
    })(driver),
    messages: async (id, from, to) => {
      const messages = await driver.messages(id, from, to);
      const more = (left.get(id) ?? []).filter(
        ({ seq }) => seq <= to && seq > (messages.at(-1)?.seq ?? Infinity),
      );
      return [...messages, ...more];
    },
  };
};

const ROWS: readonly Row[] = [
  ["commit-any-base", "CAS-3", "any later revision will do", comparing((base, stored) => base >= stored)],
  ["commit-any-base", "CAS-3", "any earlier revision will do", comparing((base, stored) => base <= stored)],
  [
    "commit-any-base",
    "CAS-3",
    "a base is not looked at once there is a conversation",
    comparing((base, stored) => base === stored || (base > 0 && stored > 0)),
  ],
  [
    "commit-any-base",
    "CAS-3",
    "revisions are compared as 16 bits",
    comparing((base, stored) => (base & 0xffff) === stored),
  ],
  [
    "commit-any-base",
    "VER-3",
    "revisions are compared as 32 bits",
    comparing((base, stored) => (base | 0) === stored),
  ],
  [
    "commit-any-base",
    "CAS-1",
    "nothing lands but a creation",
    comparing((base, stored) => base === stored && base < 1),
  ],
  [
    "commit-any-base",
    "CAS-4",
    "a conflict shows the head that was offered",
    coming((outcome, { head }) => (outcome.status === "conflict" ? { ...outcome, head } : outcome)),
  ],
  ["commit-any-base", "CAS-3", "a conflict is told as committed", without("conflict")],
  ["commit-batch", "ISO-2", "a refused commit takes those behind it along", aborting],
  [
    "commit-batch",
    "CAS-6",
    "outcomes come sorted",
    (driver) => ({
      commit: async (commits) =>
        (await driver.commit(commits)).sort((a, b) => (a.status < b.status ? -1 : 1)),
    }),
  ],
  [
    "commit-batch",
    "CAS-6",
    "outcomes come in reverse",
    (driver) => ({ commit: async (commits) => (await driver.commit(commits)).toReversed() }),
  ],
  [
    "commit-batch",
    "CAS-6",
    "refused commits are left out",
    (driver) => ({
      commit: async (commits) => (await driver.commit(commits)).filter(({ status }) => status !== "conflict"),
    }),
  ],
  ["commit-batch", "KEY-4", "keys are looked at before the base", keysFirst],
  ["commit-batch", "KEY-1", "a duplicate is told as committed", without("duplicate")],
  [
    "commit-again",
    "CAS-8",
    "a commit that is there already is told as committed",
    coming((outcome, commit) =>
      outcome.status === "conflict" && outcome.head?.state === commit.head.state
        ? { status: "committed" }
        : outcome,
    ),
  ],
  ["commit-again", "KEY-4", "a commit that is there already is a duplicate", keysFirst],
  ["commit-refused", "CAS-7", "messages of a refused commit are kept", leaving],
  [
    "commit-refused",
    "CAS-3",
    "a purge is carried out whatever its base",
    meeting((commit, head) => (commit.head.purged ? { ...commit, base: head?.revision ?? 0 } : commit)),
  ],
  [
    "commit-refused",
    "CAS-7",
    "keys of a refused commit are kept",
    (() => {
      const all = new Map<string, KeyRecord>();
      return (driver: Driver): Partial<Driver> => ({
        commit: async (commits) => {
          for (const { id, keys } of commits)
            for (const record of keys) all.set(`${id} ${record.key}`, record);
          return driver.commit(commits);
        },
        keys: async (id, keys) => keys.flatMap((key) => all.get(`${id} ${key}`) ?? []),
      });
    })(),
  ],
  [
    "commit-whole",
    "CAS-5",
    "more than 256 messages are cut off",
    going((commit) => ({ ...commit, messages: commit.messages.slice(0, 256) })),
  ],
  [
    "commit-whole",
    "CAS-5",
    "more than 100 keys are cut off",
    going((commit) => ({ ...commit, keys: commit.keys.slice(0, 100) })),
  ],
  [
    "commit-whole",
    "CAS-5",
    "more than 50 marks are cut off",
    going((commit) => ({ ...commit, marks: commit.marks.slice(0, 50) })),
  ],
  ["keys-held", "KEY-1", "a duplicate shows the first held key only", heldAs((held) => held.slice(0, 1))],
  [
    "keys-held",
    "KEY-1",
    "a duplicate shows the keys as they were offered",
    heldAs((_held, { keys }) => keys),
  ],
  [
    "keys-held",
    "KEY-1",
    "a duplicate shows another seq",
    heldAs((held) => held.map((record) => ({ ...record, firstSeq: record.lastSeq }))),
  ],
  [
    "keys-held",
    "KEY-1",
    "only the first key of a commit is looked at",
    (driver) => ({
      commit: async (commits) => {
        const firsts = await driver.commit(
          commits.map((commit) => ({ ...commit, base: commit.base, keys: commit.keys.slice(0, 1) })),
        );
        return firsts;
      },
    }),
  ],
  ["keys-held", "KEY-4", "keys are looked at before the base", keysFirst],
  [
    "keys-held",
    "KEY-6",
    "a lookup answers with the first key only",
    (driver) => ({ keys: async (id, keys) => (await driver.keys(id, keys)).slice(0, 1) }),
  ],
  [
    "keys-of-others",
    "KEY-2",
    "a key belongs to the database",
    (driver) => {
      const all = new Set<string>();
      return {
        commit: async (commits) => {
          const answers = [];
          for (const commit of commits) {
            const held = commit.keys.filter(({ key }) => all.has(key));
            if (held.length > 0) answers.push({ status: "duplicate" as const, held });
            else answers.push(...(await driver.commit([commit])));
            for (const { key } of commit.keys) all.add(key);
          }
          return answers;
        },
      };
    },
  ],
  ["keys-alike", "KEY-5", "case is folded", keyAs((key) => key.toLowerCase())],
  ["keys-alike", "KEY-5", "normal forms are one", keyAs((key) => key.normalize("NFC"))],
  ["keys-alike", "KEY-5", "compatible forms are one", keyAs((key) => key.normalize("NFKC"))],
  ["keys-alike", "KEY-5", "spaces at the end are cut off", keyAs((key) => key.replace(/ +$/, ""))],
  ["keys-alike", "KEY-5", "all white space around is cut off", keyAs((key) => key.trim() || "empty")],
  ["keys-alike", "KEY-5", "only 191 characters count", keyAs((key) => key.slice(0, 191))],
  ["keys-alike", "KEY-5", "only 254 characters count", keyAs((key) => key.slice(0, 254))],
  [
    "keys-alike",
    "KEY-5",
    "numbers are numbers",
    keyAs((key) => (key.trim() !== "" && Number.isFinite(Number(key)) ? String(Number(key)) : key)),
  ],
  ["keys-alike", "KEY-5", "a byte order mark is dropped", keyAs((key) => key.replace(/^\ufeff(?=.)/, ""))],
  [
    "keys-alike",
    "KEY-5",
    "a lookup understands wildcards",
    (driver) => {
      const held: KeyRecord[] = [];
      return {
        commit: async (commits) => {
          held.push(...commits.flatMap(({ keys }) => keys));
          return driver.commit(commits);
        },
        keys: async (id, keys) => [
          ...(await driver.keys(id, keys)),
          ...(keys.includes("a%") && !keys.includes("ab") ? held.filter(({ key }) => key === "ab") : []),
        ],
      };
    },
  ],
  [
    "keys-text",
    "FID-3",
    "hashes are folded",
    going((commit) => ({
      ...commit,
      keys: commit.keys.map((record) => ({ ...record, hash: record.hash.toLowerCase() })),
    })),
  ],
  [
    "keys-text",
    "FID-3",
    "hashes are cut off after 43 characters",
    going((commit) => ({
      ...commit,
      keys: commit.keys.map((record) => ({ ...record, hash: record.hash.slice(0, 43) })),
    })),
  ],
  [
    "keys-text",
    "FID-3",
    "hashes are padded",
    going((commit) => ({
      ...commit,
      keys: commit.keys.map((record) => ({ ...record, hash: record.hash.padEnd(64) })),
    })),
  ],
  ["any-sequence", "CAS-3", "any later revision will do", comparing((base, stored) => base >= stored)],
  [
    "any-sequence",
    "CAS-6",
    "outcomes come in reverse",
    (driver) => ({ commit: async (commits) => (await driver.commit(commits)).toReversed() }),
  ],
  ["any-sequence", "KEY-1", "a duplicate is told as committed", without("duplicate")],
  ["any-sequence", "FID-1", "bodies are written anew", bodyAs((body) => JSON.stringify(JSON.parse(body)))],
  [
    "any-sequence",
    "VER-1",
    "the time of creation moves",
    headAs((head) => ({ ...head, createdAt: head.updatedAt })),
  ],
  [
    "any-sequence",
    "ERR-2",
    "a commit of nothing but a head is unknown",
    coming((outcome, { messages, marks }) =>
      messages.length + marks.length === 0 ? { status: "unknown" } : outcome,
    ),
  ],
];

caught(ROWS);

import type { Commit, Driver, Head, KeyRecord } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { wrong, type Parts } from "../shared-driver.js";

/** Ids, keys, bodies and metadata that do not come back as they were, or that are taken for others. */
export const TEXT: readonly Mutant[] = [
  comparingIds("ids-ignore-case", "Compares ids without regard to case.", (id) => id.toLowerCase()),
  comparingIds("ids-normalised", "Compares ids by their Unicode normal form.", (id) => id.normalize("NFC")),
  comparingIds("ids-padded", "Compares ids without regard to spaces at the end.", (id) =>
    id.replace(/ +$/, ""),
  ),
  comparingIds("ids-collated", "Compares ids as ICU does: invisible characters do not count.", (id) =>
    id.replace(/[\u200b-\u200d\u2060\ufeff]/g, ""),
  ),
  comparingIds("ids-cut-at-191", "Compares the first 191 characters of an id.", (id) => id.slice(0, 191)),
  comparingIds("ids-cut-at-63", "Compares the first 63 bytes of an id.", (id) =>
    Buffer.from(id).subarray(0, 63).toString("latin1"),
  ),
  comparingIds("ids-without-accents", "Compares ids without regard to accents.", (id) =>
    id.normalize("NFD").replace(/\p{M}/gu, ""),
  ),
  comparingIds("ids-in-the-bmp", "Replaces characters beyond U+FFFF in ids.", (id) =>
    id.replace(/[\u{10000}-\u{10ffff}]/gu, "?"),
  ),
  comparingKeys("keys-ignore-case", "Compares keys without regard to case.", (key) => key.toLowerCase()),
  comparingKeys("keys-normalised", "Compares keys by their Unicode normal form.", (key) =>
    key.normalize("NFC"),
  ),
  comparingKeys("keys-padded", "Compares keys without regard to spaces at the end.", (key) =>
    key.replace(/ +$/, ""),
  ),
  comparingKeys("keys-cut-at-63", "Compares the first 63 characters of a key.", (key) => key.slice(0, 63)),
  storing("body-reserialised", "Parses bodies and writes them anew.", ["FID-1"], bodies(reserialise)),
  storing(
    "body-cut-at-nul",
    "Ends a body at its first NUL escape.",
    ["FID-1"],
    bodies((body) => body.replace(/(?<!\\)((?:\\\\)*)\\u0000.*$/s, "$1")),
  ),
  storing(
    "body-without-lone-surrogates",
    "Replaces the escapes of lone surrogates in bodies.",
    ["FID-1"],
    bodies((body) => body.replace(/\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])/g, "\\ufffd")),
  ),
  storing(
    "body-normalised",
    "Normalises the text of bodies.",
    ["FID-1"],
    bodies((body) => body.normalize("NFC")),
  ),
  storing(
    "body-with-crlf",
    "Replaces U+2028 in bodies by a line break's escape.",
    ["FID-1"],
    bodies((body) => body.replaceAll("\u2028", "\\n")),
  ),
  storing(
    "body-in-the-bmp",
    "Replaces characters beyond U+FFFF in bodies, as three-byte UTF-8 does.",
    ["FID-1"],
    bodies((body) => body.replace(/[\u{10000}-\u{10ffff}]/gu, "?")),
  ),
  storing(
    "body-cut-at-64-kib",
    "Cuts bodies at 64 KiB.",
    ["FID-4", "FID-1", "LIM-1"],
    bodies((body) => body.slice(0, 65_535)),
  ),
  storing(
    "mark-reserialised",
    "Parses the bodies of marks and writes them anew.",
    ["FID-1", "CMP-1"],
    (commit) => ({
      ...commit,
      marks: commit.marks.map((mark) => ({ ...mark, body: reserialise(mark.body) })),
    }),
  ),
  storing(
    "metadata-reserialised",
    "Parses metadata and writes it anew.",
    ["FID-2", "VER-1"],
    heads((head) => ({ metadata: reserialise(head.metadata) })),
  ),
  storing(
    "state-reserialised",
    "Parses the state and writes it anew.",
    ["FID-2", "VER-1"],
    heads((head) => ({ state: reserialise(head.state) })),
  ),
  storing(
    "labels-sorted",
    "Keeps labels in order.",
    ["FID-2", "VER-1"],
    heads((head) => ({ labels: [...head.labels].sort() })),
  ),
  storing(
    "labels-in-lower-case",
    "Keeps labels in lower case.",
    ["FID-2", "VER-1", "LST-3"],
    heads((head) => ({ labels: head.labels.map((label) => label.toLowerCase()) })),
  ),
  storing(
    "labels-joined",
    "Keeps labels in one text, with commas between them.",
    ["FID-2", "VER-1", "LST-3"],
    heads((head) => ({ labels: head.labels.length === 0 ? [] : head.labels.join(",").split(",") })),
  ),
  storing(
    "hash-cut-at-43",
    "Keeps 43 characters of a hash.",
    ["FID-3", "KEY-1", "KEY-6"],
    keys((record) => ({ hash: record.hash.slice(0, 43) })),
  ),
];

function reserialise(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    // Text that is no JSON is not what this mutant is about.
    return text;
  }
}

function bodies(change: (body: string) => string): (commit: Commit) => Commit {
  return (commit) => ({
    ...commit,
    messages: commit.messages.map((message) => ({ ...message, body: change(message.body) })),
  });
}

function heads(change: (head: Head) => Partial<Head>): (commit: Commit) => Commit {
  return (commit) => ({ ...commit, head: { ...commit.head, ...change(commit.head) } });
}

function keys(change: (record: KeyRecord) => Partial<KeyRecord>): (commit: Commit) => Commit {
  return (commit) => ({ ...commit, keys: commit.keys.map((record) => ({ ...record, ...change(record) })) });
}

/** Stores another commit than the one that was given. */
function storing(
  name: string,
  says: string,
  invariants: Mutant["invariants"],
  change: (commit: Commit) => Commit,
): Mutant {
  return wrong(name, says, invariants, ({ memory, commitBy }) => ({
    commit: commitBy((commits) => memory.commit(commits.map(change))),
  }));
}

/** Takes ids that `fold` to the same for one. */
function comparingIds(name: string, says: string, fold: (id: string) => string): Mutant {
  return wrong(name, says, ["ISO-3"], ({ memory, answer, commitBy }) => ({
    heads: (ids) => answer(() => memory.heads(ids.map(fold))),
    commit: commitBy((commits) =>
      memory.commit(commits.map((commit) => ({ ...commit, id: fold(commit.id) }))),
    ),
    messages: (id, from, to) => answer(() => memory.messages(fold(id), from, to)),
    marks: (id, after, limit) => answer(() => memory.marks(fold(id), after, limit)),
    keys: (id, wanted) => answer(() => memory.keys(fold(id), wanted)),
    prune: (id, below) => answer(() => memory.prune(fold(id), below)),
  }));
}

/** Takes keys that `fold` to the same for one. */
function comparingKeys(name: string, says: string, fold: (key: string) => string): Mutant {
  return wrong(name, says, ["KEY-5"], ({ memory, answer, commitBy }: Parts): Partial<Driver> => {
    // The folded key in front of the key as it was given.
    const split = (record: KeyRecord): KeyRecord => ({
      ...record,
      key: record.hash.slice(64),
      hash: record.hash.slice(0, 64).trimEnd(),
    });
    return {
      keys: (id, wanted) =>
        answer(async () => (await memory.keys(id, [...new Set(wanted.map(fold))])).map(split)),
      commit: commitBy(async (commits) => {
        const folded = commits.map((commit) => {
          const records = commit.keys.map(({ key, hash, ...rest }) => ({
            ...rest,
            key: fold(key),
            hash: hash.padEnd(64) + key,
          }));
          return { ...commit, keys: [...new Map(records.map((record) => [record.key, record])).values()] };
        });
        return (await memory.commit(folded)).map((outcome) =>
          outcome.status === "duplicate" ? { ...outcome, held: outcome.held.map(split) } : outcome,
        );
      }),
    };
  });
}

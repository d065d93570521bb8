import type { Driver, Head, StoredMessage } from "@fastpaca/core";
import { bodyAs, caught, going, headAs, type Row } from "./checks-table.js";

const messagesAs =
  (
    change: (
      messages: StoredMessage[],
      from: number,
      to: number,
      driver: Driver,
      id: string,
    ) => StoredMessage[] | Promise<StoredMessage[]>,
  ) =>
  (driver: Driver): Partial<Driver> => ({
    messages: async (id, from, to) => change(await driver.messages(id, from, to), from, to, driver, id),
  });

/** Each handle remembers the first head that it saw. */
const remembering = (driver: Driver): Partial<Driver> => {
  const seen = new Map<string, Head>();
  return {
    heads: async (ids) =>
      (await driver.heads(ids)).map((head) => {
        if (head === undefined) return head;
        const first = seen.get(head.id) ?? head;
        if (!seen.has(head.id)) seen.set(head.id, head);
        return first;
      }),
  };
};

const textAs = (change: (text: string) => string) =>
  headAs((head) => ({ ...head, metadata: change(head.metadata) }));

const ROWS: readonly Row[] = [
  [
    "head-fields",
    "VER-1",
    "the archive's progress is forgotten",
    headAs((head) => ({ ...head, archivedSeq: 0 })),
  ],
  ["head-fields", "VER-1", "the oldest message is not kept", headAs((head) => ({ ...head, firstSeq: 1 }))],
  ["head-fields", "VER-1", "a tombstone is not kept", headAs((head) => ({ ...head, tombstoned: false }))],
  [
    "head-fields",
    "VER-1",
    "times are kept in seconds",
    headAs((head) => ({ ...head, updatedAt: head.updatedAt - (head.updatedAt % 1000) })),
  ],
  [
    "head-fields",
    "FID-2",
    "labels are never changed",
    going((commit) => (commit.base === 0 ? commit : { ...commit, head: { ...commit.head, labels: [] } })),
  ],
  ["head-fields", "VER-2", "each handle remembers the first head that it saw", remembering],
  ["head-numbers", "VER-3", "seqs have 32 bits", headAs((head) => ({ ...head, lastSeq: head.lastSeq | 0 }))],
  [
    "head-numbers",
    "VER-3",
    "versions have 32 bits without a sign",
    headAs((head) => ({ ...head, version: head.version >>> 0 })),
  ],
  [
    "head-numbers",
    "VER-3",
    "times have single precision",
    headAs((head) => ({ ...head, updatedAt: Math.fround(head.updatedAt) })),
  ],
  [
    "head-numbers",
    "VER-3",
    "tokens have 16 bits",
    going((commit) => ({
      ...commit,
      messages: commit.messages.map((message) => ({ ...message, tokens: message.tokens & 0xffff })),
    })),
  ],
  [
    "head-numbers",
    "VER-3",
    "large seqs are rejected",
    (driver) => ({
      commit: async (commits) => {
        if (commits.some(({ head }) => head.lastSeq > 0x7fff_ffff))
          throw new Error("value is out of range for type integer");
        return driver.commit(commits);
      },
    }),
  ],
  [
    "head-numbers",
    "VER-3",
    "the seqs of keys have 32 bits",
    going((commit) => ({
      ...commit,
      keys: commit.keys.map((record) => ({ ...record, lastSeq: record.lastSeq | 0 })),
    })),
  ],
  [
    "heads-asked",
    "VER-4",
    "heads come in the order of ids",
    (driver) => ({ heads: (ids) => driver.heads(ids.toSorted()) }),
  ],
  [
    "heads-asked",
    "VER-4",
    "an id asked for twice is answered once",
    (driver) => ({ heads: (ids) => driver.heads([...new Set(ids)]) }),
  ],
  [
    "heads-asked",
    "VER-4",
    "what never was is left out",
    (driver) => ({ heads: async (ids) => (await driver.heads(ids)).filter((head) => head !== undefined) }),
  ],
  [
    "heads-asked",
    "VER-4",
    "what never was is null",
    (driver) => ({
      heads: async (ids) => (await driver.heads(ids)).map((head) => (head ?? null) as Head | undefined),
    }),
  ],
  [
    "messages-ranges",
    "SEQ-2",
    "the last one is left out",
    (driver) => ({ messages: (id, from, to) => driver.messages(id, from, to - 1) }),
  ],
  [
    "messages-ranges",
    "SEQ-2",
    "one more comes",
    messagesAs((_messages, from, to, driver, id) => driver.messages(id, from, to + 1)),
  ],
  [
    "messages-ranges",
    "SEQ-1",
    "the order is that of text",
    messagesAs((messages) => messages.toSorted((a, b) => (String(a.seq) < String(b.seq) ? -1 : 1))),
  ],
  ["messages-ranges", "SEQ-1", "the newest come first", messagesAs((messages) => messages.toReversed())],
  [
    "messages-ranges",
    "SEQ-1",
    "the first one comes twice",
    messagesAs((messages) => [...messages.slice(0, 1), ...messages]),
  ],
  [
    "messages-ranges",
    "SEQ-2",
    "the newest one is missing in a whole read",
    messagesAs((messages, from, to) => (from === 1 && to > 1000 ? messages.slice(0, -1) : messages)),
  ],
  [
    "messages-ranges",
    "GAP-2",
    "the newest one cannot be read yet",
    (driver) => ({
      messages: async (id, from, to) => {
        const [head] = await driver.heads([id]);
        return (await driver.messages(id, from, to)).filter(({ seq }) => seq !== head?.lastSeq);
      },
    }),
  ],
  [
    "messages-long",
    "SEQ-3",
    "an answer has at most 10,000 messages",
    messagesAs((messages) => messages.slice(0, 10_000)),
  ],
  [
    "messages-long",
    "SEQ-3",
    "an answer has at most a mebibyte",
    messagesAs((messages) => {
      let bytes = 0;
      return messages.filter(({ body }) => (bytes += body.length) < 1024 * 1024);
    }),
  ],
  [
    "marks-ranges",
    "CMP-2",
    "the version asked for is included",
    (driver) => ({ marks: (id, after, limit) => driver.marks(id, after - 1, limit) }),
  ],
  [
    "marks-ranges",
    "CMP-2",
    "the latest come instead of the earliest",
    (driver) => ({
      marks: async (id, after, limit) => (await driver.marks(id, after, 100_000)).slice(-limit),
    }),
  ],
  [
    "marks-ranges",
    "CMP-2",
    "the limit is not kept",
    (driver) => ({ marks: (id, after, limit) => driver.marks(id, after, limit + 1) }),
  ],
  [
    "marks-ranges",
    "CMP-1",
    "the newest come first",
    (driver) => ({ marks: async (id, after, limit) => (await driver.marks(id, after, limit)).toReversed() }),
  ],
  [
    "marks-ranges",
    "CMP-1",
    "resets are compactions",
    (driver) => ({
      marks: async (id, after, limit) =>
        (await driver.marks(id, after, limit)).map((mark) => ({
          ...mark,
          kind: mark.kind === "reset" ? "compaction" : mark.kind,
        })),
    }),
  ],
  [
    "marks-long",
    "CMP-2",
    "an answer has at most 1000 marks",
    (driver) => ({
      marks: async (id, after, limit) => (await driver.marks(id, after, limit)).slice(0, 1000),
    }),
  ],
  ["bodies-known", "FID-1", "bodies are written anew", bodyAs((body) => JSON.stringify(JSON.parse(body)))],
  [
    "bodies-known",
    "FID-1",
    "bodies end at an escaped NUL",
    bodyAs((body) => body.split(String.raw`\u0000`)[0] ?? ""),
  ],
  [
    "bodies-known",
    "FID-1",
    "lone surrogates are replaced",
    bodyAs((body) => body.replaceAll(/\\ud[89a-f]../gi, "\ufffd")),
  ],
  ["bodies-known", "FID-1", "white space around is cut off", bodyAs((body) => body.trim())],
  ["bodies-known", "FID-1", "normal forms are one", bodyAs((body) => body.normalize())],
  ["bodies-known", "FID-1", "a byte order mark is dropped", bodyAs((body) => body.replace("\ufeff", ""))],
  ["bodies-known", "FID-1", "an apostrophe is doubled", bodyAs((body) => body.replaceAll("'", "''"))],
  ["bodies-known", "FID-1", "line ends are made one", bodyAs((body) => body.replaceAll("\r\n", "\n"))],
  [
    "bodies-known",
    "FID-1",
    "no astral letters",
    bodyAs((body) => body.replaceAll(/[\u{10000}-\u{10ffff}]/gu, "?")),
  ],
  [
    "bodies-known",
    "FID-1",
    "an escaped NUL is rejected",
    (driver) => ({
      commit: async (commits) => {
        if (commits.some(({ messages }) => messages.some(({ body }) => body.includes(String.raw`\u0000`))))
          throw new Error("unsupported Unicode escape sequence");
        return driver.commit(commits);
      },
    }),
  ],
  ["bodies-any", "FID-1", "bodies are written anew", bodyAs((body) => JSON.stringify(JSON.parse(body)))],
  ["bodies-large", "FID-4", "bodies end after 64 KiB", bodyAs((body) => body.slice(0, 65_535))],
  [
    "bodies-large",
    "FID-4",
    "bodies end after a million characters",
    bodyAs((body) => body.slice(0, 1_000_000)),
  ],
  ["heads-known", "FID-2", "metadata is written anew", textAs((text) => JSON.stringify(JSON.parse(text)))],
  [
    "heads-known",
    "FID-2",
    "metadata ends at an escaped NUL",
    textAs((text) => text.split(String.raw`\u0000`)[0] ?? ""),
  ],
  [
    "heads-known",
    "FID-2",
    "state has at most 4000 characters",
    headAs((head) => ({ ...head, state: head.state.slice(0, 4000) })),
  ],
  [
    "heads-known",
    "FID-2",
    "labels are kept with commas between them",
    headAs((head) => ({ ...head, labels: head.labels.join(",").split(",") })),
  ],
  [
    "heads-known",
    "FID-2",
    "labels are cut off after 254 characters",
    headAs((head) => ({ ...head, labels: head.labels.map((label) => label.slice(0, 254)) })),
  ],
  [
    "heads-any",
    "FID-2",
    "state is written anew",
    headAs((head) => ({ ...head, state: JSON.stringify(JSON.parse(head.state)) })),
  ],
  [
    "heads-any",
    "FID-2",
    "labels come sorted",
    headAs((head) => ({ ...head, labels: head.labels.toSorted() })),
  ],
  ["any-sequence", "VER-2", "each handle remembers the first head that it saw", remembering],
  [
    "any-sequence",
    "SEQ-1",
    "the first message comes twice",
    messagesAs((messages) => [...messages.slice(0, 1), ...messages]),
  ],
];

caught(ROWS);

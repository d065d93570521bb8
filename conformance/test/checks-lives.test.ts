import type { Commit, Driver, Head, KeyRecord, ListPosition, Mark, StoredMessage } from "@fastpaca/core";
import { modelSubject } from "./model-driver.js";
import { caught, coming, free, going, headAs, idAs, meeting, subjectWith, type Row } from "./checks-table.js";

/** Something of a conversation stays behind when it is purged. */
function staying(what: "messages" | "marks" | "keys", until: "birth" | "ever") {
  const lives = new Map<
    string,
    { messages: StoredMessage[]; marks: Mark[]; keys: KeyRecord[]; gone: boolean }
  >();
  return (driver: Driver): Partial<Driver> => {
    const left = (id: string, born: boolean) => {
      const life = lives.get(id);
      return life?.gone === true && (until === "ever" || !born)
        ? life
        : { messages: [], marks: [], keys: [] };
    };
    const born = async (id: string): Promise<boolean> => (await driver.heads([id]))[0]?.purged === false;
    const missing = <T>(present: T[], more: readonly T[], place: (row: T) => unknown): T[] => [
      ...present,
      ...more.filter((row) => !present.some((other) => place(other) === place(row))),
    ];
    return {
      ...coming((outcome, commit) => {
        if (outcome.status !== "committed") return outcome;
        const life = lives.get(commit.id) ?? { messages: [], marks: [], keys: [], gone: false };
        if (commit.head.purged) life.gone = true;
        else if (!life.gone) {
          life.messages.push(...commit.messages);
          life.marks.push(...commit.marks);
          life.keys.push(...commit.keys);
        }
        lives.set(commit.id, life);
        return outcome;
      })(driver),
      ...(what === "messages" && {
        messages: async (id: string, from: number, to: number) =>
          missing(
            await driver.messages(id, from, to),
            left(id, await born(id)).messages.filter(({ seq }) => seq >= from && seq <= to),
            ({ seq }) => seq,
          ).sort((a, b) => a.seq - b.seq),
      }),
      ...(what === "marks" && {
        marks: async (id: string, after: number, limit: number) =>
          missing(
            await driver.marks(id, after, limit),
            left(id, await born(id)).marks.filter(({ version }) => version > after),
            ({ version }) => version,
          ).sort((a, b) => a.version - b.version),
      }),
      ...(what === "keys" && {
        keys: async (id: string, keys: readonly string[]) =>
          missing(
            await driver.keys(id, keys),
            left(id, await born(id)).keys.filter(({ key }) => keys.includes(key)),
            ({ key }) => key,
          ),
      }),
    };
  };
}

const listedAs =
  (change: (head: Head) => boolean) =>
  (driver: Driver): Partial<Driver> => ({
    list: async (query) => {
      const page = await driver.list(query);
      return { ...page, heads: page.heads.filter(change) };
    },
  });

/** Pages by counting what was shown. */
const byOffset = (driver: Driver): Partial<Driver> => ({
  list: async ({ limit, labels, after }) => {
    const { heads } = await driver.list({ limit: 1000, labels });
    const from = after === undefined ? 0 : Number(after.id);
    const page = heads.slice(from, from + limit);
    const end = from + page.length;
    const next: ListPosition = { updatedAt: page.at(-1)?.updatedAt ?? 0, id: String(end) };
    return end < heads.length ? { heads: page, next } : { heads: page };
  },
});

/** Filters the labels itself. */
const matching =
  (match: (held: readonly string[], wanted: readonly string[]) => boolean) =>
  (driver: Driver): Partial<Driver> => ({
    list: async ({ limit, labels, after }) => {
      const { heads } = await driver.list({ limit: 1000, labels: [] });
      const behind = after === undefined ? -1 : heads.findIndex(({ id }) => id === after.id);
      const found = heads.slice(behind + 1).filter((head) => match(head.labels, labels));
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return last === undefined || found.length === page.length
        ? { heads: page }
        : { heads: page, next: { updatedAt: last.updatedAt, id: last.id } };
    },
  });

/** Opens a copy of the database as it is at that moment. */
const copying = (() => {
  const logs = new Map<string, Commit[]>();
  const subject = modelSubject();
  return {
    ...subject,
    traits: { ...subject.traits, shared: false },
    open: async (url: string): Promise<Driver> => {
      const own = await subject.createDatabase();
      const driver = await subject.open(own.url);
      const log = logs.get(url) ?? [];
      logs.set(url, log);
      for (const commit of log) await driver.commit([commit]);
      return {
        ...driver,
        commit: async (commits) => {
          const outcomes = await driver.commit(commits);
          log.push(...commits.filter((_, index) => outcomes[index]?.status === "committed"));
          return outcomes;
        },
      };
    },
  };
})();

const ROWS: readonly Row[] = [
  ["claims", "ERR-7", "durable is claimed to the kit only", subjectWith({ durable: true })],
  ["claims", "ERR-7", "shared is claimed to the store only", subjectWith({ shared: false })],
  ["claims", "ERR-7", "a watch is claimed that is not there", subjectWith({ watch: true })],
  [
    "claims",
    "ERR-7",
    "a watch is there that is not claimed",
    () => ({ watch: async () => async () => undefined }),
  ],
  ["close-twice", "ERR-4", "calls go on after the end", () => ({ close: async () => undefined })],
  [
    "close-twice",
    "ERR-4",
    "reading goes on after the end",
    (driver) => {
      let closed = false;
      return {
        heads: async (ids) => (closed ? [] : driver.heads(ids)),
        close: async () => {
          closed = true;
          await driver.close();
        },
      };
    },
  ],
  [
    "close-twice",
    "ERR-4",
    "the second close rejects",
    (driver) => {
      let closed = false;
      return {
        close: async () => {
          if (closed) throw new Error("closed already");
          closed = true;
          await driver.close();
        },
      };
    },
  ],
  ["second-handle", "ERR-8", "a second handle works on a copy", copying],
  [
    "reopen-not-durable",
    "DUR-6",
    "keys are gone after opening",
    (driver) => {
      const held = new Set<string>();
      return {
        commit: async (commits) => {
          for (const { keys } of commits) for (const { key } of keys) held.add(key);
          return driver.commit(commits);
        },
        keys: async (id, keys) =>
          driver.keys(
            id,
            keys.filter((key) => held.has(key)),
          ),
      };
    },
  ],
  [
    "reopen-not-durable",
    "DUR-6",
    "marks are gone after opening",
    (driver) => {
      let written = false;
      return {
        commit: async (commits) => {
          written ||= commits.some(({ marks }) => marks.length > 0);
          return driver.commit(commits);
        },
        marks: async (id, after, limit) => (written ? driver.marks(id, after, limit) : []),
      };
    },
  ],
  [
    "limits-sound",
    "LIM-3",
    "batches of no size",
    (driver) => ({ limits: { ...driver.limits, maxBatch: 0 } }),
  ],
  [
    "limits-sound",
    "LIM-3",
    "commits of less than two mebibytes",
    (driver) => ({ limits: { ...driver.limits, maxCommitBytes: 2 ** 20 } }),
  ],
  [
    "limits-sound",
    "LIM-3",
    "no limit",
    (driver) => ({ limits: { ...driver.limits, maxCommitBytes: Infinity } }),
  ],
  [
    "limits-empty",
    "LIM-4",
    "no keys are all keys",
    (driver) => ({ keys: (id, keys) => driver.keys(id, keys.length === 0 ? ["k"] : keys) }),
  ],
  [
    "limits-empty",
    "LIM-4",
    "no heads reject",
    (driver) => ({
      heads: async (ids) => {
        if (ids.length === 0) throw new Error("syntax error at or near )");
        return driver.heads(ids);
      },
    }),
  ],
  [
    "limits-empty",
    "LIM-4",
    "a range may be turned around",
    (driver) => ({ messages: (id, from, to) => driver.messages(id, Math.min(from, to), Math.max(from, to)) }),
  ],
  [
    "limits-commit",
    "LIM-1",
    "half of the stated size is rejected",
    (driver) => ({
      commit: async (commits) => {
        const size = commits
          .flatMap(({ messages }) => messages)
          .reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
        if (size > 8 * 1024 * 1024) throw new Error("document is too large");
        return driver.commit(commits);
      },
    }),
  ],
  [
    "limits-batch",
    "LIM-2",
    "only 400 commits are carried out",
    (driver) => ({ commit: (commits) => driver.commit(commits.slice(0, 400)) }),
  ],
  [
    "limits-batch",
    "LIM-2",
    "only 400 heads are read",
    (driver) => ({
      heads: async (ids) => [
        ...(await driver.heads(ids.slice(0, 400))),
        ...ids.slice(400).map(() => undefined),
      ],
    }),
  ],
  [
    "tombstone-kept",
    "TMB-1",
    "a tombstone hides the messages",
    (driver) => ({
      messages: async (id, from, to) =>
        (await driver.heads([id]))[0]?.tombstoned === true ? [] : driver.messages(id, from, to),
    }),
  ],
  [
    "tombstone-kept",
    "TMB-1",
    "nothing lands after a tombstone",
    meeting((commit, head) => (head?.tombstoned === true ? { ...commit, base: -1 } : commit)),
  ],
  ["tombstone-kept", "LST-4", "a tombstone is not listed", listedAs((head) => !head.tombstoned)],
  ["purge-erases", "TMB-2", "keys stay", staying("keys", "birth")],
  ["purge-erases", "TMB-2", "marks stay", staying("marks", "birth")],
  ["purge-erases", "TMB-2", "messages stay", staying("messages", "birth")],
  ["purge-erases", "TMB-2", "the head goes too", headAs((head) => (head.purged ? undefined : head))],
  [
    "purge-erases",
    "TMB-2",
    "a purged conversation is listed",
    (() => {
      const lists = new Map<string, Head>();
      return (driver: Driver): Partial<Driver> => ({
        ...coming((outcome, commit) => {
          if (commit.head.purged) lists.set(commit.id, commit.head);
          return outcome;
        })(driver),
        list: async (query) => {
          const page = await driver.list(query);
          return query.limit === 10
            ? {
                ...page,
                heads: [...page.heads, ...[...lists.values()].map((head) => ({ ...head, updatedAt: 0 }))],
              }
            : page;
        },
      });
    })(),
  ],
  ["purge-rebirth", "TMB-3", "keys of the earlier life are held", staying("keys", "ever")],
  ["purge-rebirth", "TMB-3", "marks of the earlier life turn up", staying("marks", "ever")],
  ["purge-rebirth", "TMB-3", "messages of the earlier life turn up", staying("messages", "ever")],
  [
    "purge-rebirth",
    "TMB-3",
    "nothing lands after a purge",
    meeting((commit, head) => (head?.purged === true ? { ...commit, base: -1 } : commit)),
  ],
  [
    "purge-stale-writer",
    "TMB-4",
    "a purged id may be created",
    meeting((commit, head) =>
      head?.purged === true && commit.base === 0 ? { ...commit, base: head.revision } : commit,
    ),
  ],
  [
    "purge-stale-writer",
    "TMB-4",
    "the last head before the purge will do",
    meeting((commit, head) =>
      head?.purged === true && commit.base === head.revision - 1
        ? { ...commit, base: head.revision }
        : commit,
    ),
  ],
  [
    "purge-stale-writer",
    "TMB-4",
    "any revision of an earlier life will do",
    meeting((commit, head) =>
      head !== undefined && head.life > commit.head.life ? { ...commit, base: head.revision } : commit,
    ),
  ],
  [
    "prune-frees",
    "TRM-1",
    "one message too many goes",
    (driver) => ({ prune: (id, below) => free(driver, id, below + 1) }),
  ],
  [
    "prune-frees",
    "TRM-1",
    "one message too few goes",
    (driver) => ({ prune: (id, below) => driver.prune(id, below - 1) }),
  ],
  ["prune-frees", "TRM-1", "nothing goes", () => ({ prune: async () => undefined })],
  [
    "prune-late",
    "TRM-5",
    "the seq decides and not the head",
    (driver) => ({ prune: (id, below) => free(driver, id, below) }),
  ],
  [
    "prune-frees",
    "TRM-1",
    "the head decides and not the seq",
    (driver) => ({ prune: async (id) => driver.prune(id, (await driver.heads([id]))[0]?.firstSeq ?? 1) }),
  ],
  [
    "prune-frees",
    "TRM-4",
    "marks stay",
    (() => {
      const all = new Map<string, Mark[]>();
      return (driver: Driver): Partial<Driver> => ({
        ...coming((outcome, { id, marks }) => {
          if (outcome.status === "committed") all.set(id, [...(all.get(id) ?? []), ...marks]);
          return outcome;
        })(driver),
        marks: async (id, after, limit) =>
          (all.get(id) ?? []).filter(({ version }) => version > after).slice(0, limit),
      });
    })(),
  ],
  [
    "prune-frees",
    "TRM-4",
    "the newest compaction goes too",
    (driver) => {
      return {
        marks: async (id, after, limit) => {
          const [first] = await driver.messages(id, 1, 1_000_000);
          return (await driver.marks(id, after, limit)).filter(
            ({ version }) => first === undefined || first.seq === 1 || version >= first.version,
          );
        },
      };
    },
  ],
  [
    "prune-frees",
    "TRM-2",
    "pruning again takes the next one",
    (driver) => {
      const done = new Set<string>();
      return {
        prune: async (id, below) => {
          await free(driver, id, done.has(`${id} ${below}`) ? below + 1 : below);
          done.add(`${id} ${below}`);
        },
      };
    },
  ],
  [
    "prune-frees",
    "KEY-3",
    "keys go with their messages",
    (driver) => ({
      keys: async (id, keys) => {
        const [first] = await driver.messages(id, 1, 1_000_000);
        return (await driver.keys(id, keys)).filter(
          (record) => first === undefined || record.lastSeq >= first.seq,
        );
      },
    }),
  ],
  [
    "prune-frees",
    "TRM-3",
    "pruning changes the head",
    (() => {
      const pruned = new Set<string>();
      return (driver: Driver): Partial<Driver> => ({
        prune: async (id, below) => {
          pruned.add(id);
          await driver.prune(id, below);
        },
        heads: async (ids) =>
          (await driver.heads(ids)).map((head) =>
            head !== undefined && pruned.has(head.id) ? { ...head, updatedAt: head.updatedAt + 1 } : head,
          ),
      });
    })(),
  ],
  [
    "list-pages",
    "LST-1",
    "the oldest come first within a page",
    (driver) => ({
      list: async (query) => {
        const page = await driver.list(query);
        return { ...page, heads: page.heads.toReversed() };
      },
    }),
  ],
  [
    "list-pages",
    "LST-2",
    "ties are skipped",
    (driver) => ({
      list: async ({ limit, labels, after }) => {
        const all = (await driver.list({ limit: 1000, labels })).heads;
        const rest = after === undefined ? all : all.filter(({ updatedAt }) => updatedAt < after.updatedAt);
        const heads = rest.slice(0, limit);
        const last = heads.at(-1);
        return last === undefined || heads.length === rest.length
          ? { heads }
          : { heads, next: { updatedAt: last.updatedAt, id: last.id } };
      },
    }),
  ],
  [
    "list-pages",
    "LST-2",
    "ties are repeated",
    (driver) => ({
      list: async ({ limit, labels, after }) => {
        const all = (await driver.list({ limit: 1000, labels })).heads;
        const rest =
          after === undefined
            ? all
            : all.filter(
                ({ updatedAt, id }) =>
                  updatedAt < after.updatedAt || (updatedAt === after.updatedAt && id >= after.id),
              );
        const heads = rest.slice(0, limit);
        const last = heads.at(-1);
        return last === undefined || heads.length === rest.length
          ? { heads }
          : { heads, next: { updatedAt: last.updatedAt, id: last.id } };
      },
    }),
  ],
  [
    "list-pages",
    "LST-5",
    "a page has one more",
    (driver) => ({ list: (query) => driver.list({ ...query, limit: query.limit + 1 }) }),
  ],
  [
    "list-pages",
    "LST-5",
    "there is no next page",
    (driver) => ({ list: async (query) => ({ heads: (await driver.list(query)).heads }) }),
  ],
  [
    "list-pages",
    "LST-5",
    "there is always a next page",
    (driver) => ({
      list: async (query) => ({
        next: query.after ?? { updatedAt: 0, id: "z" },
        ...(await driver.list(query)),
      }),
    }),
  ],
  [
    "list-pages",
    "LST-4",
    "a list shows heads without their state",
    (driver) => ({
      list: async (query) => {
        const page = await driver.list(query);
        return { ...page, heads: page.heads.map((head) => ({ ...head, state: "{}" })) };
      },
    }),
  ],
  ["list-while-changing", "LST-2", "pages are counted off", byOffset],
  [
    "list-labels",
    "LST-3",
    "any label will do",
    matching((held, wanted) => wanted.some((label) => held.includes(label))),
  ],
  [
    "list-labels",
    "LST-3",
    "a beginning will do",
    matching((held, wanted) => wanted.every((label) => held.some((other) => other.startsWith(label)))),
  ],
  [
    "list-labels",
    "LST-3",
    "case is folded",
    matching((held, wanted) =>
      wanted.every((label) => held.some((other) => other.toLowerCase() === label.toLowerCase())),
    ),
  ],
  [
    "list-labels",
    "LST-3",
    "spaces around are cut off",
    matching((held, wanted) => wanted.every((label) => held.some((other) => other.trim() === label.trim()))),
  ],
  [
    "list-labels",
    "LST-3",
    "part of the joined labels will do",
    matching((held, wanted) => wanted.every((label) => `,${held.join(",")},`.includes(`,${label},`))),
  ],
  [
    "list-labels",
    "LST-3",
    "wildcards are understood",
    matching((held, wanted) =>
      wanted.every((label) =>
        held.some((other) => (label === "us%" ? other.startsWith("us") : other === label)),
      ),
    ),
  ],
  ["ids-alike", "ISO-3", "case is folded", idAs((id) => id.toLowerCase())],
  ["ids-alike", "ISO-3", "normal forms are one", idAs((id) => id.normalize("NFC"))],
  ["ids-alike", "ISO-3", "compatible forms are one", idAs((id) => id.normalize("NFKC"))],
  ["ids-alike", "ISO-3", "spaces at the end are cut off", idAs((id) => id.replace(/ +$/, ""))],
  ["ids-alike", "ISO-3", "only 63 characters count", idAs((id) => id.slice(0, 63))],
  ["ids-alike", "ISO-3", "only 254 characters count", idAs((id) => id.slice(0, 254))],
  [
    "ids-alike",
    "ISO-3",
    "invisible letters are dropped",
    idAs((id) => id.replaceAll(/[\u200b\u00ad\u2060]/g, "")),
  ],
  ["ids-alike", "ISO-3", "paths are resolved", idAs((id) => id.replaceAll("//", "/"))],
  ["ids-alike", "ISO-3", "numbers are numbers", idAs((id) => (/^\d+$/.test(id) ? String(Number(id)) : id))],
  [
    "neighbours",
    "ISO-1",
    "id and seq make one text",
    (() => {
      const rows = new Map<string, StoredMessage>();
      return (driver: Driver): Partial<Driver> => ({
        ...going((commit) => {
          for (const message of commit.messages) rows.set(`${commit.id}${message.seq}`, message);
          return commit;
        })(driver),
        messages: async (id, from, to) =>
          (await driver.messages(id, from, to)).map((message) => rows.get(`${id}${message.seq}`) ?? message),
      });
    })(),
  ],
  [
    "neighbours",
    "ISO-1",
    "a prefix of the id will do",
    (driver) => ({
      marks: async (id, after, limit) => {
        const own = await driver.marks(id, after, limit);
        return [...own, ...(await driver.marks(`${id}1`, after, limit))];
      },
    }),
  ],
  [
    "databases-apart",
    "ISO-4",
    "all databases are one",
    (() => {
      const subject = subjectWith({});
      let one: Promise<{ url: string }> | undefined;
      return {
        ...subject,
        createDatabase: () => (one ??= subject.createDatabase().then(({ url }) => ({ url }))),
      };
    })(),
  ],
  [
    "any-sequence",
    "TRM-1",
    "one message too many goes",
    (driver) => ({ prune: (id, below) => free(driver, id, below + 1) }),
  ],
  [
    "any-sequence",
    "LST-2",
    "the second page starts one later",
    (driver) => ({
      list: async (query) => {
        const page = await driver.list(query);
        return query.after === undefined ? page : { ...page, heads: page.heads.slice(1) };
      },
    }),
  ],
];

caught(ROWS);

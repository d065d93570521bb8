import type { Commit, Driver, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

// The main entry has to load without vitest too.
const vitest = await import("vitest").catch(() => undefined);

export interface DriverUnderTest {
  readonly name: string;
  /** Opens an empty database of its own. */
  readonly open: () => Promise<Driver>;
}

/** Holds a driver to the promises of the driver interface, one example each, inside vitest. */
export function describeDriver({ name, open }: DriverUnderTest): void {
  if (vitest === undefined) throw new Error("vitest is not installed");
  const { describe, expect, test } = vitest;
  const using = async (body: (driver: Driver) => Promise<void>): Promise<void> => {
    const driver = await open();
    try {
      await body(driver);
    } finally {
      await driver.close();
    }
  };

  describe(`driver ${name}: commits`, () => {
    test("a conversation that never existed has no head", () =>
      using(async (driver) => {
        await driver.commit([creation("other")]);
        expect(await driver.heads(["a", "other", "b"])).toEqual([undefined, head("other", 1), undefined]);
      }));

    test("a commit on the stored revision is applied, all of it", () =>
      using(async (driver) => {
        await driver.commit([creation("a")]);
        const next = append("a", 1, [1, 2], { keys: [key("k", 1)], marks: [mark(3)] });
        expect(await driver.commit([next])).toEqual([{ status: "committed" }]);
        expect(await driver.heads(["a"])).toEqual([next.head]);
        expect(await driver.messages("a", 1, 10)).toEqual(next.messages);
        expect(await driver.marks("a", 0, 10)).toEqual(next.marks);
        expect(await driver.keys("a", ["k", "x"])).toEqual(next.keys);
      }));

    test("a commit on another revision changes nothing and shows the head that won", () =>
      using(async (driver) => {
        await driver.commit([creation("a")]);
        const winner = append("a", 1, [1]);
        await driver.commit([winner]);
        const loser = append("a", 1, [1, 2], { keys: [key("k", 1)], marks: [mark(9)] });
        const [outcome] = await driver.commit([loser]);
        expect(outcome?.status).toBe("conflict");
        if (outcome?.status === "conflict" && outcome.head !== undefined)
          expect(outcome.head).toEqual(winner.head);
        expect(await driver.messages("a", 1, 10)).toEqual(winner.messages);
        expect(await driver.marks("a", 0, 10)).toEqual([]);
        expect(await driver.keys("a", ["k"])).toEqual([]);
      }));

    test("a creation of what exists, and a change of what does not, conflict", () =>
      using(async (driver) => {
        await driver.commit([creation("a")]);
        const outcomes = await driver.commit([creation("a"), append("b", 3, [1])]);
        expect(outcomes.map(({ status }) => status)).toEqual(["conflict", "conflict"]);
        expect(await driver.heads(["b"])).toEqual([undefined]);
      }));

    test("commits of one call are independent of each other", () =>
      using(async (driver) => {
        await driver.commit([creation("a"), creation("b"), creation("c")]);
        await driver.commit([append("b", 1, [1], { keys: [key("k", 1)] })]);
        const outcomes = await driver.commit([
          append("a", 1, [1]),
          append("b", 2, [2], { keys: [key("k", 2)] }),
          append("c", 7, [1]),
          creation("d"),
        ]);
        expect(outcomes.map(({ status }) => status)).toEqual([
          "committed",
          "duplicate",
          "conflict",
          "committed",
        ]);
      }));

    test("a held key is reported with its record, and nothing is applied", () =>
      using(async (driver) => {
        await driver.commit([creation("a")]);
        const first = append("a", 1, [1], { keys: [key("k", 1)] });
        await driver.commit([first]);
        const again = append("a", 2, [2], { keys: [key("new", 2), key("k", 2)] });
        expect(await driver.commit([again])).toEqual([{ status: "duplicate", held: first.keys }]);
        expect(await driver.heads(["a"])).toEqual([first.head]);
        expect(await driver.keys("a", ["new"])).toEqual([]);
      }));

    test("keys belong to one conversation", () =>
      using(async (driver) => {
        await driver.commit([creation("a"), creation("b")]);
        await driver.commit([append("a", 1, [1], { keys: [key("k", 1)] })]);
        const outcomes = await driver.commit([append("b", 1, [1], { keys: [key("k", 1)] })]);
        expect(outcomes).toEqual([{ status: "committed" }]);
      }));

    test("a purge erases everything but the head, and the next life starts over", () =>
      using(async (driver) => {
        await driver.commit([creation("a")]);
        await driver.commit([append("a", 1, [1, 2], { keys: [key("k", 1)], marks: [mark(3)] })]);
        const purge: Commit = { ...creation("a"), base: 2, head: { ...head("a", 3), purged: true } };
        expect(await driver.commit([purge])).toEqual([{ status: "committed" }]);
        expect(await driver.heads(["a"])).toEqual([purge.head]);
        expect(await driver.messages("a", 1, 10)).toEqual([]);
        expect(await driver.marks("a", 0, 10)).toEqual([]);
        expect(await driver.keys("a", ["k"])).toEqual([]);
        expect((await driver.list({ limit: 10, labels: [] })).heads).toEqual([]);
        const reborn = append("a", 3, [1], { keys: [key("k", 1)], life: 2 });
        expect(await driver.commit([reborn])).toEqual([{ status: "committed" }]);
        expect(await driver.messages("a", 1, 10)).toEqual(reborn.messages);
      }));
  });

  describe(`driver ${name}: reads`, () => {
    test("ranges of messages and marks include what they name, in order", () =>
      using(async (driver) => {
        await driver.commit([creation("a")]);
        const { messages, marks, ...rest } = append("a", 1, [1, 2, 3, 4], {
          marks: [mark(5), mark(6), mark(7)],
        });
        await driver.commit([{ ...rest, messages, marks }]);
        expect(await driver.messages("a", 2, 3)).toEqual(messages.slice(1, 3));
        expect(await driver.messages("a", 4, 100)).toEqual(messages.slice(3));
        expect(await driver.messages("a", 5, 100)).toEqual([]);
        expect(await driver.marks("a", 5, 10)).toEqual(marks.slice(1));
        expect(await driver.marks("a", 4, 2)).toEqual(marks.slice(0, 2));
      }));

    test("text comes back as it was", () =>
      using(async (driver) => {
        const body = JSON.stringify({
          role: "a",
          parts: [],
          "\u0000": "\ud800 😀 é",
          ["__proto__"]: { "a.b": "$c" },
        });
        const metadata = JSON.stringify({ "": "\u2028\ufeff" });
        const commit = append("ünï 😀/?#%", 0, [1], { body });
        await driver.commit([{ ...commit, head: { ...commit.head, metadata, state: body } }]);
        expect((await driver.messages(commit.id, 1, 1))[0]?.body).toBe(body);
        const [stored] = await driver.heads([commit.id]);
        expect([stored?.metadata, stored?.state]).toEqual([metadata, body]);
      }));

    test("ids are compared byte by byte", () =>
      using(async (driver) => {
        const ids = ["a", "A", "a ", "é", "e\u0301", "a\u200b"];
        await driver.commit(ids.map((id) => creation(id)));
        expect((await driver.heads(ids)).map((found) => found?.id)).toEqual(ids);
      }));

    test("pruned messages are gone, later ones stay, and again is no different", () =>
      using(async (driver) => {
        await driver.commit([creation("a")]);
        const commit = append("a", 1, [1, 2, 3], { keys: [key("k", 1)] });
        await driver.commit([commit]);
        await driver.prune("a", 3);
        await driver.prune("a", 3);
        await driver.prune("a", 2);
        expect(await driver.messages("a", 1, 10)).toEqual(commit.messages.slice(2));
        expect(await driver.keys("a", ["k"])).toEqual(commit.keys);
        expect(await driver.heads(["a"])).toEqual([commit.head]);
      }));
  });

  describe(`driver ${name}: listing`, () => {
    test("most recently changed first, each unchanged conversation once, over pages", () =>
      using(async (driver) => {
        const ids = Array.from({ length: 25 }, (_, index) => `c${index}`);
        // Many changes in the same millisecond: ties must neither hide nor repeat anything.
        await driver.commit(ids.map((id, index) => creation(id, { updatedAt: Math.floor(index / 6) })));
        const seen: Head[] = [];
        for (let after: Parameters<Driver["list"]>[0]["after"]; ;) {
          const page = await driver.list({ limit: 4, labels: [], after });
          seen.push(...page.heads);
          if (page.next === undefined) break;
          after = page.next;
          // Somebody else's change moves to the front and shifts positions.
          await driver.commit([creation(`late${seen.length}`, { updatedAt: 100 })]);
        }
        expect(new Set(seen.map(({ id }) => id))).toEqual(new Set(ids));
        expect(seen).toHaveLength(ids.length);
        expect(seen.map(({ updatedAt }) => updatedAt)).toEqual(
          seen.map(({ updatedAt }) => updatedAt).sort((a, b) => b - a),
        );
      }));

    test("only heads with every label that is asked for", () =>
      using(async (driver) => {
        await driver.commit([
          creation("both", { labels: ["a=1", "b=2"] }),
          creation("one", { labels: ["a=1"] }),
          creation("like", { labels: ["a=12", "b=2"] }),
        ]);
        const found = await driver.list({ limit: 10, labels: ["b=2", "a=1"] });
        expect(found.heads.map(({ id }) => id)).toEqual(["both"]);
      }));
  });

  describe(`driver ${name}: closing`, () => {
    test("close is idempotent, and calls made afterwards reject", async () => {
      const driver = await open();
      await driver.close();
      await driver.close();
      await expect(driver.heads(["a"])).rejects.toThrow();
      await expect(driver.commit([creation("a")])).rejects.toThrow();
    });
  });
}

function head(id: string, revision: number, changes: Partial<Head> = {}): Head {
  return {
    id,
    revision,
    life: 1,
    version: 0,
    lastSeq: 0,
    firstSeq: 1,
    archivedSeq: 0,
    tombstoned: false,
    purged: false,
    metadata: "{}",
    labels: [],
    createdAt: 1,
    updatedAt: revision,
    state: `{"revision":${revision}}`,
    ...changes,
  };
}

function creation(id: string, changes: Partial<Head> = {}): Commit {
  return { id, base: 0, head: head(id, 1, changes), messages: [], marks: [], keys: [] };
}

function append(
  id: string,
  base: number,
  seqs: readonly number[],
  extra: { keys?: KeyRecord[]; marks?: Mark[]; body?: string; life?: number } = {},
): Commit {
  const { keys = [], marks = [], body = '{"role":"user","parts":[]}', life = 1 } = extra;
  const messages = seqs.map((seq): StoredMessage => ({
    seq,
    version: seq,
    tokens: seq,
    insertedAt: seq,
    body,
  }));
  const lastSeq = seqs.at(-1) ?? 0;
  return {
    id,
    base,
    head: head(id, base + 1, { lastSeq, version: lastSeq + marks.length, life }),
    messages,
    marks,
    keys,
  };
}

function mark(version: number): Mark {
  return { version, kind: "reset", at: version, body: "{}" };
}

function key(name: string, seq: number): KeyRecord {
  return { key: name, hash: "h".repeat(43), firstSeq: seq, lastSeq: seq, version: seq, tokens: seq };
}

import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { DriverUnavailableError, type Driver, type Mark } from "@fastpaca/core";
import { extended, heldIn, packed, TAIL_BYTES, unpacked } from "../src/tail.js";
import { append, creation, head, purge } from "./commits.js";
import { inFolder } from "./folder.js";

const LARGE = JSON.stringify("x".repeat(TAIL_BYTES));

/** What is where in the file. */
interface Place {
  /** Seqs of messages in the tail of the head. */
  readonly tail: readonly number[];
  readonly tailKeys: readonly string[];
  /** Seqs of messages in the table, in the order in which they were moved there. */
  readonly table: readonly number[];
  readonly tableKeys: readonly string[];
}

function look(path: string, id: string): Place {
  const database = new DatabaseSync(`${path}/fastpaca.db`, { readOnly: true });
  const head = database.prepare("SELECT n, epoch, tail FROM heads WHERE id = ?").get(id);
  if (head === undefined) throw new Error("it should exist");
  const of = (sql: string): unknown[] =>
    database
      .prepare(sql)
      .all(Number(head["n"]), Number(head["epoch"]))
      .map(({ value }) => value);
  const { messages, keys } = unpacked(String(head["tail"]));
  const place = {
    tail: messages.map(({ seq }) => seq),
    tailKeys: keys.map(({ key }) => key),
    table: of("SELECT seq AS value FROM messages WHERE n = ? AND epoch = ? ORDER BY row").map(Number),
    tableKeys: of("SELECT key AS value FROM keys WHERE n = ? AND epoch = ?").map(String),
  };
  database.close();
  return place;
}

/** Appends messages one by one, each with a key, until so many are there. */
async function grow(driver: Driver, count: number, body?: string): Promise<void> {
  const [head] = await driver.heads(["a"]);
  if (head === undefined) await driver.commit([creation("a")]);
  const last = head?.lastSeq ?? 0;
  const ahead = (head?.revision ?? 1) - last;
  for (let seq = last + 1; seq <= count; seq += 1) {
    const commit = append("a", seq - 1 + ahead, seq, seq, { keys: [`k${seq}`], ...(body && { body }) });
    expect(await driver.commit([commit])).toEqual([{ status: "committed" }]);
  }
}

const upTo = (last: number, from = 1): number[] =>
  Array.from({ length: last - from + 1 }, (_, index) => from + index);

async function seqs(driver: Driver, from: number, to: number): Promise<number[]> {
  return (await driver.messages("a", from, to)).map(({ seq }) => seq);
}

describe("a tail as text", () => {
  test("comes back as it was, whatever it holds", () => {
    const text = "\ufeff\0\u2028é😀\\\"',[]{}";
    const message = { seq: 2 ** 53 - 1, version: 1, tokens: 0, insertedAt: 2 ** 53 - 1, body: text };
    const key = { key: text, hash: "h", firstSeq: 1, lastSeq: 2 ** 53 - 1, version: 3, tokens: 4 };
    const tail = { messages: [message, { ...message, body: "" }], keys: [key, { ...key, key: "1" }] };
    expect(unpacked(packed(tail))).toEqual(tail);
    expect(unpacked("")).toEqual({ messages: [], keys: [] });
    const one = extended("", [message], [key]);
    expect(unpacked(extended(one ?? "", [message], []) ?? "")).toEqual({
      messages: [message, message],
      keys: [key],
    });
  });

  test("holds a key only where it is one", () => {
    const [key] = append("a", 1, 1, 1, { keys: ["k"] }).keys;
    if (key === undefined) throw new Error("it should be there");
    const { messages } = append("a", 1, 1, 1, { body: '"k"' });
    const tail = packed({ messages, keys: [{ ...key, key: "other", hash: "k" }] });
    expect(heldIn(tail, ["k", "kk", "o"])).toEqual([]);
    expect(heldIn(extended(tail, [], [key]) ?? "", ["kk", "k"])).toEqual([key]);
  });

  test("takes as many bytes of UTF-8 as it may, and not one more", () => {
    const sized = (body: string): string | undefined =>
      extended("", append("a", 1, 1, 1, { body }).messages, []);
    const rest = TAIL_BYTES - (sized("")?.length ?? 0);
    expect(sized("x".repeat(rest))).toHaveLength(TAIL_BYTES);
    expect(sized("x".repeat(rest + 1))).toBeUndefined();
    expect(sized("é".repeat(rest / 2))).toBeDefined();
    expect(sized("é".repeat(rest / 2 + 1))).toBeUndefined();
    expect(sized("x".repeat(TAIL_BYTES + 1))).toBeUndefined();
  });

  test.each(["1,2", "[1]", '1,1,1,1,"a"],[1', "1,1,1,1,2"])("is refused when it is %s", (tail) => {
    expect(() => unpacked(tail)).toThrow();
  });
});

describe("what is in the tail", () => {
  test("moves to the tables, all of it, with the commit that would make it too long", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await grow(driver, 1);
      for (let count = 1; look(path, "a").table.length === 0; count += 1) {
        expect(look(path, "a")).toMatchObject({ tail: upTo(count), table: [], tableKeys: [] });
        await grow(driver, count + 1);
      }
      const moved = look(path, "a").table.length;
      expect(moved).toBeGreaterThan(3);
      expect(look(path, "a")).toMatchObject({ tail: [], tailKeys: [], table: upTo(moved) });
      expect(look(path, "a").tableKeys).toHaveLength(moved);
      await grow(driver, moved + 1);
      expect(look(path, "a")).toMatchObject({ tail: [moved + 1], tailKeys: [`k${moved + 1}`] });
    }));

  test("reads back with what is in the tables, in every range", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      for (let count = 0; count <= 30; count += 1) {
        await grow(driver, count);
        expect(await seqs(driver, 1, 99)).toEqual(upTo(count));
      }
      for (let from = 1; from <= 31; from += 1) {
        for (let to = from - 1; to <= 31; to += 1) {
          expect(await seqs(driver, from, to)).toEqual(upTo(Math.min(to, 30), from));
        }
      }
      const names = upTo(31).map((seq) => `k${seq}`);
      const held = await driver.keys("a", [...names, ...names]);
      expect(held.map(({ firstSeq }) => firstSeq).toSorted((a, b) => a - b)).toEqual(upTo(30));
      for (const [index, name] of names.slice(0, -1).entries()) {
        const record = { key: name, firstSeq: index + 1, lastSeq: index + 1 };
        const outcomes = await driver.commit([append("a", 31, 31, 31, { keys: [name, "new"] })]);
        expect(outcomes).toMatchObject([{ status: "duplicate", held: [record] }]);
      }
    }));

  test("makes way for a large message, which goes to the table behind it", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await grow(driver, 2);
      await driver.commit([append("a", 3, 3, 4, { body: LARGE, keys: ["large"] })]);
      expect(look(path, "a")).toMatchObject({ tail: [], tailKeys: [], table: [1, 2, 3, 4] });
      expect(await seqs(driver, 1, 9)).toEqual([1, 2, 3, 4]);
      expect((await driver.messages("a", 4, 4))[0]?.body).toBe(LARGE);
      expect(await driver.keys("a", ["k1", "k2", "large"])).toHaveLength(3);
      await driver.commit([append("b", 0, 1, 1, { body: LARGE, keys: ["k"] })]);
      expect(look(path, "b")).toEqual({ tail: [], tailKeys: [], table: [1], tableKeys: ["k"] });
    }));

  test("stays where a commit has nothing to add", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await grow(driver, 2);
      const mark: Mark = { version: 3, kind: "reset", at: 1, body: "{}" };
      await driver.commit([append("a", 3, 3, 2, { marks: [mark] })]);
      expect(look(path, "a")).toMatchObject({ tail: [1, 2], tailKeys: ["k1", "k2"] });
      expect(await driver.marks("a", 0, 9)).toEqual([mark]);
    }));

  test("is not there twice: messages that do not follow are refused, with their batch", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      await grow(driver, 2);
      const again = driver.commit([creation("b"), append("a", 3, 2, 3)]);
      await expect(again).rejects.toBeInstanceOf(DriverUnavailableError);
      await expect(again).rejects.toThrow("message 2 does not follow message 2");
      expect(await seqs(driver, 1, 9)).toEqual([1, 2]);
      expect(await driver.heads(["b"])).toEqual([undefined]);
    }));

  test("outlives the process", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await grow(driver, 3);
      await driver.close();
      expect(look(path, "a")).toMatchObject({ tail: [1, 2, 3], table: [] });
      const next = await open();
      expect(await seqs(next, 1, 9)).toEqual([1, 2, 3]);
      expect(await next.keys("a", ["k3"])).toHaveLength(1);
    }));
});

describe("pruning", () => {
  test("frees what is in the tables and what is in the tail, but no key", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await grow(driver, 2);
      await driver.commit([append("a", 3, 3, 3, { body: LARGE })]);
      await grow(driver, 6);
      await driver.commit([{ ...append("a", 7, 7, 6), head: head("a", 8, { lastSeq: 6, firstSeq: 7 }) }]);
      expect(look(path, "a")).toMatchObject({ table: [1, 2, 3], tail: [4, 5, 6] });
      const revision = (await driver.heads(["a"]))[0]?.revision;
      for (const below of [1, 3, 4, 5, 5, 2, 6]) {
        await driver.prune("a", below);
        const kept = upTo(6).filter((seq) => seq >= Math.max(below, below === 2 ? 5 : 1));
        expect(await seqs(driver, 1, 9)).toEqual(kept);
      }
      await driver.prune("a", 7);
      expect(look(path, "a")).toMatchObject({ table: [], tail: [], tailKeys: ["k4", "k5", "k6"] });
      expect(await driver.keys("a", ["k1", "k4", "k6"])).toHaveLength(3);
      expect((await driver.heads(["a"]))[0]?.revision).toBe(revision);
      const outcomes = await driver.commit([append("a", 8, 7, 7, { keys: ["k4"] })]);
      expect(outcomes).toMatchObject([{ status: "duplicate", held: [{ firstSeq: 4 }] }]);
      await grow(driver, 30);
      expect(await seqs(driver, 1, 99)).toEqual(upTo(30, 7));
    }));

  test("goes by the oldest message in the tail for the marks, where the tables have none", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      const mark = (version: number): Mark => ({ version, kind: "config", at: 1, body: "{}" });
      await driver.commit([creation("a")]);
      for (const seq of [1, 2, 3]) {
        const version = seq * 2;
        const commit = append("a", seq, seq, seq, { marks: [mark(version)], head: { version, firstSeq: 4 } });
        await driver.commit([
          { ...commit, messages: commit.messages.map((message) => ({ ...message, version: version - 1 })) },
        ]);
      }
      expect(look(path, "a")).toMatchObject({ table: [], tail: [1, 2, 3] });
      const versions = async (): Promise<number[]> =>
        (await driver.marks("a", 0, 9)).map(({ version }) => version);
      await driver.prune("a", 2);
      expect(await versions()).toEqual([2, 4, 6].filter((version) => version > 3));
      await driver.prune("a", 4);
      expect(await versions()).toEqual([]);
    }));

  test("takes from the tables first: a message there is the oldest for the marks", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await driver.commit([creation("a")]);
      const mark: Mark = { version: 3, kind: "config", at: 1, body: "{}" };
      await driver.commit([append("a", 1, 1, 2, { body: LARGE, marks: [mark] })]);
      const next = append("a", 2, 3, 3, { head: { version: 4, firstSeq: 3 } });
      await driver.commit([
        { ...next, messages: next.messages.map((message) => ({ ...message, version: 4 })) },
      ]);
      expect(look(path, "a")).toMatchObject({ table: [1, 2], tail: [3] });
      await driver.prune("a", 2);
      expect(await driver.marks("a", 0, 9)).toEqual([mark]);
      await driver.prune("a", 3);
      expect(await driver.marks("a", 0, 9)).toEqual([]);
    }));
});

describe("a purge", () => {
  test("leaves no tail, and the next life begins with one of its own", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await grow(driver, 3);
      await driver.commit([purge("a", 4)]);
      expect(look(path, "a")).toEqual({ tail: [], tailKeys: [], table: [], tableKeys: [] });
      expect(await driver.messages("a", 1, 9)).toEqual([]);
      expect(await driver.keys("a", ["k1", "k2", "k3"])).toEqual([]);
      const reborn = append("a", 5, 1, 2, { body: '"new"', keys: ["k1"], head: { life: 2 } });
      expect(await driver.commit([reborn])).toEqual([{ status: "committed" }]);
      expect(await driver.messages("a", 1, 9)).toEqual(reborn.messages);
      expect(await driver.keys("a", ["k1", "k2"])).toEqual(reborn.keys);
      expect(look(path, "a")).toMatchObject({ tail: [1, 2], tailKeys: ["k1"] });
    }));
});

describe("two that have the file open", () => {
  test("add to one tail, move it, and both see all of it", () =>
    inFolder(async ({ path, open }) => {
      const [one, other] = await Promise.all([open(), open()]);
      for (let count = 1; count <= 40; count += 1) {
        await grow(count % 2 === 0 ? one : other, count);
        for (const driver of [one, other]) {
          expect(await seqs(driver, 1, 99)).toEqual(upTo(count));
          expect(await driver.keys("a", ["k1", `k${count}`])).toHaveLength(Math.min(count, 2));
        }
      }
      const { table, tail } = look(path, "a");
      expect([...table, ...tail]).toEqual(upTo(40));
      expect(table.length).toBeGreaterThan(0);
    }));

  test("never see a message twice, or miss one, while it moves", () =>
    inFolder(async ({ open, appending }) => {
      const driver = await open();
      const process = appending("a", "w", 400);
      await process.acknowledged(1);
      let done = false;
      void process.finished.then(() => (done = true));
      while (!done) {
        const last = (await driver.heads(["a"]))[0]?.lastSeq ?? 0;
        const found = await seqs(driver, 1, 999);
        expect(found).toEqual(upTo(found.length));
        expect(found.length).toBeGreaterThanOrEqual(last);
        const names = upTo(last).map((seq) => `w-${seq - 1}`);
        expect(await driver.keys("a", names)).toHaveLength(last);
      }
      expect(await seqs(driver, 1, 999)).toHaveLength(400);
    }));
});

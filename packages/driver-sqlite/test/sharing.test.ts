import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { DriverUnavailableError, type Driver } from "@fastpaca/core";
import { append, creation } from "./commits.js";
import { inFolder } from "./folder.js";

describe("several at once", () => {
  test("of all who commit on a revision one wins, in one process and in several, and no update is lost", () =>
    inFolder(async ({ open, appending }) => {
      const EACH = 40;
      const drivers = await Promise.all([open(), open(), open()]);
      const first = drivers[0];
      await first?.commit([creation("a")]);
      const processes = [appending("a", "p", EACH), appending("a", "q", EACH)];
      const won = await Promise.all(drivers.map((driver, index) => appendTo(driver, `d${index}`, EACH)));
      const others = await Promise.all(processes.map(({ finished }) => finished));
      const revisions = [...won, ...others].flat().sort((a, b) => a - b);
      const total = EACH * 5;
      expect(revisions).toEqual(Array.from({ length: total }, (_, index) => index + 2));
      const messages = await first?.messages("a", 1, total + 10);
      expect(messages?.map(({ seq }) => seq)).toEqual(revisions.map((revision) => revision - 1));
      for (const writer of ["d0", "d1", "d2", "p", "q"]) {
        expect(messages?.filter(({ body }) => body === JSON.stringify(writer))).toHaveLength(EACH);
        const keys = Array.from({ length: EACH }, (_, index) => `${writer}-${index}`);
        expect(await first?.keys("a", keys)).toHaveLength(EACH);
      }
    }));

  test("what one was acknowledged, the others see, at once", () =>
    inFolder(async ({ open }) => {
      const [one, other] = await Promise.all([open(), open()]);
      const ids = Array.from({ length: 100 }, (_, index) => `c${index}`);
      await one.commit(ids.map((id) => creation(id)));
      for (let base = 1; base < 100; base += 1) {
        await one.commit([append("c0", base, base, base)]);
        for (const driver of [one, other]) {
          expect((await driver.heads(["c0"]))[0]?.revision).toBe(base + 1);
          // So many are read by the worker.
          expect((await driver.heads(ids))[0]?.revision).toBe(base + 1);
          expect(await driver.messages("c0", base, base)).toHaveLength(1);
        }
      }
    }));
});

describe("while another connection holds the lock for writing", () => {
  test("commits wait in their order, reads do not, and the thread of the caller goes on", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await driver.commit([creation("a")]);
      const other = new DatabaseSync(`${path}/fastpaca.db`);
      other.exec("BEGIN IMMEDIATE");
      const settled: string[] = [];
      const commits = [append("a", 1, 1, 1), append("a", 2, 2, 2), append("a", 3, 3, 3)].map(
        async (commit) => {
          const outcomes = await driver.commit([commit]);
          settled.push("commit");
          return outcomes;
        },
      );
      for (let reads = 0; reads < 20; reads += 1) {
        expect((await driver.heads(["a"]))[0]?.revision).toBe(1);
        expect(await driver.messages("a", 1, 1)).toEqual([]);
        expect((await driver.list({ limit: 1, labels: [] })).heads).toHaveLength(1);
      }
      expect(settled).toEqual([]);
      other.exec("ROLLBACK");
      other.close();
      expect(await Promise.all(commits)).toEqual(commits.map(() => [{ status: "committed" }]));
    }));

  test("a commit is refused when that takes too long, and certainly not applied later", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await driver.commit([creation("a")]);
      const other = new DatabaseSync(`${path}/fastpaca.db`);
      other.exec("BEGIN IMMEDIATE");
      const error: unknown = await driver.commit([append("a", 1, 1, 1)]).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(DriverUnavailableError);
      expect((error as Error).message).toContain("is locked by another connection");
      other.exec("ROLLBACK");
      other.close();
      expect(await driver.commit([append("a", 1, 1, 2)])).toEqual([{ status: "committed" }]);
      expect(await driver.messages("a", 1, 10)).toHaveLength(2);
    }));

  test("a file that is new to this process is opened, and read", () =>
    inFolder(async ({ path, open }) => {
      await (await open()).commit([creation("a")]);
      const other = new DatabaseSync(`${path}/fastpaca.db`);
      other.exec("BEGIN IMMEDIATE");
      const late = await open();
      expect((await late.heads(["a"]))[0]?.revision).toBe(1);
      other.exec("ROLLBACK");
      other.close();
    }));
});

/** @returns the revisions that it was acknowledged */
async function appendTo(driver: Driver, writer: string, count: number): Promise<number[]> {
  const won: number[] = [];
  while (won.length < count) {
    const [head] = await driver.heads(["a"]);
    if (head === undefined) throw new Error("it should exist");
    const extras = { body: JSON.stringify(writer), keys: [`${writer}-${won.length}`] };
    const commit = append("a", head.revision, head.lastSeq + 1, head.lastSeq + 1, extras);
    const [outcome] = await driver.commit([commit]);
    if (outcome?.status === "committed") won.push(commit.head.revision);
    else expect(outcome?.status).toBe("conflict");
  }
  return won;
}

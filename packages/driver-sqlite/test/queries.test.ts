import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { QUERIES } from "../src/reads.js";
import { openFile } from "../src/open-file.js";
import { append, creation } from "./commits.js";
import { inFolder } from "./folder.js";

describe("how SQLite plans what is asked", () => {
  test.each(Object.entries(QUERIES))("%s reads by index, in order", (_, sql) =>
    inFolder(async ({ path }) => {
      const database = openFile(`${path}/a.db`);
      const plan = planOf(database, sql);
      database.close();
      expect(plan).not.toMatch(/SCAN (?!\(subquery|(other|wanted) VIRTUAL)|TEMP B-TREE|AUTOMATIC/);
    }),
  );

  test("both listings go straight to where they go on", () =>
    inFolder(async ({ path }) => {
      const database = openFile(`${path}/a.db`);
      expect(planOf(database, QUERIES.earlier)).toContain("USING INDEX heads_by_second (updated_second<?)");
      expect(planOf(database, QUERIES.sameSecond)).toContain(
        "USING INDEX heads_by_second (updated_second=? AND rowid<?)",
      );
      expect(planOf(database, QUERIES.labelled)).toContain(
        "SEARCH l USING PRIMARY KEY (label=? AND (updated_at,n)<(?,?))",
      );
      database.close();
    }));
});

describe("listing", () => {
  test("of many that carry one of the labels and few that carry both finds the few", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      const creations = Array.from({ length: 6000 }, (_, index) => {
        const labels = index < 3000 ? ["a=1"] : ["b=2"];
        const both = index % 1000 === 999;
        return creation(`c${index}`, {
          labels: both ? ["a=1", "b=2"] : labels,
          updatedAt: Math.floor(index / 7),
        });
      });
      for (let done = 0; done < creations.length; done += 1000) {
        await driver.commit(creations.slice(done, done + 1000));
      }
      const found: string[] = [];
      for (let after: { updatedAt: number; id: string } | undefined, more = true; more;) {
        const page = await driver.list({ limit: 2, labels: ["a=1", "b=2"], after });
        found.push(...page.heads.map(({ id }) => id));
        after = page.next;
        more = after !== undefined;
      }
      expect(found).toEqual([5999, 4999, 3999, 2999, 1999, 999].map((index) => `c${index}`));
    }));

  test("follows labels and times as they change", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      const list = async (...labels: string[]): Promise<string[]> =>
        (await driver.list({ limit: 10, labels })).heads.map(({ id }) => id);
      await driver.commit([creation("a", { labels: ["x=1", ""] }), creation("b", { labels: ["x=1"] })]);
      await driver.commit([append("a", 1, 1, 1, { head: { labels: ["x=1", ""], updatedAt: 5 } })]);
      expect(await list("x=1")).toEqual(["a", "b"]);
      expect(await list("")).toEqual(["a"]);
      // The time stays, the labels change.
      await driver.commit([append("a", 2, 2, 2, { head: { labels: ["y=1"], updatedAt: 5 } })]);
      expect([await list("x=1"), await list("y=1"), await list("")]).toEqual([["b"], ["a"], []]);
      await driver.commit([append("b", 1, 1, 1, { head: { purged: true, labels: [] } })]);
      expect(await list("x=1")).toEqual([]);
      const database = new DatabaseSync(`${path}/fastpaca.db`, { readOnly: true });
      expect(database.prepare("SELECT label FROM labels").all()).toEqual([{ label: "y=1" }]);
      database.close();
    }));
});

describe("values", () => {
  test("numbers up to 2^53 - 1 and any text come back as they were", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      const most = Number.MAX_SAFE_INTEGER;
      const id = `😀 é e\u0301 ' " % _ \u2028 \ufeff`;
      const numbers = {
        revision: most,
        version: most,
        lastSeq: most,
        firstSeq: most - 1,
        archivedSeq: most - 1,
        life: most,
        createdAt: most,
        updatedAt: most,
      };
      const commit = append(id, 0, 1, 1, {
        head: { ...numbers, metadata: "\ufeff{}", labels: ["a'b\"c d=%"] },
      });
      const message = {
        seq: most,
        version: most,
        tokens: most,
        insertedAt: most,
        body: "\ufeff\0a\0😀\\ud800",
      };
      const key = {
        key: "'\ud83d\ude00%",
        hash: "h",
        firstSeq: most,
        lastSeq: most,
        version: most,
        tokens: most,
      };
      const mark = { version: most, kind: "reset" as const, at: most, body: "\0" };
      await driver.commit([{ ...commit, messages: [message], keys: [key], marks: [mark] }]);
      expect(await driver.heads([id])).toEqual([commit.head]);
      // So many are read by the worker.
      expect((await driver.heads([id, ...Array.from({ length: 99 }, (_, index) => `x${index}`)]))[0]).toEqual(
        commit.head,
      );
      expect(await driver.messages(id, 1, most)).toEqual([message]);
      expect(await driver.keys(id, [key.key, key.key])).toEqual([key]);
      expect(await driver.marks(id, 0, 10)).toEqual([mark]);
      expect((await driver.list({ limit: 1, labels: commit.head.labels })).heads).toEqual([commit.head]);
    }));

  test("a commit and a batch as large as the limits say", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      const { maxBatch, maxCommitBytes } = driver.limits;
      const ids = Array.from({ length: maxBatch }, (_, index) => `c${index}`);
      const body = "é".repeat(maxCommitBytes / 2);
      const batch = ids.map((id) => append(id, 0, 1, 1, { keys: ["k"] }));
      expect(await driver.commit(batch)).toEqual(ids.map(() => ({ status: "committed" })));
      expect(await driver.heads(ids)).toEqual(batch.map(({ head }) => head));
      expect(await driver.commit([append("c0", 1, 2, 2, { body })])).toEqual([{ status: "committed" }]);
      expect((await driver.messages("c0", 2, 2))[0]?.body).toBe(body);
    }));
});

function planOf(database: DatabaseSync, sql: string): string {
  const rows = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
  return rows.map(({ detail }) => detail).join("\n");
}

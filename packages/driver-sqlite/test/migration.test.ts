import { DatabaseSync, type StatementSync } from "node:sqlite";
import { expect, test } from "vitest";
import { APPLICATION, migrate, STEPS } from "../src/schema.js";
import { append, creation, purge } from "./commits.js";
import { inFolder } from "./folder.js";

/** A file as the first release left it: two conversations of three messages, and one that was purged. */
function versionOne(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(STEPS[0] ?? "");
  database.exec(`PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = 1`);
  for (const [n, id, purged, updatedAt] of [
    [1, "a", 0, 1_700_000_000_900],
    [2, "b", 0, 1_700_000_000_100],
    [3, "gone", 1, 1_700_000_001_000],
  ] as const) {
    database.exec(
      `INSERT INTO heads VALUES (${n}, '${id}', 2, ${purged * 2}, 1, 4, 3, 1, 0, 0, ${purged}, 5, ${updatedAt},
      ${purged === 1 ? "''" : "'x=1' || char(10)"}, '{"m":1}', '{"s":1}')`,
    );
    if (purged === 1) continue;
    database.exec(`INSERT INTO labels VALUES ('x=1', ${updatedAt}, ${n})`);
    for (const seq of [1, 2, 3]) {
      database.exec(`INSERT INTO messages VALUES (NULL, ${n}, 0, ${seq}, ${seq}, 7, 8, '"${id}${seq}"')`);
    }
    database.exec(`INSERT INTO marks VALUES (NULL, ${n}, 0, 4, 'reset', 9, '{}')`);
    database.exec(`INSERT INTO keys VALUES (${n}, 0, 'k', 'h', 1, 3, 3, 7)`);
  }
  return database;
}

test("a file of version 1 keeps what it holds, and goes on", () =>
  inFolder(async ({ path, open }) => {
    versionOne(`${path}/fastpaca.db`).close();
    const driver = await open();
    const expected = (id: string, updatedAt: number): object => ({
      id,
      revision: 2,
      life: 1,
      version: 4,
      lastSeq: 3,
      firstSeq: 1,
      archivedSeq: 0,
      tombstoned: false,
      purged: false,
      metadata: '{"m":1}',
      labels: ["x=1"],
      createdAt: 5,
      updatedAt,
      state: '{"s":1}',
    });
    const both = [expected("a", 1_700_000_000_900), expected("b", 1_700_000_000_100)];
    const [a, b, gone] = await driver.heads(["a", "b", "gone"]);
    expect([a, b]).toEqual(both);
    expect(gone?.purged).toBe(true);
    for (const labels of [[], ["x=1"]]) {
      expect((await driver.list({ limit: 10, labels })).heads).toEqual(both);
      const { heads, next } = await driver.list({ limit: 1, labels });
      expect(heads).toEqual(both.slice(0, 1));
      expect((await driver.list({ limit: 1, labels, after: next })).heads).toEqual(both.slice(1));
    }
    const file = new DatabaseSync(`${path}/fastpaca.db`, { readOnly: true });
    expect(file.prepare("SELECT id FROM heads WHERE updated_second <> updated_at / 1000").all()).toEqual([]);
    file.close();
    const log = [1, 2, 3].map((seq) => ({
      seq,
      version: seq,
      tokens: 7,
      insertedAt: 8,
      body: `"a${seq}"`,
    }));
    expect(await driver.messages("a", 1, 9)).toEqual(log);
    expect(await driver.marks("a", 0, 9)).toEqual([{ version: 4, kind: "reset", at: 9, body: "{}" }]);
    const key = { key: "k", hash: "h", firstSeq: 1, lastSeq: 3, version: 3, tokens: 7 };
    expect(await driver.keys("a", ["k"])).toEqual([key]);
    expect(await driver.commit([append("a", 2, 4, 4, { keys: ["k"] })])).toEqual([
      { status: "duplicate", held: [key] },
    ]);
    const next = append("a", 2, 4, 4, { keys: ["l"] });
    expect(await driver.commit([next, purge("b", 2)])).toEqual([
      { status: "committed" },
      { status: "committed" },
    ]);
    expect(await driver.messages("a", 1, 9)).toEqual([...log, ...next.messages]);
    expect(await driver.keys("a", ["k", "l"])).toEqual(expect.arrayContaining([key, ...next.keys]));
    expect(await driver.messages("b", 1, 9)).toEqual([]);
    expect((await driver.list({ limit: 10, labels: [] })).heads).toEqual([next.head]);
  }));

test("a process that has a file of version 1 open is refused when another one migrates it", () =>
  inFolder(async ({ path, open }) => {
    const old = versionOne(`${path}/fastpaca.db`);
    // What the first release asks before it commits.
    const find = (): StatementSync =>
      old.prepare("SELECT n, revision, epoch, updated_at, labels FROM heads WHERE id = ?");
    const prepared = find();
    expect(prepared.get("a")?.["revision"]).toBe(2);
    await (await open()).commit([creation("c")]);
    expect(() => prepared.get("a")).toThrow("no such column: labels");
    expect(find).toThrow("no such column: labels");
    old.close();
  }));

test("a file that was migrated has the schema of a new one", () => {
  const [first = ""] = STEPS;
  const schema = (steps: readonly (readonly string[])[]): unknown => {
    const database = new DatabaseSync(":memory:");
    for (const known of steps) migrate(database, known);
    const rows = database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").all();
    database.close();
    return rows;
  };
  expect(schema([[first], STEPS])).toEqual(schema([STEPS]));
});

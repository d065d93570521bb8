import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { DriverUnavailableError } from "@fastpaca/core";
import sqlite from "@fastpaca/driver-sqlite";
import { openFile } from "../src/open-file.js";
import { PATIENCE } from "../src/patience.js";
import { APPLICATION, STEPS, migrate, versionOf } from "../src/schema.js";
import { append, creation } from "./commits.js";
import { inFolder } from "./folder.js";

/** What opening the file is refused with; the sentence must name the file. */
async function refusal(file: string): Promise<Error> {
  const opened = await sqlite.open(`sqlite:${file}`).then(
    async (driver) => driver.close(),
    (error: unknown) => error,
  );
  expect(opened).toBeInstanceOf(DriverUnavailableError);
  expect((opened as Error).message).toContain(JSON.stringify(file));
  return opened as Error;
}

describe("files that cannot be used", () => {
  test("a missing directory", () =>
    inFolder(async ({ path }) => {
      expect((await refusal(`${path}/none/a.db`)).message).toContain("does not exist: create it");
    }));

  test("a directory in the place of the file, and a file in the place of the directory", () =>
    inFolder(async ({ path }) => {
      await mkdir(`${path}/a.db`);
      expect((await refusal(`${path}/a.db`)).message).toContain("is a directory");
      await writeFile(`${path}/file`, "");
      expect((await refusal(`${path}/file/a.db`)).message).toContain("not a directory");
    }));

  test("a file that is not SQLite stays as it is", () =>
    inFolder(async ({ path }) => {
      const content = "not a database, but longer than a header of a hundred bytes is: ".repeat(20);
      await writeFile(`${path}/a.db`, content);
      const error = await refusal(`${path}/a.db`);
      expect(error.message).toContain("is not an SQLite database");
      expect(error.cause).toBeInstanceOf(Error);
      expect(await readFile(`${path}/a.db`, "utf8")).toBe(content);
    }));

  test("a file of another application stays as it is", () =>
    inFolder(async ({ path }) => {
      for (const sql of ["CREATE TABLE other (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"]) {
        const file = `${path}/${sql.length}.db`;
        const other = new DatabaseSync(file);
        other.exec(sql);
        other.close();
        const before = await readFile(file);
        expect((await refusal(file)).message).toContain("belongs to another application");
        expect(await readFile(file)).toEqual(before);
      }
    }));

  test("a file of a newer schema", () =>
    inFolder(async ({ path, open }) => {
      await (await open()).close();
      const newer = new DatabaseSync(`${path}/fastpaca.db`);
      newer.exec("PRAGMA user_version = 999");
      newer.close();
      expect((await refusal(`${path}/fastpaca.db`)).message).toContain("version 999");
    }));

  test("a truncated file", () =>
    inFolder(async ({ path, open }) => {
      await (await open()).close();
      await truncate(`${path}/fastpaca.db`, 5000);
      const error = await refusal(`${path}/fastpaca.db`);
      expect(error.message).toContain("is corrupt: restore it from a backup");
      expect(error.cause).toBeInstanceOf(Error);
    }));

  test("a log that is cut short beneath an open handle says that the disk failed, for every read", () =>
    inFolder(async ({ path, open }) => {
      const writer = await open();
      const body = JSON.stringify("x".repeat(3000));
      for (let n = 0; n < 100; n += 1) {
        await writer.commit([creation(`c${n}`)]);
        await writer.commit([append(`c${n}`, 1, 1, 1, { body, keys: ["k"] })]);
      }
      const reader = await open();
      await truncate(`${path}/fastpaca.db-wal`, 20 * 4096);
      const failure = await Promise.allSettled([
        reader.heads(["c99"]),
        reader.messages("c99", 1, 1),
        reader.keys("c99", ["k"]),
        reader.marks("c99", 0, 1),
      ]);
      for (const read of failure) {
        expect(read).toMatchObject({
          status: "rejected",
          reason: expect.any(DriverUnavailableError) as unknown,
        });
        expect(String(read.status === "rejected" && read.reason)).toContain(
          "the disk that holds the database file",
        );
      }
    }));

  test("waits for a process that migrates it, for longer than a commit would", () =>
    inFolder(async ({ path, open }) => {
      await (await open()).close();
      const migrating = new DatabaseSync(`${path}/fastpaca.db`);
      migrating.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
      const opening = open();
      await new Promise((resolve) => setTimeout(resolve, PATIENCE + 500));
      migrating.close();
      expect(await (await opening).heads(["a"])).toEqual([undefined]);
    }));

  test("a file whose pages are overwritten answers with a sentence, and goes on for what is intact", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await driver.commit([creation("a")]);
      await driver.commit([append("a", 1, 1, 500, { body: JSON.stringify("x".repeat(500)) })]);
      await driver.close();
      const file = `${path}/fastpaca.db`;
      const content = await readFile(file);
      // Beyond the pages of the schema, the heads and the first messages.
      content.fill(0xee, 120_000, 200_000);
      await writeFile(file, content);
      const damaged = await open();
      expect((await damaged.heads(["a"]))[0]?.revision).toBe(2);
      await expect(damaged.messages("a", 1, 500)).rejects.toThrow(
        `the database file ${JSON.stringify(file)} is corrupt`,
      );
      await expect(damaged.messages("a", 1, 500)).rejects.toBeInstanceOf(DriverUnavailableError);
    }));

  test("files and directories that may not be written to", () =>
    inFolder(async ({ path, open }) => {
      await (await open()).close();
      await mkdir(`${path}/sealed`);
      await copyFile(`${path}/fastpaca.db`, `${path}/sealed/a.db`);
      await chmod(`${path}/fastpaca.db`, 0o444);
      await chmod(`${path}/sealed`, 0o555);
      await chmod(`${path}/sealed/a.db`, 0o666);
      await chmod(path, 0o777);
      // The superuser may write everywhere: the question is asked by somebody else.
      const other = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
      const ask = (file: string): string =>
        execFileSync(
          process.execPath,
          [
            "--input-type=module",
            "-e",
            `import sqlite from ${JSON.stringify(import.meta.resolve("@fastpaca/driver-sqlite"))};
            await sqlite.open(${JSON.stringify(`sqlite:${file}`)}).catch((error) => console.log(error.message));`,
          ],
          { encoding: "utf8", ...other },
        );
      expect(ask(`${path}/fastpaca.db`)).toContain("cannot be read and written by this process");
      expect(ask(`${path}/sealed/a.db`)).toContain('/sealed" of the database file');
      expect(ask(`${path}/sealed/a.db`)).toContain("cannot be written to");
      for (const beside of ["-wal", "-shm"]) {
        await copyFile(`${path}/sealed/a.db`, `${path}/beside.db`);
        await chmod(`${path}/beside.db`, 0o666);
        await writeFile(`${path}/beside.db${beside}`, "");
        await chmod(`${path}/beside.db${beside}`, 0o400);
        expect(ask(`${path}/beside.db`)).toContain(
          `beside.db${beside}" cannot be read and written by this process`,
        );
        await rm(`${path}/beside.db${beside}`, { force: true });
      }
    }));
});

describe("the schema", () => {
  test("a new file gets the newest version and the mark of the application", () =>
    inFolder(async ({ path, open }) => {
      await (await open()).close();
      const database = new DatabaseSync(`${path}/fastpaca.db`);
      expect(database.prepare("PRAGMA application_id").get()).toEqual({ application_id: APPLICATION });
      expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: STEPS.length });
      expect(database.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
      database.close();
    }));

  test("a commit is synced to the disk before it is acknowledged", () =>
    inFolder(async ({ path }) => {
      const database = openFile(`${path}/a.db`);
      const FULL = 2;
      expect(database.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: FULL });
      database.close();
    }));

  test("an older file takes only the steps that it lacks", () => {
    const database = new DatabaseSync(":memory:");
    const steps = ["CREATE TABLE one (a)", "ALTER TABLE one ADD COLUMN b", "CREATE TABLE three (a)"];
    migrate(database, steps.slice(0, 1));
    database.exec("INSERT INTO one VALUES (1)");
    migrate(database, steps);
    migrate(database, steps);
    expect(versionOf(database, 3)).toBe(3);
    expect(database.prepare("SELECT * FROM one").all()).toEqual([{ a: 1, b: null }]);
    database.close();
  });

  test("a step that fails leaves the file at its version", () => {
    const database = new DatabaseSync(":memory:");
    migrate(database, ["CREATE TABLE one (a)"]);
    expect(() => migrate(database, ["", "CREATE TABLE two (a)", "nonsense"])).toThrow("nonsense");
    expect(versionOf(database, 3)).toBe(1);
    expect(database.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "one" }]);
    database.close();
  });

  test("many open an empty file at once", () =>
    inFolder(async ({ open, appending }) => {
      const processes = [appending("a", "p", 1), appending("a", "q", 1)];
      const drivers = await Promise.all(Array.from({ length: 6 }, open));
      for (const { finished } of processes) expect((await finished).length).toBeGreaterThan(0);
      await drivers[0]?.commit([creation("b")]);
      for (const driver of drivers) {
        const [a, b] = await driver.heads(["a", "b"]);
        expect([a?.revision, b?.revision]).toEqual([3, 1]);
      }
    }));
});

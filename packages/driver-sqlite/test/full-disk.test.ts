import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { DriverUnavailableError, type Driver } from "@fastpaca/core";
import sqlite from "@fastpaca/driver-sqlite";
import { explain, isFull } from "../src/failure.js";
import { openFile } from "../src/open-file.js";
import { Service } from "../src/service.js";
import { transact, UncertainCommitError } from "../src/transaction.js";
import { flatten } from "../src/wire.js";
import { append, creation } from "./commits.js";
import { inFolder } from "./folder.js";

const BODY = JSON.stringify("x".repeat(20_000));
const mountable = canMount();
if (!mountable)
  console.warn("a full disk is not tried here: only the superuser of Linux may mount a small one");

/** Appends until it is refused. @returns the messages that were acknowledged, and the refusal */
async function fill(
  driver: Pick<Driver, "commit">,
  from: number,
): Promise<{ acknowledged: number; refusal: unknown }> {
  for (let seq = from; ; seq += 1) {
    try {
      const [outcome] = await driver.commit([append("a", seq, seq, seq, { body: BODY, keys: [`k${seq}`] })]);
      expect(outcome).toEqual({ status: "committed" });
    } catch (refusal) {
      return { acknowledged: seq - 1, refusal };
    }
  }
}

test("a file that may not grow refuses commits, keeps what it acknowledged, and goes on when it may", () =>
  inFolder(async ({ path }) => {
    const file = `${path}/a.db`;
    const database = openFile(file);
    const service = new Service(database, (error) => expect(error).toBeUndefined());
    let call = 0;
    const driver: Pick<Driver, "commit"> = {
      commit: async (commits) => {
        const answer = await service.serve({ call: (call += 1), kind: "commit", batch: flatten(commits) });
        return answer === undefined ? commits.map(() => ({ status: "committed" })) : [];
      },
    };
    await driver.commit([creation("a")]);
    database.exec("PRAGMA max_page_count = 100");
    const { acknowledged, refusal } = await fill(driver, 1);
    expect(acknowledged).toBeGreaterThan(0);
    expect(isFull(refusal)).toBe(true);
    expect(explain(file, refusal).message).toContain(
      `the disk that holds the database file "${file}" is full`,
    );
    const sentence = explain(file, refusal).message;
    expect(explain(file, new Error("the commit failed", { cause: refusal })).message).toBe(sentence);
    const read = (from: number, to: number): Promise<unknown> =>
      service.serve({ call: (call += 1), kind: "messages", id: "a", from, to });
    expect(await read(1, acknowledged + 10)).toHaveLength(acknowledged);
    // What needs no new page has room all the same.
    database.exec("PRAGMA max_page_count = 1000");
    expect((await fill(driver, acknowledged + 1)).acknowledged).toBeGreaterThan(acknowledged);
    await service.serve({ call: (call += 1), kind: "close" });
  }));

test.skipIf(!mountable)(
  "a disk that is full refuses commits, loses nothing, and goes on when there is room",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "fastpaca-sqlite-"));
    const disk = join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
    const opened: Driver[] = [];
    const open = async (): Promise<Driver> => {
      const driver = await sqlite.open(`sqlite:${disk}/a.db`);
      opened.push(driver);
      return driver;
    };
    try {
      const driver = await open();
      await driver.commit([creation("a")]);
      const { acknowledged, refusal } = await fill(driver, 1);
      expect(acknowledged).toBeGreaterThan(0);
      expect(refusal).toBeInstanceOf(DriverUnavailableError);
      expect((refusal as Error).message).toContain("is full");
      expect((refusal as Error).cause).toBeInstanceOf(Error);
      const intact = async (driver: Driver, count: number): Promise<void> => {
        expect((await driver.heads(["a"]))[0]?.lastSeq).toBe(count);
        expect(await driver.messages("a", 1, count + 10)).toHaveLength(count);
        expect((await driver.list({ limit: 10, labels: [] })).heads).toHaveLength(1);
      };
      await intact(driver, acknowledged);
      await driver.close();
      const again = await open();
      await intact(again, acknowledged);
      execFileSync("mount", ["-o", "remount,size=8m", disk]);
      const more = await fill(again, acknowledged + 1);
      expect(more.acknowledged).toBeGreaterThan(acknowledged);
      await intact(again, more.acknowledged);
    } finally {
      await Promise.all(opened.map((driver) => driver.close()));
      execFileSync("umount", [disk]);
      rmSync(folder, { recursive: true });
    }
  },
);

/** Whether this process may mount a file system of its own, which only the superuser of a Linux machine may. */
function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "fastpaca-sqlite-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a commit that fails and cannot be taken back is uncertain, whatever it failed with", () => {
  class Failing extends DatabaseSync {
    override exec(sql: string): void {
      if (sql === "COMMIT" || sql === "ROLLBACK") throw new Error(`no ${sql}`);
      super.exec(sql);
    }
  }
  const database = new Failing(":memory:");
  expect(() =>
    transact(
      database,
      () => true,
      () => 1,
    ),
  ).toThrow(UncertainCommitError);
  database.close();
});

import { DatabaseSync } from "node:sqlite";
import type { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { DriverUnavailableError } from "@fastpaca/core";
import { append, creation } from "./commits.js";
import { inFolder } from "./folder.js";

test("what a killed process was acknowledged is there, and nothing is there by halves", () =>
  inFolder(async ({ open, appending }) => {
    let acknowledged = 0;
    for (const writer of ["w1", "w2", "w3", "w4", "w5", "w6"]) {
      const victim = appending("a", writer, 0);
      await victim.acknowledged(40);
      victim.process.kill("SIGKILL");
      acknowledged = (await victim.finished).at(-1) ?? 0;
      const driver = await open();
      const [head] = await driver.heads(["a"]);
      // One commit may have been written without anybody being told.
      expect([acknowledged, acknowledged + 1]).toContain(head?.revision);
      const last = (head?.revision ?? 0) - 1;
      expect(head?.lastSeq).toBe(last);
      const messages = await driver.messages("a", 1, last + 10);
      expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
      const mine = messages.filter(({ body }) => body === JSON.stringify(writer)).length;
      const keys = Array.from({ length: mine + 5 }, (_, index) => `${writer}-${index}`);
      expect(await driver.keys("a", keys)).toHaveLength(mine);
      await driver.close();
    }
  }));

test("a batch that fails in the middle is refused, and nothing of it is there", () =>
  inFolder(async ({ open }) => {
    const driver = await open();
    await driver.commit([creation("a"), creation("b")]);
    const broken = append("b", 1, 1, 1, { keys: ["k"] });
    const batch = [append("a", 1, 1, 1), { ...broken, messages: [...broken.messages, ...broken.messages] }];
    await expect(driver.commit(batch)).rejects.toBeInstanceOf(DriverUnavailableError);
    expect((await driver.heads(["a", "b"])).map((head) => head?.revision)).toEqual([1, 1]);
    expect([...(await driver.messages("a", 1, 9)), ...(await driver.messages("b", 1, 9))]).toEqual([]);
    expect(await driver.commit([append("a", 1, 1, 1), broken])).toEqual(
      batch.map(() => ({ status: "committed" })),
    );
  }));

describe("when the worker dies", () => {
  test("running commits are unknown, running reads and later calls are refused, and closing is quick", () =>
    inFolder(async ({ open }) => {
      const started = new Promise<Worker>((resolve) => process.once("worker", resolve));
      const driver = await open();
      const worker = await started;
      await driver.commit([creation("a")]);
      const commit = driver.commit([append("a", 1, 1, 1), creation("b")]);
      const read = driver.messages("a", 1, 1).catch((error: unknown) => error);
      // Both are on their way; whether they are done is not known here.
      const exit = new Promise((resolve) => worker.once("exit", resolve));
      await worker.terminate();
      await exit;
      expect((await commit).map(({ status }) => status)).toEqual(["unknown", "unknown"]);
      expect(await read).toBeInstanceOf(DriverUnavailableError);
      await expect(driver.commit([creation("c")])).rejects.toBeInstanceOf(DriverUnavailableError);
      await expect(driver.heads(["a"])).rejects.toBeInstanceOf(DriverUnavailableError);
      await expect(driver.list({ limit: 1, labels: [] })).rejects.toThrow("has ended: restart the process");
      await driver.close();
      const again = await open();
      expect((await again.heads(["a"]))[0]?.id).toBe("a");
    }));
});

describe("closing", () => {
  test("what was asked before is finished, what is asked later is refused", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      await driver.commit([creation("a")]);
      const commits = [1, 2, 3, 4, 5].map((seq) => driver.commit([append("a", seq, seq, seq)]));
      const reads = [driver.messages("a", 1, 10), driver.list({ limit: 10, labels: [] })];
      const closing = driver.close();
      await expect(driver.commit([creation("b")])).rejects.toThrow("the driver is closed");
      await expect(driver.heads(["a"])).rejects.toThrow("the driver is closed");
      for (const commit of commits) expect(await commit).toEqual([{ status: "committed" }]);
      await Promise.all(reads);
      await Promise.all([closing, driver.close()]);
      const again = await open();
      expect((await again.heads(["a", "b"])).map((head) => head?.revision)).toEqual([6, undefined]);
    }));

  test("waits for a commit that waits for a lock", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      const other = new DatabaseSync(`${path}/fastpaca.db`);
      other.exec("BEGIN IMMEDIATE");
      const commit = driver.commit([creation("a")]);
      const closing = driver.close();
      // Opening takes longer than the worker needs to come upon the lock, and to be told to close.
      await (await open()).close();
      other.exec("ROLLBACK");
      other.close();
      expect(await commit).toEqual([{ status: "committed" }]);
      await closing;
    }));
});

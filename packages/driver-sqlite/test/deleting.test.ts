import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Commit, Driver, Mark } from "@fastpaca/core";
import { openFile } from "../src/open-file.js";
import { RETRY, Service } from "../src/service.js";
import { Slices } from "../src/slices.js";
import { flatten } from "../src/wire.js";
import { append, creation, purge } from "./commits.js";
import { inFolder } from "./folder.js";

/** Longest that a test waits for what comes by itself. */
const PATIENCE = { timeout: 20_000 };
const LONG = JSON.stringify("x".repeat(2000));

describe("a purge of a long conversation", () => {
  test("hides all of it at once, and lets others commit while the rows go", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await long(driver, "a", 50_000);
      await driver.commit([creation("b")]);
      expect(await driver.commit([purge("a", 3)])).toEqual([{ status: "committed" }]);
      expect(await driver.messages("a", 1, 50_000)).toEqual([]);
      expect(await driver.marks("a", 0, 10)).toEqual([]);
      expect(await driver.keys("a", ["k1"])).toEqual([]);
      const other = new DatabaseSync(`${path}/fastpaca.db`, { readOnly: true });
      const count = other.prepare("SELECT count(*) AS count FROM messages WHERE n = 1 AND epoch = 0");
      const left = [];
      let revision = 1;
      do {
        await driver.commit([append("b", revision, revision, revision)]);
        revision += 1;
        left.push(Number(count.get()?.["count"]));
      } while (left.at(-1) !== 0);
      // Commits passed between the slices.
      expect(left.some((rows) => rows > 0 && rows < 50_000)).toBe(true);
      for (let sweeping = true; sweeping; revision += 1) {
        await driver.commit([append("b", revision, revision, revision)]);
        sweeping = other.prepare("SELECT 1 FROM garbage").get() !== undefined;
      }
      expect(other.prepare("SELECT * FROM keys WHERE n = 1").all()).toEqual([]);
      expect(other.prepare("SELECT * FROM marks WHERE n = 1").all()).toEqual([]);
      other.close();
    }));

  test("begins a life that has nothing of the one before, also when its rows are still there", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      await long(driver, "a", 3000);
      const reborn = append("a", 4, 1, 2, { keys: ["k1"], head: { life: 2 } });
      const outcomes = await Promise.all([driver.commit([purge("a", 3)]), driver.commit([reborn])]);
      expect(outcomes.flat().map(({ status }) => status)).toEqual(["committed", "committed"]);
      expect(await driver.messages("a", 1, 5000)).toEqual(reborn.messages);
      expect(await driver.marks("a", 0, 10)).toEqual([]);
      expect(await driver.keys("a", ["k1"])).toEqual(reborn.keys);
      expect(await driver.heads(["a"])).toEqual([reborn.head]);
    }));

  test("is finished by whoever opens the file next", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await long(driver, "a", 50_000);
      await driver.commit([purge("a", 3)]);
      await driver.close();
      const other = new DatabaseSync(`${path}/fastpaca.db`);
      expect(other.prepare("SELECT * FROM garbage").all()).toHaveLength(1);
      const next = await open();
      for (let base = 0; other.prepare("SELECT * FROM garbage").get() !== undefined; base += 1) {
        await next.commit([base === 0 ? creation("b") : append("b", base, base, base)]);
      }
      expect(other.prepare("SELECT count(*) AS count FROM messages WHERE n = 1").get()).toEqual({
        count: 0,
      });
      other.close();
    }));
});

test(
  "what a purge left is deleted although that failed at first, and nothing is purged any more",
  { timeout: 60_000 },
  () =>
    inFolder(async ({ path }) => {
      const database = openFile(`${path}/a.db`);
      const reports: unknown[] = [];
      const service = new Service(database, (error) => reports.push(error));
      let calls = 0;
      const commit = (one: Commit): Promise<unknown> =>
        service.serve({ call: (calls += 1), kind: "commit", batch: flatten([one]) });
      await commit(creation("a"));
      await commit(append("a", 1, 1, 2, { body: LONG }));
      const timers = vi.spyOn(globalThis, "setTimeout");
      const sweep = vi.spyOn(Slices.prototype, "sweep").mockImplementationOnce(() => {
        throw new Error("gone");
      });
      onTestFinished(() => [timers, sweep].forEach((spy) => spy.mockRestore()));
      await commit(purge("a", 2));
      const retry = await vi.waitUntil(
        () => timers.mock.calls.find(([, delay]) => delay === RETRY)?.[0],
        PATIENCE,
      );
      expect(reports).toHaveLength(1);
      const left = (): unknown => database.prepare("SELECT count(*) AS rows FROM messages").get()?.["rows"];
      expect(left()).toBe(2);
      Reflect.apply(retry, undefined, []);
      await vi.waitUntil(() => left() === 0, PATIENCE);
      await service.serve({ call: (calls += 1), kind: "close" });
    }),
);

describe("pruning", () => {
  test("lets others commit meanwhile", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      await long(driver, "a", 50_000);
      let pruned = false;
      const pruning = driver.prune("a", 49_999).then(() => {
        pruned = true;
      });
      let passed = 0;
      for (; !pruned; passed += 1) {
        await driver.commit([passed === 0 ? creation("b") : append("b", passed, passed, passed)]);
      }
      await pruning;
      expect(passed).toBeGreaterThan(2);
      expect((await driver.messages("a", 1, 50_000)).map(({ seq }) => seq)).toEqual([49_999, 50_000]);
      expect(await driver.keys("a", ["k1"])).toHaveLength(1);
    }));

  test("frees the marks before the oldest message, but the newest compaction", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      const mark = (version: number, kind: Mark["kind"]): Mark => ({ version, kind, at: 1, body: "{}" });
      await driver.commit([creation("a")]);
      const marks = [mark(4, "compaction"), mark(5, "reset"), mark(6, "compaction"), mark(7, "config")];
      await driver.commit([append("a", 1, 1, 3, { marks, head: { firstSeq: 3 } })]);
      const versions = async (): Promise<number[]> =>
        (await driver.marks("a", 0, 10)).map(({ version }) => version);
      await driver.prune("a", 1);
      await driver.prune("a", 3);
      expect(await versions()).toEqual([4, 5, 6, 7]);
      const next = append("a", 2, 4, 5, { head: { firstSeq: 6 } });
      const messages = next.messages.map((message) => ({ ...message, version: message.version + 4 }));
      await driver.commit([{ ...next, messages, marks: [mark(10, "reset")] }]);
      await driver.prune("a", 4);
      expect(await versions()).toEqual([6, 10]);
      await driver.prune("a", 6);
      expect(await driver.messages("a", 1, 10)).toEqual([]);
    }));

  test("frees a compaction that a newer one has replaced, although no message goes any more", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      const mark = (version: number): Mark => ({ version, kind: "compaction", at: 1, body: "{}" });
      await driver.commit([creation("a")]);
      await driver.commit([append("a", 1, 1, 1, { marks: [mark(2)] })]);
      const kept = append("a", 2, 2, 2, { head: { firstSeq: 2 } });
      const messages = kept.messages.map((message) => ({ ...message, version: 3 }));
      await driver.commit([{ ...kept, messages }]);
      const versions = async (): Promise<number[]> =>
        (await driver.marks("a", 0, 10)).map(({ version }) => version);
      await driver.prune("a", 2);
      expect(await versions()).toEqual([2]);
      await driver.commit([{ ...append("a", 3, 3, 2), marks: [mark(4)] }]);
      await driver.prune("a", 2);
      expect(await versions()).toEqual([4]);
    }));

  test("of a life that was purged meanwhile leaves the next one alone", () =>
    inFolder(async ({ path, open }) => {
      const driver = await open();
      await long(driver, "a", 100);
      const database = openFile(`${path}/fastpaca.db`);
      const slices = new Slices(database);
      const pruning = slices.pruning("a", 50);
      if (pruning === undefined) throw new Error("there should be something to prune");
      await driver.commit([purge("a", 3)]);
      await driver.commit([append("a", 4, 1, 3, { head: { life: 2 } })]);
      for (let more = true; more;) more = slices.prune(pruning);
      database.close();
      expect(await driver.messages("a", 1, 10)).toHaveLength(3);
    }));

  test("that comes after a purge and a new beginning leaves what the head keeps", () =>
    inFolder(async ({ open }) => {
      const driver = await open();
      await long(driver, "a", 100);
      await driver.commit([purge("a", 3)]);
      await driver.commit([append("a", 4, 1, 3, { head: { life: 2, firstSeq: 2 } })]);
      await driver.prune("a", 50);
      expect((await driver.messages("a", 1, 10)).map(({ seq }) => seq)).toEqual([2, 3]);
    }));

  test("of what never existed is nothing", () =>
    inFolder(async ({ open }) => {
      await expect((await open()).prune("a", 10)).resolves.toBeUndefined();
    }));
});

/** A conversation at revision 3 with that many messages, a key and a mark. */
async function long(driver: Driver, id: string, messages: number): Promise<void> {
  await driver.commit([creation(id)]);
  await driver.commit([append(id, 1, 1, messages - 1, { keys: ["k1"] })]);
  const marks: Mark[] = [{ version: messages + 1, kind: "compaction", at: 1, body: LONG }];
  // The head says that all but two of them are gone.
  const head = { firstSeq: messages - 1 };
  await driver.commit([append(id, 2, messages, messages, { body: LONG, marks, head })]);
}

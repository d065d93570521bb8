import { Collection } from "mongodb";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Commit, Driver } from "@fastpaca/core";
import type { CommitDocument } from "../src/commit-document.js";
import { Erasing } from "../src/erasing.js";
import { RETRY } from "../src/mongo-driver.js";
import {
  append,
  committed,
  creation,
  databaseOf,
  describeWithMongo,
  looking,
  mark,
  opened,
  purge,
} from "./fixture.js";

/** Longest that a test waits for what comes by itself. */
const PATIENCE = { timeout: 20_000 };

await describeWithMongo("pruning in MongoDB", (server) => {
  const seqs = async (driver: Driver, from: number): Promise<number[]> =>
    (await driver.messages("a", from, 9)).map(({ seq }) => seq);

  /** A conversation that begins with a message and a summary of it. */
  const summarized = async (...more: Commit[]): Promise<{ url: string; driver: Driver }> => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    await committed(driver, creation("a"), append("a", 1, [1], { marks: [mark(2, "compaction")] }), ...more);
    return { url, driver };
  };

  test("cuts a commit in two, keeps the newest compaction, and leaves the newest head where it is", async () => {
    const { url, driver } = await summarized(
      append("a", 2, [2], { marks: [mark(4, "compaction"), mark(5, "config")] }),
      append("a", 3, [3, 4, 5, 6], { head: { firstSeq: 5 } }),
    );
    const before = await driver.messages("a", 1, 9);
    await driver.prune("a", 5);
    await driver.prune("a", 5);
    expect(await driver.messages("a", 1, 9)).toEqual(before.slice(4));
    expect(await driver.messages("a", 6, 6)).toEqual(before.slice(5));
    expect((await driver.marks("a", 0, 9)).map(({ version }) => version)).toContain(4);
    expect((await driver.marks("a", 0, 9)).map(({ version }) => version)).not.toContain(2);
    await committed(driver, append("a", 4, [7], { head: { firstSeq: 8 } }));
    await driver.prune("a", 8);
    expect(await driver.messages("a", 1, 9)).toEqual([]);
    expect((await (await opened(url)).heads(["a"]))[0]?.revision).toBe(5);
    await committed(driver, append("a", 5, [8], { head: { firstSeq: 8 } }));
    expect((await driver.messages("a", 1, 9)).map(({ seq }) => seq)).toEqual([8]);
  });

  test("below what is gone frees a compaction that a newer one has replaced since", async () => {
    const { driver } = await summarized(append("a", 2, [2, 3], { head: { firstSeq: 3 } }));
    await driver.prune("a", 3);
    await committed(driver, append("a", 3, [4], { marks: [mark(5, "compaction")], head: { firstSeq: 3 } }));
    await driver.prune("a", 2);
    expect((await driver.marks("a", 0, 9)).map(({ version }) => version)).toEqual([5]);
    expect(await seqs(driver, 1)).toEqual([3, 4]);
  });

  test("late, beside another prune, frees nothing that the head keeps", async () => {
    const { url, driver } = await summarized(append("a", 2, [2]), append("a", 3, [3]), append("a", 4, [4]));
    const other = await opened(url);
    await committed(driver, append("a", 5, [5], { head: { firstSeq: 4 } }));
    await driver.prune("a", 3);
    const looks = aroundLooks({ after: () => other.prune("a", 4) });
    await driver.prune("a", 2);
    expect(looks()).toBe(1);
    expect(await seqs(driver, 1)).toEqual([4, 5]);
  });

  test("beside appends to an emptied conversation frees none of them", async () => {
    const { url, driver } = await summarized(append("a", 2, [2], { head: { firstSeq: 3 } }));
    const other = await opened(url);
    const appends = [3, 4].map((seq) => append("a", seq, [seq], { head: { firstSeq: 3 } }));
    const looks = aroundLooks({ before: () => committed(other, ...appends) });
    await driver.prune("a", 3);
    expect(looks()).toBe(1);
    expect(await seqs(driver, 1)).toEqual([3, 4]);
  });

  test("that stopped half-way hides nothing that the head keeps", async () => {
    const { url, driver } = await summarized(
      append("a", 2, [2, 3, 4]),
      append("a", 3, [5], { head: { firstSeq: 3 } }),
    );
    const commits = (await looking(url)).collection<CommitDocument>("commits");
    const across = await commits.findOne({ f: 2 });
    if (across === null) throw new Error("there should be a commit that begins with message 2");
    await driver.prune("a", 3);
    expect(await seqs(driver, 3)).toEqual([3, 4, 5]);
    // The commit before it is reduced first: to its compaction, which is kept where the messages begin.
    await commits.replaceOne({ _id: across._id }, across);
    for (const from of [3, 4, 5])
      expect(await seqs(driver, from)).toEqual([3, 4, 5].filter((n) => n >= from));
    await driver.prune("a", 3);
    expect(await seqs(driver, 1)).toEqual([3, 4, 5]);
  });

  test("during a read hides nothing that is kept", async () => {
    const { url } = await databaseOf(server);
    const [driver, other] = await Promise.all([opened(url), opened(url)]);
    await committed(driver, creation("a"), append("a", 1, [1, 2, 3]), append("a", 2, [4, 5]));
    const trim = append("a", 3, [6], { head: { firstSeq: 3 } });
    const searches = betweenSearches(async () => {
      await committed(other, trim);
      await other.prune("a", 3);
    });
    const read = await seqs(driver, 2);
    expect(searches()).toBeGreaterThan(1);
    expect(read.filter((seq) => seq < 6)).toEqual([3, 4, 5]);
  });

  test(
    "of what was purged is tried again after a failure, although nothing is purged any more",
    { timeout: 60_000 },
    async () => {
      const { url } = await databaseOf(server);
      const driver = await opened(url);
      await committed(driver, creation("a"), append("a", 1, [1, 2]));
      const timers = vi.spyOn(globalThis, "setTimeout");
      const failing = vi.spyOn(Erasing.prototype, "finishPurges").mockRejectedValueOnce(new Error("gone"));
      onTestFinished(() => [timers, failing].forEach((spy) => spy.mockRestore()));
      await committed(driver, purge("a", 2));
      const retry = await vi.waitUntil(
        () => timers.mock.calls.find(([, delay]) => delay === RETRY)?.[0],
        PATIENCE,
      );
      const commits = (await looking(url)).collection<CommitDocument>("commits");
      expect(await commits.countDocuments({ b: { $exists: true } })).toBe(1);
      Reflect.apply(retry, undefined, []);
      await vi.waitUntil(
        async () => (await commits.countDocuments({ b: { $exists: true } })) === 0,
        PATIENCE,
      );
    },
  );

  test(
    "frees the marks of however many commits that begin where the messages do",
    { timeout: 60_000 },
    async () => {
      const { url } = await databaseOf(server);
      const driver = await opened(url);
      await committed(driver, creation("a"), append("a", 1, [1]));
      for (let base = 2; base < 420; base += 1) {
        const head = { lastSeq: 1, version: base, firstSeq: base === 419 ? 2 : 1 };
        await committed(driver, append("a", base, [], { marks: [mark(base, "config")], head }));
      }
      await driver.prune("a", 2);
      expect(await driver.marks("a", 0, 1000)).toEqual([]);
    },
  );
});

/** Does something around the first look at a single document. @returns how many looks there were */
function aroundLooks({
  before,
  after,
}: Partial<Record<"before" | "after", () => Promise<void>>>): () => number {
  let looks = 0;
  const findOne = Collection.prototype.findOne;
  const spy = vi.spyOn(Collection.prototype, "findOne").mockImplementation(async function (
    this: Collection,
    ...args: Parameters<typeof findOne>
  ) {
    const first = (looks += 1) === 1;
    if (first) await before?.();
    const found = await findOne.apply(this, args);
    if (first) await after?.();
    return found;
  });
  onTestFinished(() => spy.mockRestore());
  return () => looks;
}

/** Does something before the second search of messages is carried out. @returns how many searches there were */
function betweenSearches(something: () => Promise<void>): () => number {
  let searches = 0;
  const find = Collection.prototype.find;
  const spy = vi.spyOn(Collection.prototype, "find").mockImplementation(function (
    this: Collection,
    ...args: Parameters<typeof find>
  ) {
    const cursor = find.apply(this, args);
    const [filter] = args;
    if (filter !== undefined && "f" in filter && (searches += 1) === 1) {
      const toArray = cursor.toArray.bind(cursor);
      cursor.toArray = async () => {
        searches += 1;
        await something();
        return toArray();
      };
    }
    return cursor;
  });
  onTestFinished(() => spy.mockRestore());
  return () => searches;
}

import type { Commit, Driver, Head } from "@fastpaca/core";
import { MongoClient } from "mongodb";
import { expect, onTestFinished, test, vi } from "vitest";
import { openMongo } from "../src/index.js";
import {
  append,
  committed,
  creation,
  databaseOf,
  describeWithMongo,
  head,
  looking,
  opened,
  purge,
} from "./fixture.js";
import { insertsInto, wireProxy, type Verdict } from "./wire-proxy.js";

/** Ids in their order, page by page. */
async function listed(driver: Driver, limit = 2, labels: readonly string[] = []): Promise<string[]> {
  const heads: Head[] = [];
  for (let after: Parameters<Driver["list"]>[0]["after"]; ;) {
    const page = await driver.list({ limit, labels, after });
    heads.push(...page.heads);
    if (page.next === undefined) return heads.map(({ id }) => id);
    after = page.next;
  }
}

await describeWithMongo("listing in MongoDB", (server) => {
  test("a crash before the first commit leaves nothing to be seen", async () => {
    const { url, tcpUrl } = await databaseOf(server);
    let verdict: Verdict = "pass";
    const crashing = await opened(
      await wireProxy(tcpUrl, (message) => (insertsInto(message, "commits") ? verdict : "pass")),
    );
    const driver = await opened(url);
    await committed(driver, creation("b"));
    verdict = "cut";
    expect(await crashing.commit([creation("a")])).toEqual([{ status: "unknown" }]);
    const entries = (await looking(url)).collection<{ _id: { c: string } }>("listing");
    expect(await entries.distinct("_id.c")).toEqual(["a", "b"]);
    expect(await listed(driver)).toEqual(["b"]);
    // Whoever creates it after all finds nothing in the way.
    await committed(driver, creation("a", { updatedAt: 10 }));
    expect(await listed(driver)).toEqual(["a", "b"]);
  });

  test("a crash between the entry and a later commit moves nothing", async () => {
    const { url, tcpUrl } = await databaseOf(server);
    let verdict: Verdict = "pass";
    const crashing = await opened(
      await wireProxy(tcpUrl, (message) => (insertsInto(message, "commits") ? verdict : "pass")),
    );
    await committed(crashing, creation("old", { updatedAt: 1_000 }), creation("new", { updatedAt: 5_000 }));
    verdict = "cut";
    const lost = append("old", 1, [1], { head: { updatedAt: 9_000, labels: ["a=1"] } });
    expect(await crashing.commit([lost])).toEqual([{ status: "unknown" }]);
    const driver = await opened(url);
    expect(await listed(driver)).toEqual(["new", "old"]);
    expect(await listed(driver, 1)).toEqual(["new", "old"]);
    expect(await listed(driver, 1, ["a=1"])).toEqual([]);
  });

  test("a crash behind the commit, before anybody heard of it, loses nothing", async () => {
    const { url, tcpUrl } = await databaseOf(server);
    let verdict: Verdict = "pass";
    const crashing = await opened(
      await wireProxy(tcpUrl, (message) => (insertsInto(message, "commits") ? verdict : "pass")),
    );
    await committed(crashing, creation("old", { updatedAt: 1_000 }), creation("new", { updatedAt: 5_000 }));
    verdict = "cut behind";
    const landed = append("old", 1, [1], { head: { updatedAt: 9_000, labels: ["a=1"] } });
    expect(await crashing.commit([landed])).toEqual([{ status: "unknown" }]);
    const driver = await opened(url);
    expect(await listed(driver, 1)).toEqual(["old", "new"]);
    expect(await listed(driver, 1, ["a=1"])).toEqual(["old"]);
  });

  test("entries that a conversation has left are removed, by whoever left and by whoever lists", async () => {
    const { url } = await databaseOf(server);
    const [driver, other] = await Promise.all([opened(url), opened(url)]);
    const entries = (await looking(url)).collection("listing");
    await committed(
      driver,
      creation("a", { updatedAt: 0 }),
      append("a", 1, [1], { head: { updatedAt: 2_000 } }),
    );
    await expect.poll(() => entries.countDocuments()).toBe(1);
    // This one does not know the conversation, and so not what it leaves behind.
    await committed(other, append("a", 2, [2], { head: { updatedAt: 4_000 } }));
    expect(await entries.countDocuments()).toBe(2);
    expect(await listed(driver)).toEqual(["a"]);
    expect(await entries.countDocuments()).toBe(1);
    expect(await listed(driver)).toEqual(["a"]);
  });

  test("entries left one after the other are removed together", async () => {
    const { url, name } = await databaseOf(server);
    const client = new MongoClient(url, { monitorCommands: true });
    onTestFinished(() => client.close());
    const driver = await openMongo({ client, database: name });
    onTestFinished(() => driver.close());
    let removals = 0;
    client.on("commandStarted", ({ command }) => (removals += command["delete"] === "listing" ? 1 : 0));
    for (let step = 0; step < 20; step += 1) {
      const head = { updatedAt: step * 2_000 };
      await committed(driver, step === 0 ? creation("a", head) : append("a", step, [step], { head }));
    }
    const entries = (await looking(url)).collection("listing");
    await expect.poll(() => entries.countDocuments(), { timeout: 5_000 }).toBe(1);
    expect(removals).toBeLessThan(10);
    expect(await listed(driver)).toEqual(["a"]);
  });

  test("labels that change within one moment are found by the new ones only", async () => {
    const driver = await opened((await databaseOf(server)).url);
    await committed(driver, creation("a", { labels: ["a=1", "b=1"] }), creation("b", { labels: ["a=1"] }));
    await committed(driver, append("a", 1, [1], { head: { updatedAt: 1, labels: ["a=2", "b=1"] } }));
    expect(await listed(driver, 2, ["a=1"])).toEqual(["b"]);
    expect(await listed(driver, 2, ["b=1", "a=2"])).toEqual(["a"]);
  });

  test("pages of any size show each conversation once, many in a moment and many moments", async () => {
    const driver = await opened((await databaseOf(server)).url);
    const ids = Array.from({ length: 60 }, (_, index) => `c${index}`);
    await driver.commit(ids.map((id, index) => creation(id, { updatedAt: Math.floor(index / 7) * 1_000 })));
    await driver.commit(
      ids.slice(0, 20).map((id, index) => append(id, 1, [1], { head: { updatedAt: 9_000 + index * 200 } })),
    );
    const all = await listed(driver, 1000);
    expect(all.toSorted()).toEqual(ids.toSorted());
    for (const limit of [1, 7, 59, 60]) expect(await listed(driver, limit)).toEqual(all);
    const heads = (await driver.heads(all)).map((found) => found?.updatedAt ?? 0);
    expect(heads).toEqual(heads.toSorted((a, b) => b - a));
  });

  test("more conversations than are read at a time, all in one moment", async () => {
    const driver = await opened((await databaseOf(server)).url);
    const ids = Array.from({ length: 2_300 }, (_, index) => `c${index}`);
    for (let start = 0; start < ids.length; start += 1000) {
      await driver.commit(ids.slice(start, start + 1000).map((id) => creation(id)));
    }
    const all = await listed(driver, 1000);
    expect(all.toSorted()).toEqual(ids.toSorted());
  });

  test("a purged conversation is not listed, its next life is", async () => {
    const { url } = await databaseOf(server);
    const [driver, other] = await Promise.all([opened(url), opened(url)]);
    await committed(driver, creation("a"), purge("a", 1));
    expect(await listed(other)).toEqual([]);
    await committed(other, append("a", 2, [1], { head: { life: 2, updatedAt: 2 } }));
    expect(await listed(driver)).toEqual(["a"]);
    expect(await driver.heads(["a"])).toEqual([
      head("a", 3, { life: 2, updatedAt: 2, lastSeq: 1, version: 1 }),
    ]);
  });

  test("a purge in the second of the last change leaves no entry and no label", async () => {
    const { url } = await databaseOf(server);
    const [driver, other] = await Promise.all([opened(url), opened(url)]);
    await committed(driver, creation("kept", { updatedAt: 5000 }));
    const labelled = { labels: ["user=alice"], updatedAt: 5000 };
    await committed(driver, creation("a", labelled), creation("b", labelled));
    const erased = (id: string): Commit => ({
      ...purge(id, 1),
      head: head(id, 2, { purged: true, updatedAt: 5100 }),
    });
    const entries = (await looking(url)).collection<{ _id: { c: string } }>("listing");
    // Who purges what it knows, and who only lists.
    await committed(driver, erased("a"));
    await vi.waitUntil(async () => !(await entries.distinct("_id.c")).includes("a"), { timeout: 20_000 });
    const cold = await opened(url);
    await committed(cold, erased("b"));
    expect(await listed(other)).toEqual(["kept"]);
    expect(await entries.distinct("_id.c")).toEqual(["kept"]);
    // Nor where the next life has begun before anybody looks.
    await committed(driver, creation("c", labelled));
    await committed(await opened(url), erased("c"));
    await committed(driver, append("c", 2, [1], { head: { life: 2, updatedAt: 5200 } }));
    expect(await listed(other)).toEqual(["c", "kept"]);
    expect(await entries.countDocuments({ t: { $exists: true } })).toBe(0);
  });

  test("a page of many moments is read with few commands, by whoever remembers nothing", async () => {
    const { url, name } = await databaseOf(server);
    const driver = await opened(url);
    const ids = Array.from({ length: 60 }, (_, index) => `c${index}`);
    await driver.commit(ids.map((id, index) => creation(id, { updatedAt: index * 1_000 })));
    const client = new MongoClient(url, { monitorCommands: true });
    onTestFinished(() => client.close());
    const cold = await openMongo({ client, database: name });
    onTestFinished(() => cold.close());
    let commands = 0;
    client.on("commandStarted", () => (commands += 1));
    expect(await listed(cold, 50)).toEqual(ids.toReversed());
    expect(commands).toBeLessThan(20);
  });

  test("a life that begins in the second in which the one before ended is listed for good", async () => {
    const { url } = await databaseOf(server);
    const [driver, other] = await Promise.all([opened(url), opened(url)]);
    const at = { updatedAt: 5000 };
    await committed(driver, creation("a", at));
    await committed(driver, { ...purge("a", 1), head: head("a", 2, { purged: true, ...at }) });
    await committed(other, append("a", 2, [1], { head: { life: 2, ...at } }));
    expect(await listed(driver)).toEqual(["a"]);
    const entries = (await looking(url)).collection<{ _id: object }>("listing");
    await vi.waitUntil(async () => (await entries.countDocuments()) === 1, { timeout: 20_000 });
    expect(await entries.findOne()).toEqual({ _id: { s: 5, c: "a", l: 2 } });
    // Each of them, whatever it remembers.
    for (const reader of [driver, other, await opened(url)]) expect(await listed(reader)).toEqual(["a"]);
    // Who has seen to an entry of the former life sees to one of the next.
    await committed(driver, creation("b", at));
    await committed(other, { ...purge("b", 1), head: head("b", 2, { purged: true, ...at }) });
    expect(await listed(await opened(url))).toEqual(["a"]);
    await driver.heads(["b"]);
    await committed(driver, append("b", 2, [1], { head: { life: 2, ...at } }));
    expect(await listed(await opened(url))).toEqual(["a", "b"]);
    await committed(driver, { ...purge("b", 3), head: head("b", 4, { purged: true, life: 2, ...at }) });
    // Of two lives in one second, each ended where the other process began it.
    await committed(other, { ...purge("a", 3), head: head("a", 4, { purged: true, life: 2, ...at }) });
    await committed(driver, append("a", 4, [1], { head: { life: 3, ...at } }));
    for (const reader of [driver, other, await opened(url)]) expect(await listed(reader)).toEqual(["a"]);
  });

  test("the entry of a life that is about to begin is not taken away", async () => {
    const { url, tcpUrl } = await databaseOf(server);
    let verdict: Verdict = "pass";
    const slow = await opened(
      await wireProxy(tcpUrl, (message) => (insertsInto(message, "commits") ? verdict : "pass")),
    );
    const driver = await opened(url);
    await committed(driver, creation("a"), purge("a", 1));
    verdict = "cut";
    const reborn = append("a", 2, [1], { head: { life: 2, updatedAt: 2 } });
    expect(await slow.commit([reborn])).toEqual([{ status: "unknown" }]);
    expect(await listed(driver)).toEqual([]);
    const entries = (await looking(url)).collection<{ _id: object }>("listing");
    expect((await entries.find().toArray()).map(({ _id }) => _id)).toContainEqual({ s: 0, c: "a", l: 2 });
    verdict = "pass";
    await committed(slow, reborn);
    expect(await listed(driver)).toEqual(["a"]);
  });

  test("entries that a release without lives wrote are good for any life", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    await committed(
      driver,
      creation("a"),
      purge("a", 1),
      append("a", 2, [1], { head: { life: 2, updatedAt: 2 } }),
    );
    const entries = (await looking(url)).collection<{ _id: object }>("listing");
    await entries.deleteMany({});
    await entries.insertOne({ _id: { s: 0, c: "a" } });
    for (let round = 0; round < 2; round += 1) expect(await listed(await opened(url))).toEqual(["a"]);
    await committed(driver, append("a", 3, [2], { head: { life: 2, updatedAt: 3, labels: ["x=1"] } }));
    expect(await listed(driver)).toEqual(["a"]);
    expect(await listed(driver, 2, ["x=1"])).toEqual(["a"]);
  });
});

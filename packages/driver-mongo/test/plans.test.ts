import { MongoClient, type Document } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import { openMongo } from "../src/index.js";
import { append, committed, creation, databaseOf, describeWithMongo, key, mark, purge } from "./fixture.js";

const EXPLAINABLE = new Set(["find", "aggregate", "update", "delete"]);

await describeWithMongo("query plans in MongoDB", (server) => {
  test("every query is answered from an index, in its order", async () => {
    const { url } = await databaseOf(server);
    const client = new MongoClient(url, { monitorCommands: true });
    onTestFinished(() => client.close());
    const commands = new Map<string, Document>();
    client.on("commandStarted", ({ commandName, command }) => {
      const { lsid: _, $db: __, $clusterTime: ___, ...rest } = command;
      const collection = String(rest[commandName]);
      if (!EXPLAINABLE.has(commandName) || collection === "meta" || collection === "hints") return;
      const shape = JSON.stringify([
        commandName,
        Object.keys(rest["filter"] ?? {}),
        rest["sort"],
        rest["filter"]?.f,
      ]);
      commands.set(`${collection} ${shape}`, rest);
    });
    const driver = await openMongo({ client, database: new URL(url).pathname.slice(1) });
    onTestFinished(() => driver.close());

    // Enough beside what is asked for that reading everything would be noticed.
    for (let base = 0; base < 60; base += 1) {
      const batch = Array.from({ length: 10 }, (_, index) => `c${index}`).map((id) =>
        base === 0
          ? creation(id, { labels: ["a=1"] })
          : append(id, base, [base], {
              keys: base % 2 === 0 ? [key(`k${base}`, base)] : [],
              marks: base % 10 === 0 ? [mark(base, "compaction")] : [],
              head: { labels: ["a=1"], updatedAt: base * 100, firstSeq: Math.max(1, base - 29) },
            }),
      );
      await driver.commit(batch);
    }
    await driver.commit([append("c1", 3, [3])]);
    await driver.commit([append("c1", 60, [60], { keys: [key("k2")] })]);
    await driver.heads(["c1", "nobody"]);
    await driver.heads(["c1", "nobody"]);
    await driver.messages("c1", 10, 20);
    await driver.messages("c1", 58, 70);
    await driver.marks("c1", 20, 2);
    await driver.keys("c1", ["k2", "k3"]);
    const { next } = await driver.list({ limit: 3, labels: [] });
    await driver.list({ limit: 3, labels: ["a=1"], after: next });
    await driver.prune("c2", 30);
    await committed(driver, purge("c3", 60));
    await driver.close();

    const db = client.db(new URL(url).pathname.slice(1));
    expect(commands.size).toBeGreaterThan(10);
    for (const [shape, command] of commands) {
      const {
        readConcern: _,
        writeConcern: __,
        $readPreference: ___,
        maxTimeMS: ____,
        ...explained
      } = command;
      if (Array.isArray(explained["updates"])) explained["updates"] = explained["updates"].slice(0, 1);
      const plan = await db.command({ explain: explained, verbosity: "executionStats" });
      const text = JSON.stringify(plan);
      expect(text, shape).not.toMatch(/"stage":"(COLLSCAN|SORT)"/u);
      if (command["aggregate"] === undefined)
        expect(text, shape).toMatch(/"stage":"(IXSCAN|IDHACK|EXPRESS_\w+)"/u);
      else expect(text, shape).toContain('"indexesUsed":["_id_"]');
      // Not more than what it answers with, and the entries that end its ranges.
      for (const [, examined] of text.matchAll(/"totalDocsExamined":"?(\d+)/gu)) {
        expect(Number(examined), shape).toBeLessThan(45);
      }
    }
  });
});

import { DriverUnavailableError, type CommitOutcome, type Head } from "@fastpaca/core";
import { MongoClient } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import { openMongo } from "../src/index.js";
import {
  append,
  committed,
  creation,
  databaseOf,
  describeWithMongo,
  head,
  key,
  looking,
  mark,
  opened,
  purge,
} from "./fixture.js";
import { finds, updates, wireProxy, type Verdict } from "./wire-proxy.js";

await describeWithMongo("commits in MongoDB", (server) => {
  test("a slow writer is told of the conflict although what it conflicts with was pruned", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    const slow = await opened(url);
    await committed(driver, creation("a"));
    await slow.heads(["a"]);
    await committed(
      driver,
      append("a", 1, [1]),
      append("a", 2, [2]),
      append("a", 3, [3], { head: { firstSeq: 3 } }),
    );
    await driver.prune("a", 3);
    const late = append("a", 1, [1], { body: '{"late":true}' });
    expect(await slow.commit([late])).toEqual([
      { status: "conflict", head: head("a", 4, { lastSeq: 3, firstSeq: 3, version: 3 }) },
    ]);
    expect((await driver.messages("a", 1, 9)).map(({ seq }) => seq)).toEqual([3]);
    const left = await (
      await looking(url)
    )
      .collection("commits")
      .find({}, { sort: { _id: 1 } })
      .toArray();
    expect(left.map((document) => Object.keys(document))).toEqual([
      ["_id"],
      ["_id"],
      ["_id"],
      expect.any(Array),
    ]);
  });

  test("a slow writer is told of the conflict although everything was purged, in the next life too", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    const slow = await opened(url);
    await committed(driver, creation("a"), append("a", 1, [1]));
    await slow.heads(["a"]);
    await committed(driver, append("a", 2, [2]), purge("a", 3));
    const late = append("a", 2, [2], { body: '{"late":true}' });
    expect((await slow.commit([late]))[0]?.status).toBe("conflict");
    await committed(driver, append("a", 4, [1], { head: { life: 2 } }));
    expect((await slow.commit([late]))[0]?.status).toBe("conflict");
    expect(await slow.messages("a", 1, 9)).toEqual(append("a", 4, [1]).messages);
  });

  test("commits are acknowledged from the journal, and by a majority where there is one", async () => {
    const { url, name } = await databaseOf(server);
    const client = new MongoClient(url, { monitorCommands: true });
    onTestFinished(() => client.close());
    const driver = await openMongo({ client, database: name });
    onTestFinished(() => driver.close());
    const concerns: unknown[] = [];
    client.on("commandStarted", ({ command }) => {
      if (command["insert"] === "commits") concerns.push(command["writeConcern"]);
    });
    await committed(driver, creation("a"));
    // A single server that is asked for a majority acknowledges what it has not written to its journal.
    const w = server.kind === "engine" ? 1 : expect.anything();
    expect(concerns).toEqual([expect.objectContaining({ w, j: true })]);
  });

  test.runIf(server.kind === "engine")(
    "a single server shows no head and no key before its journal has it",
    async () => {
      const { url, tcpUrl } = await databaseOf(server);
      const driver = await opened(url);
      let verdict: Verdict = "pass";
      const reader = await opened(
        await wireProxy(tcpUrl, (message) => (updates(message, "commits") ? verdict : "pass")),
      );
      await committed(driver, creation("a"), append("a", 1, [1], { keys: [key("k")] }));
      verdict = "cut";
      await expect(reader.heads(["a"])).rejects.toBeInstanceOf(DriverUnavailableError);
      // What was not waited for is not remembered either.
      expect((await reader.commit([append("a", 2, [2])]).catch((error: unknown) => [error]))[0]).not.toEqual({
        status: "committed",
      });
      verdict = "pass";
      expect((await reader.heads(["a"]))[0]?.revision).toBe(2);
      expect(await reader.keys("a", ["k"])).toEqual([key("k")]);
      // What is remembered needs no journal, a key that came behind it does.
      verdict = "cut";
      expect((await reader.heads(["a"]))[0]?.revision).toBe(2);
      await committed(driver, append("a", 2, [2], { keys: [key("later")] }));
      await expect(reader.keys("a", ["later"])).rejects.toBeInstanceOf(DriverUnavailableError);
      verdict = "pass";
      expect(await reader.keys("a", ["later"])).toEqual([key("later")]);
      // A head that was waited for is built on at once.
      expect((await reader.heads(["a"]))[0]?.revision).toBe(3);
      verdict = "cut";
      expect(await reader.commit([append("a", 3, [3])])).toEqual([{ status: "committed" }]);
    },
  );

  test.runIf(server.kind === "engine")(
    "what a restart takes back while its journal is waited for is neither shown nor built on",
    async () => {
      const { url, tcpUrl } = await databaseOf(server);
      const driver = await opened(url);
      const commits = (await looking(url)).collection<{ _id: { c: string; r: number } }>("commits");
      const late = append("a", 2, [2], { keys: [key("late", 2)] });
      let restarting = false;
      const reader = await opened(
        await wireProxy(tcpUrl, async (message): Promise<Verdict> => {
          if (restarting && updates(message, "commits")) await commits.deleteOne({ _id: { c: "a", r: 3 } });
          return "pass";
        }),
      );
      await committed(driver, creation("a"), creation("b"), append("a", 1, [1]), late);
      restarting = true;
      await expect(reader.heads(["b", "a"])).rejects.toBeInstanceOf(DriverUnavailableError);
      expect(await reader.commit([append("a", 3, [3])])).toMatchObject([{ status: "conflict" }]);
      expect(await commits.countDocuments({ "_id.c": "a" })).toBe(2);
      expect((await reader.heads(["a"]))[0]?.revision).toBe(2);
      restarting = false;
      await committed(await opened(url), late);
      restarting = true;
      await expect(reader.keys("a", ["late"])).rejects.toBeInstanceOf(DriverUnavailableError);
      expect(await reader.keys("a", ["late"])).toEqual([]);
    },
  );

  test("a commit on a revision that does not exist leaves no gap", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    await committed(driver, creation("a"));
    const outcomes = await driver.commit([append("a", 2, [1]), append("b", 1, [1])]);
    expect(outcomes).toEqual([
      { status: "conflict", head: head("a", 1) },
      { status: "conflict", head: undefined },
    ]);
    expect(await (await looking(url)).collection("commits").countDocuments()).toBe(1);
  });

  test("a key that is held by the next life, when it is looked up, is none that was in the way", async () => {
    const { url, tcpUrl } = await databaseOf(server);
    const driver = await opened(url);
    await committed(driver, creation("a"), append("a", 1, [1], { keys: [key("k")] }));
    const reborn = append("a", 3, [1, 2], { keys: [key("k", 2)], head: { life: 2 } });
    let looks = 0;
    const slow = await opened(
      await wireProxy(tcpUrl, async (message): Promise<Verdict> => {
        if (finds(message, "commits") && message.includes("$in") && (looks += 1) === 1)
          await committed(driver, purge("a", 2), reborn);
        return "pass";
      }),
    );
    const commit = append("a", 2, [2], { keys: [key("k")] });
    expect(await slow.commit([commit])).toEqual([{ status: "conflict", head: reborn.head }]);
    expect(looks).toBeGreaterThan(0);
  });

  test("a commit whose base lands while it conflicts is not told that its base has won", async () => {
    const { url, tcpUrl } = await databaseOf(server);
    const driver = await opened(url);
    await committed(driver, creation("a"));
    let looks = 0;
    const early = await opened(
      await wireProxy(tcpUrl, async (message): Promise<Verdict> => {
        if (message.includes("$lookup") && (looks += 1) === 1) await committed(driver, append("a", 1, [1]));
        return "pass";
      }),
    );
    expect(await early.commit([append("a", 2, [2])])).toEqual([{ status: "conflict", head: undefined }]);
    expect(looks).toBe(1);
    expect((await early.heads(["a"]))[0]?.revision).toBe(2);
  });

  test("two handles race for each revision, and exactly one wins each", async () => {
    const { url } = await databaseOf(server);
    const handles = await Promise.all([opened(url), opened(url)]);
    await committed(handles[0], creation("a"));
    for (let base = 1; base <= 30; base += 1) {
      const outcomes = await Promise.all(
        handles.map(async (driver, index) => {
          const body = `{"by":${index}}`;
          const [outcome] = await driver.commit([
            append("a", base, [base], { body, head: { state: `${index}` } }),
          ]);
          return outcome;
        }),
      );
      const winner = outcomes.findIndex((outcome) => outcome?.status === "committed");
      expect(new Set(outcomes.map((outcome) => outcome?.status))).toEqual(new Set(["committed", "conflict"]));
      expect(winningHead(outcomes[1 - winner])?.state).toBe(`${winner}`);
      expect((await handles[0].messages("a", base, base))[0]?.body).toBe(`{"by":${winner}}`);
    }
  });

  test("keys hold within a conversation and its life, also when their messages are pruned", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    await committed(driver, creation("a"), creation("b"));
    await committed(
      driver,
      append("a", 1, [1], { keys: [key("k")] }),
      append("b", 1, [1], { keys: [key("k")] }),
    );
    await committed(driver, append("a", 2, [2]), append("a", 3, [3], { head: { firstSeq: 3 } }));
    await driver.prune("a", 3);
    const again = append("a", 4, [4], { keys: [key("k", 4)] });
    expect(await driver.commit([again])).toEqual([{ status: "duplicate", held: [key("k")] }]);
    await committed(driver, purge("a", 4), append("a", 5, [1], { keys: [key("k", 9)], head: { life: 2 } }));
    expect(await driver.keys("a", ["k", "x"])).toEqual([key("k", 9)]);
  });

  test("commits without a key are not in each other's way", async () => {
    const driver = await opened((await databaseOf(server)).url);
    await committed(driver, creation("a"), append("a", 1, [1]), append("a", 2, [2]), append("a", 3, [3]));
    expect(await driver.messages("a", 1, 9)).toHaveLength(3);
  });

  test("which index was violated is told by its fields, whatever users wrote", async () => {
    const driver = await opened((await databaseOf(server)).url);
    const asKeys = "x index: keys dup key: { _id.c: 1, l: 1, k: 1 }";
    const asId = "x index: _id_ dup key: { _id: { c: 1, r: 1 } }";
    await committed(driver, creation(asKeys), creation(asId));
    await committed(driver, append(asId, 1, [1], { keys: [key(asId)] }));
    const outcomes = await driver.commit([
      creation(asKeys, { state: "other" }),
      append(asId, 2, [2], { keys: [key(asId, 2)] }),
    ]);
    expect(outcomes).toEqual([
      { status: "conflict", head: head(asKeys, 1) },
      { status: "duplicate", held: [key(asId)] },
    ]);
  });

  test("of a taken revision and a held key, the revision is what counts", async () => {
    const driver = await opened((await databaseOf(server)).url);
    await committed(driver, creation("a"), append("a", 1, [1], { keys: [key("k")] }));
    const [outcome] = await driver.commit([append("a", 1, [1], { keys: [key("k")] })]);
    expect(outcome).toEqual({ status: "conflict", head: head("a", 2, { lastSeq: 1, version: 1 }) });
  });

  test("a process that has not noticed a purge neither shows nor holds anything of the old life", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    const unaware = await Promise.all([1, 2, 3, 4, 5, 6].map(() => opened(url)));
    const extra = { keys: [key("k")], marks: [mark(2)] };
    await committed(driver, creation("a"), append("a", 1, [1], extra));
    for (const one of unaware) await one.heads(["a"]);
    await committed(driver, purge("a", 2));
    expect(await unaware[0]?.messages("a", 1, 9)).toEqual([]);
    expect(await unaware[1]?.marks("a", 0, 9)).toEqual([]);
    expect(await unaware[2]?.keys("a", ["k"])).toEqual([]);
    await committed(
      driver,
      append("a", 3, [1, 2], { marks: [mark(3)], keys: [key("n")], head: { life: 2 } }),
    );
    expect(await unaware[3]?.messages("a", 2, 9)).toHaveLength(1);
    expect(await unaware[4]?.marks("a", 0, 9)).toEqual([mark(3)]);
    expect(await unaware[5]?.keys("a", ["k", "n"])).toEqual([key("n")]);
  });

  test("what is purged can be purged again", async () => {
    const driver = await opened((await databaseOf(server)).url);
    await committed(driver, creation("a"), purge("a", 1), purge("a", 2));
    expect(await driver.heads(["a"])).toEqual([purge("a", 2).head]);
  });

  test("a purge that a crash interrupted is finished by whoever opens the store next", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    await committed(
      driver,
      creation("a"),
      ...[1, 2, 3].map((base) => append("a", base, [base], { keys: [key(`${base}`)] })),
    );
    const commits = (await looking(url)).collection("commits");
    const before = await commits.find().toArray();
    await committed(driver, purge("a", 4));
    await expect.poll(() => commits.countDocuments({ e: true })).toBe(0);
    expect(await commits.findOne({ l: 1, f: { $gt: 0 } })).toBeNull();
    await driver.close();
    // As if it had ended right behind the purge's own commit.
    for (const document of before) await commits.replaceOne({ _id: document._id }, document);
    await commits.updateOne({ f: 0 }, { $set: { e: true } });
    const next = await opened(url);
    expect(await next.messages("a", 1, 9)).toEqual([]);
    await expect.poll(() => commits.countDocuments({ e: true })).toBe(0);
    const left = await commits.find({ f: { $ne: 0 } }).toArray();
    expect(left.map((document) => Object.keys(document))).toEqual([["_id"], ["_id"], ["_id"], ["_id"]]);
  });

  test("batches and commits at the limits are taken, and divided over as many commands as it takes", async () => {
    const driver = await opened((await databaseOf(server)).url);
    const { maxBatch, maxCommitBytes } = driver.limits;
    const many = Array.from({ length: maxBatch }, (_, index) => creation(`c${index}`));
    expect(new Set((await driver.commit(many)).map(({ status }) => status))).toEqual(new Set(["committed"]));
    const ids = ["c0", "c1"];
    // Two bytes to the character: bytes count, not characters.
    const body = JSON.stringify("é".repeat(maxCommitBytes / 2 - 1024));
    const large = ids.map((id) => append(id, 1, [1], { body }));
    const stale = append("c4", 0, [1], { body: "{}" });
    const outcomes = await driver.commit([...large, stale]);
    expect(outcomes.map(({ status }) => status)).toEqual([...ids.map(() => "committed"), "conflict"]);
    expect((await driver.messages("c1", 1, 1))[0]?.body === body).toBe(true);
  });

  test("ids and keys that look like paths, operators and patterns are ids and keys", async () => {
    const { url } = await databaseOf(server);
    const [driver, other] = await Promise.all([opened(url), opened(url)]);
    const ids = ["$", "$a.b", "$$ROOT", "a.b", "a$", "^a", "{}", "__proto__"];
    await driver.commit(ids.map((id) => creation(id, { labels: [`${id}=1`] })));
    await driver.commit(
      ids.map((id) => append(id, 1, [1], { keys: [key(id)], head: { labels: [`${id}=1`], firstSeq: 2 } })),
    );
    expect((await other.heads(ids)).map((found) => found?.id)).toEqual(ids);
    for (const id of ids) {
      expect(await other.keys(id, [...ids])).toEqual([key(id)]);
      const { heads } = await other.list({ limit: 9, labels: [`${id}=1`] });
      expect(heads.map((found) => found.id)).toEqual([id]);
      await other.prune(id, 2);
      expect(await driver.messages(id, 1, 9)).toEqual([]);
    }
    const outcomes = await other.commit(ids.map((id) => purge(id, 2)));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["committed"]));
  });

  test("text that BSON could not hold as names comes back as it was", async () => {
    const driver = await opened((await databaseOf(server)).url);
    const body = JSON.stringify({ "\0": 1, "$a.b": { "": [] }, ["__proto__"]: "\ud800" });
    const raw = '{"nul":"\0"}';
    await committed(driver, creation("a", { metadata: body, state: raw, labels: ["a=\\u0000"] }));
    await committed(driver, append("a", 1, [1], { body: raw, marks: [{ ...mark(2), body }] }));
    expect((await driver.messages("a", 1, 1))[0]?.body).toBe(raw);
    expect((await driver.marks("a", 0, 1))[0]?.body).toBe(body);
  });
});

function winningHead(outcome: CommitOutcome | undefined): Head | undefined {
  return outcome?.status === "conflict" ? outcome.head : undefined;
}

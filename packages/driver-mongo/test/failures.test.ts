import { DriverUnavailableError } from "@fastpaca/core";
import { createServer } from "node:net";
import { MongoClient, MongoWriteConcernError } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import mongo, { openMongo } from "../src/index.js";
import { asUnavailable, nothingWasDone } from "../src/failures.js";
import { append, committed, creation, databaseOf, describeWithMongo, looking, opened } from "./fixture.js";
import { insertsInto, wireProxy, type Verdict } from "./wire-proxy.js";

await describeWithMongo("failures of MongoDB", (server) => {
  test("a commit whose answer is lost is unknown; handed over again it turns out to have landed", async () => {
    const { tcpUrl } = await databaseOf(server);
    let verdict: Verdict = "pass";
    const driver = await opened(
      await wireProxy(tcpUrl, (message) => (insertsInto(message, "commits") ? verdict : "pass")),
    );
    await committed(driver, creation("a"));
    verdict = "cut behind";
    const commit = append("a", 1, [1], { head: { state: '{"token":"t"}' } });
    expect(await driver.commit([commit])).toEqual([{ status: "unknown" }]);
    verdict = "pass";
    expect(await driver.commit([commit])).toEqual([{ status: "conflict", head: commit.head }]);
    expect(await driver.heads(["a"])).toEqual([commit.head]);
  });

  test("a commit that never arrived is unknown too; handed over again it lands", async () => {
    const { tcpUrl } = await databaseOf(server);
    let verdict: Verdict = "pass";
    const driver = await opened(
      await wireProxy(tcpUrl, (message) => (insertsInto(message, "commits") ? verdict : "pass")),
    );
    await committed(driver, creation("a"));
    verdict = "cut";
    const commit = append("a", 1, [1]);
    expect(await driver.commit([commit])).toEqual([{ status: "unknown" }]);
    verdict = "pass";
    await committed(driver, commit);
  });

  test("a server that stops answering holds up no call for longer than its deadline, and none behind it", async () => {
    const { tcpUrl } = await databaseOf(server);
    let verdict: Verdict = "pass";
    const driver = await opened(
      // It goes on saying that it is well, as a server does whose disk hangs.
      await wireProxy(tcpUrl, (message) =>
        /hello|ismaster/iu.test(message.toString("latin1")) ? "pass" : verdict,
      ),
    );
    await committed(driver, creation("a"));
    verdict = "swallow";
    const calls = await Promise.allSettled([
      driver.commit([append("a", 1, [1])]),
      driver.heads(["a"]),
      driver.messages("a", 1, 9),
      driver.list({ limit: 1, labels: [] }),
      driver.prune("a", 1),
    ]);
    expect(calls.slice(1).map(({ status }) => status)).toEqual([
      "rejected",
      "rejected",
      "rejected",
      "rejected",
    ]);
    for (const call of calls) {
      if (call.status === "rejected") expect(call.reason).toBeInstanceOf(DriverUnavailableError);
      else expect(call.value).toEqual([{ status: "unknown" }]);
    }
    verdict = "pass";
    expect(await driver.heads(["a"])).toEqual([creation("a").head]);
  }, 20_000);

  test("a client that the application brought is used, and left open", async () => {
    const { url, name } = await databaseOf(server);
    const client = new MongoClient(url, { promoteValues: false, ignoreUndefined: true, retryWrites: true });
    onTestFinished(() => client.close());
    const driver = await openMongo({ client, database: name, collectionPrefix: "chat_" });
    const commit = append("a", 1, [1]);
    await committed(driver, creation("a"), commit);
    expect(await driver.heads(["a", "b"])).toEqual([commit.head, undefined]);
    const other = await openMongo({ client, database: name, collectionPrefix: "chat_" });
    expect(await other.heads(["a"])).toEqual([commit.head]);
    expect(await other.messages("a", 1, 1)).toEqual(commit.messages);
    await other.close();
    await driver.close();
    await expect(driver.heads(["a"])).rejects.toThrow("closed");
    expect(await client.db(name).collection("chat_commits").find().toArray()).toHaveLength(2);
  });

  test("the URL says which database and which collections", async () => {
    const { url, name } = await databaseOf(server);
    const joined = url.includes("?") ? `${url}&collectionPrefix=x_` : `${url}?collectionPrefix=x_`;
    const driver = await mongo.open(joined);
    onTestFinished(() => driver.close());
    await committed(driver, creation("a"));
    expect(await (await opened(url)).heads(["a"])).toEqual([undefined]);
    const db = await looking(url);
    expect(db.databaseName).toBe(name);
    expect((await db.listCollections({ name: /^x_/u }, { nameOnly: true }).toArray()).length).toBeGreaterThan(
      2,
    );
  });

  test("collections of a later version are refused, and a store opened by many at once is opened", async () => {
    const { url } = await databaseOf(server);
    await Promise.all(Array.from({ length: 4 }, () => opened(url)));
    const meta = (await looking(url)).collection<{ _id: string }>("meta");
    await meta.updateOne({ _id: "schema" }, { $set: { version: 99 } });
    await expect(openMongo({ url })).rejects.toThrow("later version of this driver (99");
  });

  test("a server that dies while committing has what it acknowledged when it is back", async ({ skip }) => {
    if (server.kill === undefined || server.restart === undefined)
      return skip("the server is not ours to kill");
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    const ids = Array.from({ length: 20 }, (_, index) => `c${index}`);
    await driver.commit(ids.map((id) => creation(id)));
    const acknowledged = new Map<string, number>();
    let dying: Promise<void> | undefined;
    for (let base = 1; ; base += 1) {
      const committing = driver.commit(
        ids.map((id) => append(id, base, [base], { head: { updatedAt: base * 1000 } })),
      );
      if (base === 20) dying = server.kill();
      const outcomes = await committing.catch((error: unknown) => {
        expect(error).toBeInstanceOf(DriverUnavailableError);
        return [];
      });
      for (const [index, { status }] of outcomes.entries()) {
        if (status === "committed") acknowledged.set(ids[index] ?? "", base + 1);
      }
      if (outcomes.every(({ status }) => status !== "committed")) break;
    }
    await dying;
    await server.restart();
    const heads = await driver.heads(ids);
    for (const [index, id] of ids.entries()) {
      const revision = heads[index]?.revision ?? 0;
      expect(acknowledged.get(id)).toBeGreaterThanOrEqual(20);
      expect(revision).toBeGreaterThanOrEqual(acknowledged.get(id) ?? Infinity);
      expect((await driver.messages(id, 1, 1000)).map(({ seq }) => seq)).toEqual(
        Array.from({ length: revision - 1 }, (_, seq) => seq + 1),
      );
    }
    const page = await driver.list({ limit: 100, labels: [] });
    expect(page.heads.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    const outcomes = await driver.commit(
      ids.map((id, index) => append(id, heads[index]?.revision ?? 0, [1])),
    );
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["committed"]));
  }, 30_000);
});

test("a server that cannot be reached is said to be so, and the password is not", async () => {
  const free = createServer();
  const port = await new Promise<number>((resolve) => {
    free.listen(0, "127.0.0.1", () => {
      const address = free.address();
      resolve(address !== null && typeof address === "object" ? address.port : 0);
    });
  });
  await new Promise((closed) => free.close(closed));
  const opening = openMongo({ url: `mongodb://someone:s3cret@127.0.0.1:${port}/x` });
  const error: unknown = await opening.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DriverUnavailableError);
  expect(String(error)).toContain("no server can be reached");
  expect(everything(error)).not.toContain("s3cret");
}, 10_000);

test("a URL that cannot be read is refused without quoting it", async () => {
  const refused = async (url: string): Promise<string> => {
    const error: unknown = await openMongo({ url }).catch((reason: unknown) => reason);
    expect(everything(error)).not.toContain("s3cret");
    return String(error);
  };
  expect(await refused("mongodb://u:s3cret@/x")).toMatch(/looks like|cannot be understood/u);
  expect(await refused("mongodb://u:s3cret@h:port/x")).toContain("cannot be understood");
  expect(await refused("mongodb://u:s3cret@h/x?%zz=s3cret")).toContain("cannot be understood");
  expect(await refused("mongodb://u:s3cret@h/x?colectionPrefix=1")).toContain("colectionprefix");
  expect(await refused("mongodb://u:s3cret@h/x?collectionPrefix=a$")).toContain("collection prefix");
  expect(await refused("mongodb://u:s3cret@h/%zz")).toContain("hexadecimal");
});

test("what is certain not to have been done is told from what is not", () => {
  const named = (name: string, more: object = {}): Error => Object.assign(new Error("x"), { name, ...more });
  expect(nothingWasDone(named("MongoServerSelectionError"), 9)).toBe(true);
  expect(nothingWasDone(named("MongoPoolClearedError"), 9)).toBe(true);
  const concern = { ok: 1, n: 1, writeConcernError: { code: 10107, errmsg: "not the primary" } } as const;
  expect(nothingWasDone(new MongoWriteConcernError(concern), 1)).toBe(false);
  expect(nothingWasDone(named("MongoNetworkError", { beforeHandshake: true }), 9)).toBe(true);
  expect(nothingWasDone(named("MongoServerError", { code: 13 }), 9)).toBe(true);
  expect(nothingWasDone(named("MongoServerError", { code: 10107 }), 1)).toBe(true);
  // A batch may have begun before the server lost its office.
  expect(nothingWasDone(named("MongoServerError", { code: 10107 }), 2)).toBe(false);
  expect(nothingWasDone(named("MongoServerError", { code: 11602 }), 1)).toBe(false);
  expect(nothingWasDone(named("MongoNetworkError", { beforeHandshake: false }), 1)).toBe(false);
  expect(nothingWasDone(named("MongoPoolClearedOnNetworkError"), 1)).toBe(false);
  expect(nothingWasDone(named("TimeoutError"), 1)).toBe(false);
  expect(String(asUnavailable("cannot be opened", named("MongoServerError", { code: 18 })))).toContain(
    "password",
  );
  expect(asUnavailable("x", new TypeError("mine"))).toBeInstanceOf(TypeError);
});

/** An error with all its causes and properties, as a log might show it. */
function everything(error: unknown): string {
  const texts: string[] = [];
  for (let next = error; next instanceof Error; next = next.cause) {
    texts.push(String(next), next.stack ?? "", JSON.stringify(next));
  }
  return texts.join("\n");
}

import { expect, test } from "vitest";
import { committed, creation, databaseOf, describeWithMongo, looking, opened } from "./fixture.js";

interface Entry {
  _id: { s: number; c: string } | { b: number; c: string };
  t?: string[];
}

await describeWithMongo("migrating in MongoDB", (server) => {
  test("a database of version 1 is brought to the longer slots, by as many as open it", async () => {
    const { url } = await databaseOf(server);
    const before = await opened(url);
    await committed(
      before,
      creation("a", { updatedAt: 2_300, labels: ["x=1"] }),
      creation("b", { updatedAt: 5_000 }),
      creation("c", { updatedAt: 8_900 }),
    );
    await before.close();
    const db = await looking(url);
    const entries = db.collection<Entry>("listing");
    await entries.deleteMany({});
    await entries.insertMany([
      // As version 1 left them: two of one conversation, of which the earlier had a label more.
      { _id: { b: 8, c: "a" }, t: ["x=2"] },
      { _id: { b: 9, c: "a" }, t: ["x=1"] },
      { _id: { b: 20, c: "b" } },
      { _id: { b: 35, c: "c" } },
      // And what an interrupted migration had done already.
      { _id: { s: 8, c: "c" } },
    ]);
    await db.collection<{ _id: string }>("meta").updateOne({ _id: "schema" }, { $set: { version: 1 } });

    const [driver] = await Promise.all([opened(url), opened(url), opened(url)]);
    const left = await entries.find({}, { sort: { _id: 1 } }).toArray();
    expect(left.map(({ _id, t }) => [_id, t?.toSorted()])).toEqual([
      [{ s: 2, c: "a" }, ["x=1", "x=2"]],
      [{ s: 5, c: "b" }, undefined],
      [{ s: 8, c: "c" }, undefined],
    ]);
    expect(await db.collection("meta").findOne()).toEqual({ _id: "schema", version: 2 });
    const listed = await driver.list({ limit: 9, labels: [] });
    expect(listed.heads.map(({ id }) => id)).toEqual(["c", "b", "a"]);
    const labelled = await driver.list({ limit: 9, labels: ["x=1"] });
    expect(labelled.heads.map(({ id }) => id)).toEqual(["a"]);
  });

  test("however many entries it has", async () => {
    const { url } = await databaseOf(server);
    await (await opened(url)).close();
    const db = await looking(url);
    const entries = db.collection<Entry>("listing");
    await entries.insertMany(
      Array.from({ length: 2500 }, (_, index) => ({ _id: { b: index, c: `c${index}` } })),
    );
    await db.collection<{ _id: string }>("meta").updateOne({ _id: "schema" }, { $set: { version: 1 } });

    await opened(url);
    const left = await entries.find().toArray();
    const slots = new Map(left.map(({ _id }) => [_id.c, "s" in _id ? _id.s : undefined]));
    const expected = Array.from(
      { length: 2500 },
      (_, index) => [`c${index}`, Math.floor(index / 4)] as const,
    );
    expect([left.length, slots]).toEqual([2500, new Map(expected)]);
  });
});

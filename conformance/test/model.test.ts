import type { Commit } from "@fastpaca/core";
import { describe, expect, test } from "vitest";
import { ALIKE, LABELS, OBJECTS, TEXTS } from "../src/arbitraries.js";
import { commitOn, type Step } from "../src/commits.js";
import { Model } from "../src/model.js";

const FULL: Step = {
  token: "t",
  messages: ['"one"', { body: '"two"', tokens: 7, insertedAt: 5 }, '"three"'],
  marks: [
    { kind: "compaction", body: "{}" },
    { kind: "reset", body: "{}", at: 9 },
  ],
  keys: ["first", { key: "second", hash: "h" }],
};

/** The same once more: a conversation takes each key only once. */
const FULL_AGAIN: Step = { ...FULL, token: "again", keys: ["third"] };

/** A model in which every step has landed. */
function after(...steps: readonly Step[]): { readonly model: Model; readonly commits: readonly Commit[] } {
  const model = new Model();
  const commits = steps.map((step) => {
    const commit = commitOn(model.head("c"), "c", step);
    expect(model.commit(commit)).toEqual({ status: "committed" });
    return commit;
  });
  return { model, commits };
}

describe("commitOn", () => {
  test("gives messages and marks the places that follow", () => {
    const { commits } = after(FULL, FULL_AGAIN);
    const [first, second] = commits;
    expect(first).toMatchObject({
      base: 0,
      head: { revision: 1, life: 1, version: 5, lastSeq: 3, firstSeq: 1 },
    });
    expect(first?.messages.map(({ seq, version }) => [seq, version])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    expect(first?.marks.map(({ version, at }) => [version, at])).toEqual([
      [4, first?.head.updatedAt],
      [5, 9],
    ]);
    expect(second).toMatchObject({ base: 1, head: { revision: 2, version: 10, lastSeq: 6 } });
    expect(second?.messages.map(({ seq, version }) => [seq, version])).toEqual([
      [4, 6],
      [5, 7],
      [6, 8],
    ]);
  });

  test("gives each key a message of its own, and the last one the rest", () => {
    const [commit] = after(FULL).commits;
    expect(commit?.keys).toMatchObject([
      { key: "first", firstSeq: 1, lastSeq: 1, version: 1, tokens: 5 },
      { key: "second", hash: "h", firstSeq: 2, lastSeq: 3, version: 3, tokens: 7 },
    ]);
  });

  test("erases with a purge, and starts a new life after it", () => {
    const { commits } = after(
      { ...FULL, metadata: '{"a":1}', labels: ["a=1"] },
      { token: "p", purge: true },
      FULL,
    );
    expect(commits[1]).toMatchObject({
      head: {
        revision: 2,
        life: 1,
        version: 0,
        lastSeq: 0,
        purged: true,
        tombstoned: false,
        metadata: "{}",
        labels: [],
      },
      messages: [],
      marks: [],
      keys: [],
    });
    expect(commits[2]).toMatchObject({
      base: 2,
      head: { revision: 3, life: 2, version: 5, lastSeq: 3, purged: false },
    });
  });
});

describe("the model", () => {
  test("refuses another base before it looks at keys, and shows the head", () => {
    const { model, commits } = after(FULL);
    const late = commitOn(undefined, "c", FULL);
    expect(model.commit(late)).toEqual({ status: "conflict", head: commits[0]?.head });
    const ahead = { ...late, base: 2 };
    expect(model.commit(ahead)).toMatchObject({ status: "conflict" });
    expect(model.refused("c")).toEqual([late, ahead]);
    expect(model.messages("c")).toHaveLength(3);
  });

  test("refuses held keys, and shows them and no others", () => {
    const { model, commits } = after(FULL);
    const held = commitOn(model.head("c"), "c", { token: "x", messages: ["1"], keys: ["new", "second"] });
    expect(model.commit(held)).toEqual({ status: "duplicate", held: [commits[0]?.keys[1]] });
    expect(
      model.commit(commitOn(undefined, "other", { token: "x", messages: ["1"], keys: ["second"] })),
    ).toEqual({
      status: "committed",
    });
  });

  test("reads ranges with both ends, and marks after a version", () => {
    const { model } = after(FULL);
    expect(model.messages("c", 2, 3).map(({ seq }) => seq)).toEqual([2, 3]);
    expect(model.messages("c", 3, 2)).toEqual([]);
    expect(model.marks("c", 4, 9).map(({ version }) => version)).toEqual([5]);
    expect(model.marks("c", 0, 1).map(({ version }) => version)).toEqual([4]);
  });

  test("knows nothing of an earlier life, and lists no purged head", () => {
    const { model } = after(FULL, { token: "p", purge: true });
    expect([model.messages("c"), model.marks("c"), model.keys("c", ["first"]), model.list()]).toEqual([
      [],
      [],
      [],
      [],
    ]);
    expect(model.commit(commitOn(model.head("c"), "c", FULL))).toEqual({ status: "committed" });
    expect(model.messages("c").map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(model.keys("c")).toHaveLength(2);
    expect(model.commit(commitOn(model.head("c"), "c", { token: "q", purge: true }))).toEqual({
      status: "committed",
    });
    expect([model.messages("c"), model.marks("c"), model.keys("c"), model.list()]).toEqual([[], [], [], []]);
  });

  test("prunes messages, and the marks before the oldest one kept but for the newest compaction", () => {
    const { model } = after(FULL, FULL_AGAIN, { token: "trim", firstSeq: 5 });
    model.prune("c", 5);
    expect(model.messages("c").map(({ seq }) => seq)).toEqual([5, 6]);
    // Of versions 4 (compaction), 5 (reset), 9 (compaction) and 10 (reset), the oldest message kept has version 7.
    expect(model.marks("c").map(({ version }) => version)).toEqual([9, 10]);
    model.prune("c", 5);
    expect(model.marks("c").map(({ version }) => version)).toEqual([9, 10]);
    expect(model.keys("c", ["first"])).toHaveLength(1);
  });

  test("keeps a compaction that is older than every message", () => {
    const { model } = after(FULL, { token: "more", messages: ["1"], firstSeq: 4 });
    model.prune("c", 4);
    expect(model.marks("c").map(({ kind }) => kind)).toEqual(["compaction"]);
  });

  test("lists what was changed last first, filtered by all labels", () => {
    const model = new Model();
    for (const [id, updatedAt, labels] of [
      ["a", 5, ["x"]],
      ["b", 9, ["x", "y"]],
      ["c", 7, ["y"]],
    ] as const) {
      model.commit(commitOn(undefined, id, { token: id, updatedAt, labels }));
    }
    expect(model.list().map(({ id }) => id)).toEqual(["b", "c", "a"]);
    expect(model.list(["x"]).map(({ id }) => id)).toEqual(["b", "a"]);
    expect(model.list(["x", "y"]).map(({ id }) => id)).toEqual(["b"]);
  });
});

describe("what the checks hand over", () => {
  test("are ids and keys that a store would take, all different", () => {
    expect(new Set(ALIKE).size).toBe(ALIKE.length);
    expect(ALIKE.length).toBeGreaterThan(250);
    for (const text of ALIKE)
      expect(text).toSatisfy(
        (id: string) => id.isWellFormed() && !/\p{Cc}/u.test(id) && id.length <= 255 && id !== "",
      );
  });

  test("are texts of JSON that a store would take", () => {
    for (const text of TEXTS) {
      expect(() => JSON.parse(text) as unknown).not.toThrow();
      expect(text.isWellFormed()).toBe(true);
    }
    for (const text of OBJECTS) expect(JSON.parse(text)).toBeTypeOf("object");
  });

  test("are labels of ASCII, at most 255 long, all different", () => {
    expect(new Set(LABELS).size).toBe(LABELS.length);
    for (const label of LABELS) expect(label).toMatch(/^[\x20-\x7e]{0,255}$/);
  });
});

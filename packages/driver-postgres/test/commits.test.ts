import type { Commit } from "@fastpaca/core";
import { migratePostgres } from "@fastpaca/driver-postgres";
import pg from "pg";
import { expect, test, vi } from "vitest";
import { RETRY } from "../src/eraser.js";
import { hammer } from "./hammer/verify.ts";
import { append, creation, describeWithPostgres, eventually, head, lockedOut } from "./support/using.ts";

/** Longest that a test waits for what comes by itself. */
const PATIENCE = { timeout: 20_000 };

await describeWithPostgres("commits", ({ database, open, connect, later }) => {
  /** What a call comes to that finds a conversation locked by somebody who is making revision 2 of it. */
  const whileHeld = async <T>(
    url: string,
    id: string,
    end: "COMMIT" | "ROLLBACK",
    call: () => Promise<T>,
  ): Promise<T> => {
    const [other, witness] = [await connect(url), await connect(url)];
    await other.query("BEGIN");
    await other.query("UPDATE fastpaca_heads SET revision = 2 WHERE id = $1", [id]);
    const calling = call();
    await lockedOut(1, witness);
    await other.query(end);
    return calling;
  };

  test(
    "what purges hid is deleted although that failed at first, and nothing is purged any more",
    { timeout: 60_000 },
    async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a")]);
      await driver.commit([append("a", 1, 1, 2, ["k"])]);
      const timers = vi.spyOn(globalThis, "setTimeout");
      const query = pg.Client.prototype.query;
      let failures = 1;
      const failing = vi.spyOn(pg.Client.prototype, "query").mockImplementation(function (
        this: pg.Client,
        ...args: unknown[]
      ) {
        if (/^DELETE FROM \S+messages"/.test(textOf(args[0])) && failures-- > 0)
          return Promise.reject(new Error("gone"));
        return Reflect.apply(query, this, args);
      });
      later(() => [timers, failing].forEach((spy) => spy.mockRestore()));
      await driver.commit([purge("a", 2)]);
      const retry = await vi.waitUntil(
        () => timers.mock.calls.find(([, delay]) => delay === RETRY)?.[0],
        PATIENCE,
      );
      const other = await connect(url);
      const count = async (): Promise<number> =>
        (await other.query("SELECT FROM fastpaca_messages")).rowCount ?? 0;
      expect(await count()).toBe(2);
      Reflect.apply(retry, undefined, []);
      await eventually(async () => (await count()) === 0);
    },
  );

  test("a batch of any size is one statement", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a", { labels: ["x=1"] })]);
    const queries = vi.spyOn(pg.Client.prototype, "query");
    later(() => queries.mockRestore());
    const ids = Array.from({ length: 300 }, (_, index) => `c${index}`);
    await driver.commit([append("a", 1, 1, 5, ["k"]), ...ids.map((id) => creation(id))]);
    expect(queries.mock.calls.filter(([query]) => textOf(query).includes("INSERT"))).toHaveLength(1);
  });

  test("nothing depends on the session, so that a pooler may change connections in between", async () => {
    const { url } = await database();
    await migratePostgres({ url });
    const queries = vi.spyOn(pg.Client.prototype, "query");
    later(() => queries.mockRestore());
    const driver = await open({ url, prepare: false });
    await driver.commit([creation("a")]);
    await driver.commit([append("a", 1, 1, 2, ["k"])]);
    expect(await driver.commit([append("a", 2, 3, 3, ["l"])])).toEqual([{ status: "committed" }]);
    await driver.commit([purge("a", 3)]);
    await driver.heads(["a"]);
    await driver.messages("a", 1, 9);
    await driver.marks("a", 0, 9);
    await driver.keys("a", ["k"]);
    await driver.list({ limit: 1, labels: ["a=1"] });
    await driver.prune("a", 2);
    await driver.close();
    const sent = queries.mock.calls.map(([query]) => query as unknown);
    expect(sent.length).toBeGreaterThan(10);
    for (const query of sent) {
      expect(query).not.toHaveProperty("name");
      expect(textOf(query)).not.toMatch(
        /^\s*(SET|LISTEN|PREPARE|DECLARE|BEGIN)\b|\bTEMP\b|pg_advisory_lock|set_config/i,
      );
    }
  });

  test("batches of the same conversations in opposite orders wait for each other in one order", async () => {
    const { url } = await database();
    const [one, two] = [await open({ url }), await open({ url })];
    const ids = Array.from({ length: 9 }, (_, index) => `c${index}`);
    await one.commit(ids.map((id) => creation(id)));
    // Each batch gets as far as the one in the middle, from whichever side it comes.
    const other = await connect(url);
    await other.query("BEGIN");
    await other.query("SELECT FROM fastpaca_heads WHERE id = 'c4' FOR UPDATE");
    const commits = ids.map((id) => append(id, 1, 1));
    const outcomes = Promise.all([one.commit(commits), two.commit(commits.toReversed())]);
    const witness = await connect(url);
    await lockedOut(2, witness);
    await other.query("COMMIT");
    const statuses = (await outcomes).map((batch) => new Set(batch.map(({ status }) => status)));
    expect(statuses).toContainEqual(new Set(["committed"]));
    expect(statuses).toContainEqual(new Set(["conflict"]));
    const { rows } = await witness.query(
      "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()",
    );
    expect(rows).toEqual([{ deadlocks: 0 }]);
  });

  test("what several processes are told is what is stored", { timeout: 120_000 }, async () => {
    const { url } = await database();
    const { anomalies, commits, refused, duplicates, purges } = await hammer(url, 3, 4);
    expect(anomalies).toEqual([]);
    // It did hammer.
    expect(Math.min(commits, refused, duplicates, purges)).toBeGreaterThan(0);
  });

  test("a commit that was overtaken while it waited changes nothing, and holds nothing up", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a"), creation("b")]);
    const outcomes = await whileHeld(url, "a", "COMMIT", () =>
      driver.commit([append("a", 1, 1, 2, ["k"]), append("b", 1, 1)]),
    );
    expect(outcomes).toEqual([{ status: "conflict", head: undefined }, { status: "committed" }]);
    expect([await driver.messages("a", 1, 9), await driver.keys("a", ["k"])]).toEqual([[], []]);
    expect(await driver.messages("b", 1, 9)).toHaveLength(1);
  });

  test.each([[[]], [["k"]]])(
    "one message alone, with the keys %j, lands if and only if nobody was faster",
    async (keys) => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a"), creation("b")]);
      const sent = vi.spyOn(pg.Client.prototype, "query");
      later(() => sent.mockRestore());
      const statements = (pattern: RegExp): number =>
        sent.mock.calls.filter(([query]) => pattern.test(textOf(query))).length;

      const labelled = append("b", 1, 1, 1, keys);
      const full = {
        ...labelled.head,
        tombstoned: true,
        labels: ["x=1", "y=2"],
        metadata: '{"x":"1"}',
        life: 3,
      };
      const commit = {
        ...labelled,
        head: { ...full, firstSeq: 1, archivedSeq: 2 ** 52, updatedAt: 2 ** 53 - 1 },
      };
      const undone = await whileHeld(url, "b", "ROLLBACK", () => driver.commit([commit]));
      expect(undone).toEqual([{ status: "committed" }]);
      // It took the shorter way, and only that one.
      expect([statements(/^WITH w AS/), statements(/^WITH c AS/)]).toEqual([1, 0]);
      expect(await driver.heads(["b"])).toEqual([commit.head]);
      expect(await driver.messages("b", 1, 9)).toEqual(commit.messages);
      expect(await driver.keys("b", ["k"])).toEqual(commit.keys);

      const done = await whileHeld(url, "a", "COMMIT", () => driver.commit([append("a", 1, 1, 1, keys)]));
      expect(done).toEqual([
        { status: "conflict", head: { ...head("a", 2), state: '{"revision":1}', updatedAt: 1 } },
      ]);
      expect([await driver.messages("a", 1, 9), await driver.keys("a", ["k"])]).toEqual([[], []]);

      expect(await driver.commit([append("b", 1, 1, 1, keys)])).toEqual([
        { status: "conflict", head: commit.head },
      ]);
      expect(await driver.commit([append("b", 2, 2, 2, keys)])).toEqual([
        keys.length === 0 ? { status: "committed" } : { status: "duplicate", held: commit.keys },
      ]);
    },
  );

  test("a key that is held is found out at the price of a failure, and then looked up for a while", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a"), creation("b")]);
    const first = append("a", 1, 1, 1, ["k"]);
    await driver.commit([first]);
    const sent = vi.spyOn(pg.Client.prototype, "query");
    later(() => sent.mockRestore());
    const statements = (): string[] => {
      const texts = sent.mock.calls.map(([query]) => textOf(query));
      sent.mockClear();
      return texts
        .filter((text) => text.startsWith("WITH"))
        .map((text) =>
          text.startsWith("WITH w") ? "single" : text.includes("held AS") ? "looks up" : "inserts",
        );
    };
    const duplicate = { status: "duplicate", held: first.keys };
    const committed = { status: "committed" };

    expect(await driver.commit([append("a", 2, 2, 2, ["k"])])).toEqual([duplicate]);
    expect(statements()).toEqual(["single", "looks up"]);
    expect(await driver.commit([append("a", 2, 2, 2, ["k"]), append("b", 1, 1, 1, ["k"])])).toEqual([
      duplicate,
      committed,
    ]);
    expect(await driver.commit([append("b", 2, 2, 2, ["l"])])).toEqual([committed]);
    expect(statements()).toEqual(["looks up", "looks up"]);
    // Without a key there is nothing to look up.
    expect(await driver.commit([append("b", 3, 3)])).toEqual([committed]);
    expect(statements()).toEqual(["single"]);

    const now = performance.now();
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now + 60_000);
    later(() => clock.mockRestore());
    expect(await driver.commit([append("b", 4, 4, 4, ["m"])])).toEqual([committed]);
    expect(await driver.commit([append("b", 5, 5, 5, ["n"]), append("a", 2, 2, 3, ["o"])])).toEqual([
      committed,
      committed,
    ]);
    expect(statements()).toEqual(["single", "inserts"]);
    expect(await driver.commit([append("b", 6, 6, 6, ["p"]), append("a", 3, 4, 4, ["o", "q"])])).toEqual([
      committed,
      { status: "duplicate", held: [expect.objectContaining({ key: "o" })] },
    ]);
    expect(statements()).toEqual(["inserts", "looks up"]);
    expect(await driver.keys("a", ["k", "o", "q"])).toHaveLength(2);
    expect(await driver.messages("b", 1, 9)).toHaveLength(6);
  });

  test("text of any kind and size can be stored and read by SQL users", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a")]);
    // Far deeper than the store lets anything be; Postgres itself takes some thousand levels.
    const deep = "[".repeat(1000) + "]".repeat(1000);
    const commit = append("a", 1, 1, 3);
    const bodies = ['{"\\u0000":"\\ud800"}', deep, JSON.stringify({ text: "ü".repeat(1_000_000) })];
    const messages = commit.messages.map((message, index) => ({ ...message, body: bodies[index] ?? "" }));
    expect(await driver.commit([{ ...commit, messages }])).toEqual([{ status: "committed" }]);
    expect((await driver.messages("a", 1, 3)).map(({ body }) => body)).toEqual(bodies);
    const admin = await connect(url);
    const { rows } = await admin.query(
      `SELECT m.body->>'text' = repeat('ü', 1000000) AS same
       FROM fastpaca_messages m JOIN fastpaca_heads h USING (log) WHERE h.id = 'a' AND m.seq = 3`,
    );
    expect(rows).toEqual([{ same: true }]);
  });

  test("numbers beyond 32 bits come back as they were", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a")]);
    const { messages, ...commit } = append("a", 1, 1);
    const big = messages.map((message) => ({ ...message, tokens: 2 ** 40 + 5, insertedAt: 2 ** 53 - 1 }));
    await driver.commit([{ ...commit, messages: big, head: { ...commit.head, updatedAt: 2 ** 45 + 1 } }]);
    expect(await driver.messages("a", 1, 1)).toEqual(big);
    expect((await driver.heads(["a"]))[0]?.updatedAt).toBe(2 ** 45 + 1);
  });

  test("a purge hides everything at once and deletes it in slices, also what a crash left", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a")]);
    await driver.commit([append("a", 1, 1, 1200, ["k"])]);
    const admin = await connect(url);
    const slices = vi.spyOn(pg.Client.prototype, "query");
    later(() => slices.mockRestore());
    // As long as somebody holds on to the rows, they cannot be deleted: the purge does not wait for that.
    await admin.query("BEGIN");
    await admin.query("SELECT FROM fastpaca_messages FOR UPDATE");
    expect(await driver.commit([purge("a", 2)])).toEqual([{ status: "committed" }]);
    expect(await driver.messages("a", 1, 2000)).toEqual([]);
    expect(await driver.keys("a", ["k"])).toEqual([]);
    expect((await driver.list({ limit: 1, labels: [] })).heads).toEqual([]);
    await admin.query("ROLLBACK");
    await eventually(async () => (await left(admin)) === 0);
    expect(
      slices.mock.calls.filter(([query]) => /^DELETE FROM \S+messages"/.test(textOf(query))),
    ).toHaveLength(3);

    await driver.commit([
      { ...append("a", 3, 1, 3), head: head("a", 4, { life: 2, lastSeq: 3, version: 3 }) },
    ]);
    await admin.query("INSERT INTO fastpaca_messages VALUES (nextval('fastpaca_logs'), 1, 1, 1, 1, '{}')");
    await admin.query("INSERT INTO fastpaca_erased VALUES (currval('fastpaca_logs'))");
    await open({ url });
    await eventually(async () => (await left(admin)) === 3);
    expect(await driver.messages("a", 1, 9)).toHaveLength(3);
  });

  test("of two that delete the same log, none takes for empty what the other one is deleting", async () => {
    const { url } = await database();
    const [first, admin, other] = [await open({ url }), await connect(url), await connect(url)];
    await first.commit([creation("a")]);
    await first.commit([append("a", 1, 1, 1300, ["k"])]);
    // Both run into a row of the same slice, one behind the other.
    await other.query("BEGIN");
    await other.query("SELECT FROM fastpaca_messages WHERE seq = 1 FOR UPDATE");
    await first.commit([purge("a", 2)]);
    await lockedOut(1, admin);
    await open({ url });
    await lockedOut(2, admin);
    // The first one deletes its slice and ends.
    const closing = first.close();
    await other.query("COMMIT");
    await closing;
    await eventually(async () => (await left(admin)) === 0);
  });

  test("pruning goes in slices, keeps keys and the newest summary, and leaves others alone", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a"), creation("b")]);
    const commit = append("a", 1, 1, 1300, ["k"]);
    const marks = [2001, 2002, 2003].map((version) => ({
      version,
      kind: version < 2003 ? ("compaction" as const) : ("reset" as const),
      at: 1,
      body: "{}",
    }));
    await driver.commit([
      { ...commit, marks, head: { ...commit.head, version: 2003, firstSeq: 1301 } },
      append("b", 1, 1, 5),
    ]);
    const slices = vi.spyOn(pg.Client.prototype, "query");
    later(() => slices.mockRestore());
    await driver.prune("a", 1251);
    expect(
      slices.mock.calls.filter(([query]) => /^DELETE FROM \S+messages"/.test(textOf(query))),
    ).toHaveLength(3);
    expect((await driver.messages("a", 1, 2000)).map(({ seq }) => seq)[0]).toBe(1251);
    expect(await driver.marks("a", 0, 9)).toEqual(marks);
    await driver.prune("a", 1301);
    expect(await driver.messages("a", 1, 2000)).toEqual([]);
    expect((await driver.marks("a", 0, 9)).map(({ version }) => version)).toEqual([2002]);
    expect(await driver.keys("a", ["k"])).toHaveLength(1);
    expect(await driver.messages("b", 1, 9)).toHaveLength(5);
    await driver.prune("nobody", 5);
  });
});

function textOf(query: unknown): string {
  return typeof query === "object" && query !== null && "text" in query ? String(query.text) : String(query);
}

function purge(id: string, base: number): Commit {
  return { ...creation(id), base, head: head(id, base + 1, { purged: true }) };
}

async function left(admin: pg.Client): Promise<number> {
  const { rows } = await admin.query<{ n: number }>("SELECT count(*)::int AS n FROM fastpaca_messages");
  return rows[0]?.n ?? -1;
}

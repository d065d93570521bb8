import pg from "pg";
import { expect, test, vi } from "vitest";
import { append, creation, describeWithPostgres, eventually } from "./support/using.ts";

await describeWithPostgres("reads", ({ database, open, connect, later }) => {
  test("a list shows each unchanged conversation once, whatever shares a minute or a millisecond", async () => {
    const { url } = await database();
    const driver = await open({ url });
    const ids = Array.from({ length: 60 }, (_, index) => `c${index}`);
    // Over several minutes, many in the same minute, some in the same millisecond.
    const at = (index: number): number => 1_700_000_000_000 + Math.floor(index / 20) * 60_000 + (index % 7);
    await driver.commit(
      ids.map((id, index) => creation(id, { updatedAt: at(index), labels: [`p=${index % 2}`] })),
    );
    for (const [labels, expected] of [
      [[], ids],
      [["p=1"], ids.filter((_, index) => index % 2 === 1)],
    ] as const) {
      const seen: { id: string; updatedAt: number }[] = [];
      let after: { updatedAt: number; id: string } | undefined;
      do {
        const page = await driver.list({ limit: 7, labels, after });
        seen.push(...page.heads);
        after = page.next;
        await driver.commit([creation(`late${labels.length}-${seen.length}`, { updatedAt: at(1000) })]);
      } while (after !== undefined);
      expect(seen.map(({ id }) => id).toSorted()).toEqual(expected.toSorted());
      expect(seen.map(({ updatedAt }) => updatedAt)).toEqual(
        seen.map(({ updatedAt }) => updatedAt).toSorted((a, b) => b - a),
      );
    }
  });

  test("a label is found whatever it holds, and only that one", async () => {
    const { url } = await database();
    const driver = await open({ url });
    const labels = ['a="x,{y}"', "b=\\u00e9\\", "c=NULL", "d=", "e= "];
    await driver.commit([creation("a", { labels }), creation("b", { labels: ["c=NULLS"] })]);
    expect((await driver.heads(["a"]))[0]?.labels).toEqual(labels);
    for (const label of labels)
      expect((await driver.list({ limit: 9, labels: [label] })).heads.map(({ id }) => id)).toEqual(["a"]);
    expect((await driver.list({ limit: 9, labels: [...labels, "f=1"] })).heads).toEqual([]);
  });

  test("an append touches no index of the heads", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a", { labels: ["x=1"], updatedAt: 1 })]);
    for (let base = 1; base <= 50; base += 1) {
      const { head, ...commit } = append("a", base, base);
      await driver.commit([{ ...commit, head: { ...head, labels: ["x=1"], updatedAt: base } }]);
    }
    // A session tells the statistics at its end what it did.
    await driver.close();
    const admin = await connect(url);
    const counts = async (): Promise<{ all: number; hot: number } | undefined> => {
      const { rows } = await admin.query<{ all: number; hot: number }>(
        `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = 'fastpaca_heads'`,
      );
      return rows[0];
    };
    await eventually(async () => (await counts())?.all === 50);
    expect(await counts()).toEqual({ all: 50, hot: 50 });
  });

  test("no statement that runs often scans a table, though it was planned when all were empty", async () => {
    const { url } = await database();
    const sent = vi.spyOn(pg.Client.prototype, "query");
    later(() => sent.mockRestore());
    const driver = await open({ url });
    await driver.commit([creation("a")]);
    await driver.commit([append("a", 1, 1, 1, ["k"])]);
    await driver.commit([append("a", 2, 2)]);
    await driver.commit([append("a", 3, 3, 4, ["l"])]);
    // Looked up from now on.
    await driver.commit([append("a", 4, 5, 6, ["l"])]);
    await driver.heads(["a"]);
    await driver.messages("a", 1, 9);
    await driver.marks("a", 0, 9);
    await driver.keys("a", ["k"]);
    const statements = new Set(
      sent.mock.calls
        .map(([query]) => query as unknown)
        .filter(
          (query): query is { text: string } =>
            typeof query === "object" && query !== null && "name" in query,
        )
        .map(({ text }) => text)
        .filter((text) => !/pg_notify|pg_stat_activity|erased/.test(text)),
    );
    expect(statements.size).toBe(9);
    const admin = await connect(url);
    await admin.query("SET plan_cache_mode = force_generic_plan");
    for (const text of statements) {
      const parameters = [...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number));
      await admin.query(`PREPARE s AS ${text}`);
      const { rows } = await admin.query<{ "QUERY PLAN": string }>(
        `EXPLAIN EXECUTE s (${Array.from({ length: Math.max(...parameters) }, () => "NULL").join(", ")})`,
      );
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      await admin.query("DEALLOCATE s");
      expect(plan).toMatch(/Index Scan/);
      expect(plan).not.toMatch(/Seq Scan/);
      expect(plan).not.toMatch(/Hash Join|Merge Join|Hash .*Join/);
    }
  });

  test("a page of a long list reads the index of recency, a rare label its own", async () => {
    const { url } = await database();
    const driver = await open({ url });
    for (let from = 0; from < 3000; from += 500) {
      const ids = Array.from({ length: 500 }, (_, index) => from + index);
      await driver.commit(
        ids.map((n) =>
          creation(`c${n}`, { updatedAt: n * 10_000, labels: n === 1000 ? ["rare=1"] : ["often=1"] }),
        ),
      );
    }
    const admin = await connect(url);
    await admin.query("ANALYZE fastpaca_heads");
    const sent = vi.spyOn(pg.Client.prototype, "query");
    later(() => sent.mockRestore());
    await driver.list({ limit: 10, labels: [] });
    await driver.list({ limit: 10, labels: [], after: { updatedAt: 10_000_000, id: "c1000" } });
    await driver.list({ limit: 10, labels: ["rare=1"] });
    // Of the forms that `pg` takes, the driver gives it this one.
    const calls = sent.mock.calls.map(([query]) => query as unknown as { text: string; values: unknown[] });
    sent.mockRestore();
    const plans = [];
    for (const { text, values } of calls.filter(({ text }) => text.includes("ORDER BY updated_minute"))) {
      const { rows } = await admin.query<{ "QUERY PLAN": string }>({ text: `EXPLAIN ${text}`, values });
      plans.push(rows.map((row) => row["QUERY PLAN"]).join("\n"));
    }
    expect(plans).toHaveLength(3);
    expect(plans[0]).toMatch(/Index Scan.* using fastpaca_heads_by_recency/);
    expect(plans[1]).toMatch(/Index Scan.* using fastpaca_heads_by_recency/);
    expect(plans[2]).toMatch(/Bitmap Index Scan on fastpaca_heads_by_label/);
  });

  test("hints of other handles arrive, one's own do not, and those of other places do not", async () => {
    const { url } = await database();
    const [here, there, elsewhere] = [
      await open({ url }),
      await open({ url }),
      await open({ url, tablePrefix: "other_" }),
    ];
    const heard: string[] = [];
    const stop = await here.watch?.((ids) => heard.push(...ids));
    const long = Array.from({ length: 100 }, (_, index) => `${"ü".repeat(200)}${index}`);
    await here.commit([creation("mine")]);
    await elsewhere.commit([creation("not here")]);
    await there.commit(long.map((id) => creation(id)));
    await there.commit([creation('theirs "\\,{}')]);
    await eventually(() => heard.includes('theirs "\\,{}'));
    expect(heard.toSorted()).toEqual([...long, 'theirs "\\,{}'].toSorted());
    await stop?.();
    await there.commit([creation("later")]);
    await there.close();
    expect(heard).not.toContain("later");
  });

  test("handles that both listen find each other", async () => {
    const { url } = await database();
    const [here, there] = [await open({ url }), await open({ url })];
    const [heardHere, heardThere] = [new Set<string>(), new Set<string>()];
    await here.watch?.((ids) => ids.forEach((id) => heardHere.add(id)));
    await there.watch?.((ids) => ids.forEach((id) => heardThere.add(id)));
    let count = 0;
    const others = (heard: ReadonlySet<string>, name: string): boolean =>
      [...heard].some((id) => id.startsWith(name));
    await eventually(async () => {
      await here.commit([creation(`here${(count += 1)}`)]);
      await there.commit([creation(`there${count}`)]);
      return others(heardHere, "there") && others(heardThere, "here");
    });
    expect(others(heardHere, "here") || others(heardThere, "there")).toBe(false);
  });

  test("a pool of the user's own is used and left open", async () => {
    const { url } = await database();
    const pool = new pg.Pool({ connectionString: url, max: 3 });
    later(() => pool.end());
    const other = await open({ url });
    const driver = await open({ pool });
    const heard: string[] = [];
    await driver.watch?.((ids) => heard.push(...ids));
    await driver.commit([creation("a")]);
    await other.commit([creation("b")]);
    await eventually(() => heard.includes("b"));
    await driver.close();
    await expect(driver.heads(["a"])).rejects.toThrow("closed");
    const { rows } = await pool.query("SELECT id FROM fastpaca_heads ORDER BY id");
    expect(rows).toEqual([{ id: "a" }, { id: "b" }]);
    expect(pool.totalCount).toBe(pool.idleCount);
  });

  test("several drivers over one pool leave one listener on each connection", async () => {
    const { url } = await database();
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    later(() => pool.end());
    const client = await pool.connect();
    const before = client.listenerCount("error");
    client.release();
    for (let time = 0; time < 5; time++) {
      const driver = await open({ pool });
      expect(await driver.heads(["a"])).toEqual([undefined]);
      await driver.close();
    }
    const again = await pool.connect();
    expect(again).toBe(client);
    expect(again.listenerCount("error")).toBe(before + 1);
    again.release();
  });

  test("nothing listens on the only connection of a pool", async () => {
    const { url } = await database();
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    later(() => pool.end());
    const said: string[] = [];
    const driver = await open({ pool, log: (_, text) => said.push(text) });
    expect(driver.watch).toBeUndefined();
    expect(said.join()).toContain("the pool has one connection");
    const two = new pg.Pool({ connectionString: url, max: 2 });
    later(() => two.end());
    expect((await open({ pool: two })).watch).toBeDefined();
  });

  test("a pool whose answers are binary is refused", async () => {
    const { url } = await database();
    const config = { connectionString: url, binary: true };
    const pool = new pg.Pool(config);
    later(() => pool.end());
    await expect(open({ pool })).rejects.toThrow("it answers in binary: make the pool without binary: true");
  });

  test("closing waits for calls that run, and leaves no connection behind", async () => {
    const { url } = await database();
    const driver = await open({ url: `${url}?pool_size=1` });
    await driver.watch?.(() => undefined);
    await driver.commit([creation("a")]);
    const other = await connect(url);
    await other.query("BEGIN");
    await other.query("SELECT FROM fastpaca_heads WHERE id = 'a' FOR UPDATE");
    // The first one waits for the lock, the second one for the only connection.
    const running = Promise.all([driver.commit([append("a", 1, 1)]), driver.commit([creation("b")])]);
    const closing = Promise.all([driver.close(), driver.close()]);
    const witness = await connect(url);
    await eventually(async () => {
      const { rowCount } = await witness.query(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
      );
      return rowCount === 1;
    });
    await other.query("COMMIT");
    await closing;
    expect(await running).toEqual([[{ status: "committed" }], [{ status: "committed" }]]);
    await Promise.all([other.end(), witness.end()]);
    const admin = await connect(url);
    await eventually(async () => {
      const { rows } = await admin.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      );
      return rows.length === 0;
    });
  });
});

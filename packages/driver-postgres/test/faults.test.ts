import { DriverUnavailableError } from "@fastpaca/core";
import { ownPostgresOrSkip, type OwnPostgresServer } from "@fastpaca/test-backends/postgres";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import pg from "pg";
import { expect, test } from "vitest";
import { lineTo, type Line } from "./support/cut.ts";
import { append, creation, describeWithPostgres, eventually, head, lockedOut } from "./support/using.ts";

let own: OwnPostgresServer | undefined;
const start = async (): Promise<OwnPostgresServer | undefined> => (own = await ownPostgresOrSkip());

await describeWithPostgres(
  "faults",
  ({ database, open, connect, later }) => {
    test("after a crash of the server what was acknowledged is there, and the driver finds it again", async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a")]);
      await driver.commit([append("a", 1, 1, 3)]);
      await own?.kill();
      await expect(driver.heads(["a"])).rejects.toBeInstanceOf(DriverUnavailableError);
      await expect(driver.commit([append("a", 2, 4)])).rejects.toBeInstanceOf(DriverUnavailableError);
      await own?.restart();
      expect((await driver.messages("a", 1, 9)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
      expect(await driver.commit([append("a", 2, 4)])).toEqual([{ status: "committed" }]);
    });

    test("hints come again after the server was away", async () => {
      const { url } = await database();
      const [here, there] = [await open({ url }), await open({ url })];
      const heard = new Set<string>();
      await here.watch?.((ids) => ids.forEach((id) => heard.add(id)));
      await own?.kill();
      await own?.restart();
      let count = 0;
      await eventually(async () => {
        await there.commit([creation(`c${(count += 1)}`)]);
        return heard.size > 0;
      });
    });

    test("when the connection breaks between statement and answer, the outcome of the whole call is unknown", async () => {
      const { url } = await database();
      const { driver, line } = await over(`${url}?pool_size=1`);
      await driver.commit([creation("a")]);
      const { held } = line.holdAnswers();
      const outcomes = driver.commit([append("a", 1, 1), creation("b")]);
      await held;
      line.cut();
      expect(await outcomes).toEqual([{ status: "unknown" }, { status: "unknown" }]);
      // It did land; the identical commit then finds its own head.
      const [again] = await driver.commit([append("a", 1, 1)]);
      expect(again).toEqual({ status: "conflict", head: append("a", 1, 1).head });
    });

    test("a statement without an answer is given up, its connection ended, and its outcome unknown", async () => {
      const { url } = await database();
      const { driver, line } = await over(`${url}?pool_size=1&statement_timeout_ms=300`);
      await driver.commit([creation("a")]);
      line.holdAnswers();
      expect(await driver.commit([append("a", 1, 1)])).toEqual([{ status: "unknown" }]);
      await expect(driver.heads(["a"])).rejects.toThrow("cannot be reached");
      line.cut();
      await eventually(async () => {
        const [head] = await driver.heads(["a"]);
        return head?.revision === 2;
      });
    });

    test("a statement that the server cancels has applied nothing, and the call says so", async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a")]);
      const other = await holding(url, "a");
      const rejected = expect(driver.commit([append("a", 1, 1)])).rejects.toThrow("57014");
      const witness = await connect(url);
      await eventually(async () => {
        const { rowCount } = await witness.query(
          "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        return rowCount === 1;
      });
      await rejected;
      await other.query("ROLLBACK");
      expect(await driver.messages("a", 1, 9)).toEqual([]);
    });

    test("what waits for somebody else's lock is ended by the server, in time to say so", async () => {
      const { url } = await database();
      const driver = await open({ url: `${url}?statement_timeout_ms=1000` });
      await driver.commit([creation("a"), creation("b")]);
      await holding(url, "a");
      await expect(driver.commit([append("a", 1, 1)])).rejects.toThrow("57014");
      await lockedOut(0, await connect(url));
      expect(await driver.commit([append("b", 1, 1)])).toEqual([{ status: "committed" }]);
    });

    test("what somebody else has locked holds up no commit that shares a call with it", async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a"), creation("b")]);
      const other = await holding(url, "a");
      const call = [append("a", 1, 1), append("b", 1, 1), creation("c")];
      const committed = { status: "committed" };
      expect(await driver.commit(call)).toEqual([{ status: "unknown" }, committed, committed]);
      await expect(driver.commit([append("a", 1, 1)])).rejects.toThrow("55P03");
      await other.query("ROLLBACK");
      expect(await driver.messages("a", 1, 9)).toEqual([]);
      expect(await driver.commit([append("a", 1, 1), append("b", 2, 2)])).toEqual([committed, committed]);
    });

    test("what waits for a standby that is away is left behind twice as often as the pool is large, at most", async () => {
      const { url } = await database();
      await open({ url });
      const { waiting, comesBack } = await standbyAway(url);
      const driver = await open({ url: `${url}?pool_size=2&statement_timeout_ms=200&migrate=false` });
      for (const id of ["a", "b", "c", "d"])
        expect(await driver.commit([creation(id)])).toEqual([{ status: "unknown" }]);
      await expect(driver.commit([creation("e")])).rejects.toThrow("cannot be reached");
      expect(await waiting()).toBe(4);
      await comesBack();
      await eventually(async () =>
        (await driver.heads(["a", "b", "c", "d"]).catch(() => [undefined])).every(Boolean),
      );
      expect(await driver.commit([creation("e")])).toEqual([{ status: "committed" }]);
    });

    test("commits that are handed over again while they wait for a standby conflict with nothing", async () => {
      const { url } = await database();
      const before = await open({ url });
      await before.commit([creation("a"), creation("b")]);
      const { waiting, comesBack } = await standbyAway(url);
      const driver = await open({ url, migrate: false });
      const call = [append("a", 1, 1), append("b", 1, 1)];
      const first = driver.commit(call);
      await eventually(async () => (await waiting()) === 1);
      expect(await driver.commit(call)).toEqual([{ status: "unknown" }, { status: "unknown" }]);
      await comesBack();
      expect(await first).toEqual([{ status: "committed" }, { status: "committed" }]);
    });

    test("connections that are lost without a word, again and again, are replaced each time", async () => {
      const { url } = await database();
      const { driver, line } = await over(`${url}?pool_size=1&statement_timeout_ms=300`);
      for (let round = 0; round < 6; round++) {
        expect(await driver.commit([creation(`${round}`)])).toEqual([{ status: "committed" }]);
        line.silence();
        // Unless what the driver does in the background was on the line that is lost.
        const [lost] = await driver.commit([creation(`lost ${round}`)]);
        expect(["unknown", "committed"]).toContain(lost?.status);
      }
    });

    test("a driver that is closed keeps no process, also where the server does not answer its farewell", async () => {
      const { url } = await database();
      const { line, near } = await lineFor(url);
      const closer = fileURLToPath(new URL("support/closer.ts", import.meta.url));
      const child = fork(closer, [near], { stdio: "inherit" });
      later(() => void child.kill("SIGKILL"));
      const exited = once(child, "exit");
      await once(child, "message");
      line.silence();
      child.send("close");
      expect(await exited).toEqual([0, null]);
    });

    test("behind a pooler, whose sessions nobody can look up, no more are left than the pool is large", async () => {
      const { url } = await database();
      const { line, near } = await lineFor(`${url}?statement_timeout=300`);
      const pool = new pg.Pool({ connectionString: near, max: 1 });
      later(() => pool.end());
      pool.on("connect", (client) => Object.assign(client, { processID: 1 }));
      const driver = await open({ pool, poolSize: 1, statementTimeoutMs: 300 });
      let refused: unknown;
      for (let round = 0; round < 6 && refused === undefined; round++) {
        line.silence();
        refused = await driver.commit([creation(`${round}`)]).then(
          () => undefined,
          (error: unknown) => error,
        );
      }
      expect(String(refused)).toContain("cannot be reached: no answer");
      line.cut();
    });

    test("a purge without an answer is erased all the same", async () => {
      const { url } = await database();
      const { driver, line } = await over(`${url}?pool_size=1&statement_timeout_ms=300`);
      await driver.commit([creation("a")]);
      await driver.commit([append("a", 1, 1, 3)]);
      const purge = { ...creation("a"), base: 2, head: head("a", 3, { purged: true }) };
      const { held } = line.holdAnswers();
      const outcome = driver.commit([purge]);
      await held;
      expect(await outcome).toEqual([{ status: "unknown" }]);
      line.cut();
      expect(await driver.commit([purge])).toEqual([{ status: "conflict", head: purge.head }]);
      const witness = await connect(url);
      await eventually(async () => {
        const { rowCount } = await witness.query(
          "SELECT FROM fastpaca_messages UNION ALL SELECT FROM fastpaca_erased",
        );
        return rowCount === 0;
      });
    });

    test("a server that was demoted is not read any more", async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a")]);
      const admin = await connect(url);
      await admin.query(
        `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`,
      );
      await admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      );
      await eventually(async () => {
        const why: unknown = await driver.heads(["a"]).catch((error: unknown) => error);
        return String(why).includes("takes no writes");
      });
    });

    test("a server that ends the session in the middle of a commit leaves its outcome unknown", async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a")]);
      await holding(url, "a");
      const outcomes = driver.commit([append("a", 1, 1)]);
      const witness = await connect(url);
      await eventually(async () => {
        const { rowCount } = await witness.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        return rowCount === 1;
      });
      expect(await outcomes).toEqual([{ status: "unknown" }]);
    });

    test("too many connections are told before anything is sent", async () => {
      const { url } = await database();
      const admin = await connect(url);
      const driver = await open({ url: `${url}?pool_size=1` });
      await admin.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} CONNECTION LIMIT 0`);
      await admin.query("CREATE ROLE modest LOGIN PASSWORD 'modest'");
      later(() => admin.query("DROP ROLE modest"));
      const modest = new URL(url);
      [modest.username, modest.password] = ["modest", "modest"];
      await expect(open({ url: modest.href })).rejects.toThrow(/cannot be reached: too many connections/);
      expect(await driver.heads(["a"])).toEqual([undefined]);
    });

    test("the victim of a deadlock is sent again", async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a"), creation("b")]);
      // The other one takes b, then a; the driver takes a, then b, and notices the deadlock first.
      const other = await connect(url);
      await other.query("SET deadlock_timeout = '10min'");
      await other.query("BEGIN");
      await other.query("SELECT FROM fastpaca_heads WHERE id = 'b' FOR UPDATE");
      const outcomes = driver.commit([append("b", 1, 1), append("a", 1, 1)]);
      const witness = await connect(url);
      await eventually(async () => {
        const { rowCount } = await witness.query(
          "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        return rowCount === 1;
      });
      await other.query("SELECT FROM fastpaca_heads WHERE id = 'a' FOR UPDATE");
      await other.query("COMMIT");
      expect(await outcomes).toEqual([{ status: "committed" }, { status: "committed" }]);
      const { rows } = await witness.query<{ deadlocks: number }>(
        "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()",
      );
      expect(rows[0]?.deadlocks).toBeGreaterThan(0);
    });

    /** Somebody else, who keeps the row of a conversation locked. */
    async function holding(url: string, id: string): Promise<pg.Client> {
      const other = await connect(url);
      await other.query("BEGIN");
      await other.query("SELECT FROM fastpaca_heads WHERE id = $1 FOR UPDATE", [id]);
      return other;
    }

    /**
     * Has commits wait for a standby that is away, on connections that are opened from now on: those that were there
     * before may not have heard of it yet.
     */
    async function standbyAway(
      url: string,
    ): Promise<{ waiting: () => Promise<number | null>; comesBack: () => Promise<void> }> {
      const witness = await connect(url);
      const setting = async (sql: string): Promise<void> => {
        await witness.query(sql);
        await witness.query("SELECT pg_reload_conf()");
      };
      const comesBack = (): Promise<void> => setting("ALTER SYSTEM RESET synchronous_standby_names");
      later(comesBack);
      await setting("ALTER SYSTEM SET synchronous_standby_names = 'away'");
      await eventually(async () => {
        const { rows } = await witness.query({ text: "SHOW synchronous_standby_names", rowMode: "array" });
        return isDeepStrictEqual(rows[0], ["away"]);
      });
      const waiting = async (): Promise<number | null> => {
        const { rowCount } = await witness.query(
          "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()",
        );
        return rowCount;
      };
      return { waiting, comesBack };
    }

    async function over(url: string): Promise<{ driver: Awaited<ReturnType<typeof open>>; line: Line }> {
      const { near, line } = await lineFor(url);
      return { driver: await open({ url: near }), line };
    }

    async function lineFor(url: string): Promise<{ near: string; line: Line }> {
      const address = new URL(url);
      const line = await lineTo(address.hostname, Number(address.port));
      later(() => line.close());
      address.port = String(line.port);
      return { near: address.href, line };
    }
  },
  start,
);

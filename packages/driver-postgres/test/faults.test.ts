import { DriverUnavailableError } from "@fastpaca/core";
import { ownPostgresOrSkip, type OwnPostgresServer } from "@fastpaca/test-backends/postgres";
import { expect, test } from "vitest";
import { lineTo, type Line } from "./support/cut.ts";
import { append, creation, describeWithPostgres, eventually } from "./support/using.ts";

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
      const other = await connect(url);
      await other.query("BEGIN");
      await other.query("SELECT FROM fastpaca_heads WHERE id = 'a' FOR UPDATE");
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

    test("a server that ends the session in the middle of a commit leaves its outcome unknown", async () => {
      const { url } = await database();
      const driver = await open({ url });
      await driver.commit([creation("a")]);
      const other = await connect(url);
      await other.query("BEGIN");
      await other.query("SELECT FROM fastpaca_heads WHERE id = 'a' FOR UPDATE");
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

    async function over(url: string): Promise<{ driver: Awaited<ReturnType<typeof open>>; line: Line }> {
      const far = new URL(url);
      const line = await lineTo(far.hostname, Number(far.port));
      later(() => line.close());
      far.port = String(line.port);
      return { driver: await open({ url: far.href }), line };
    }
  },
  start,
);

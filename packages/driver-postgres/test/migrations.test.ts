import { fork } from "node:child_process";
import { once } from "node:events";
import { connect as connectTo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { migratePostgres, migrations, migrationSql, openPostgres } from "@fastpaca/driver-postgres";
import { expect, test } from "vitest";
import { append, creation, describeWithPostgres } from "./support/using.ts";

const place = { schema: "public", prefix: "fastpaca_" };
const newest = migrations(place).length;

await describeWithPostgres("migrations", ({ database, open, connect, later }) => {
  test("many handles and processes may open an empty database at once", async () => {
    const { url } = await database();
    const opener = fileURLToPath(new URL("support/opener.ts", import.meta.url));
    const processes = Array.from({ length: 3 }, () => fork(opener, [url, "race"], { execArgv: [] }));
    later(() => processes.forEach((child) => child.kill("SIGKILL")));
    await Promise.all(processes.map((child) => once(child, "message")));
    for (const child of processes) child.send("go");
    const handles = Promise.all(Array.from({ length: 5 }, () => open({ url, schema: "race" })));
    const codes = await Promise.all(processes.map((child) => once(child, "exit")));
    expect(codes.map(([code]) => code as unknown)).toEqual([0, 0, 0]);
    const [driver] = await handles;
    expect(await driver?.commit([creation("a")])).toEqual([{ status: "committed" }]);
    const admin = await connect(url);
    const { rows } = await admin.query("SELECT version FROM race.fastpaca_migrations");
    expect(rows).toEqual([{ version: newest }]);
  });

  test("a database of a newer driver is refused", async () => {
    const { url } = await database();
    await migratePostgres({ url });
    const admin = await connect(url);
    await admin.query("INSERT INTO fastpaca_migrations (version) VALUES (1000)");
    await expect(openPostgres({ url })).rejects.toThrow("have version 1000, newer than this driver");
    await expect(openPostgres({ url, migrate: false })).rejects.toThrow("have version 1000, newer");
  });

  test("without migrating, missing tables are told and existing ones are used", async () => {
    const { url } = await database();
    await expect(openPostgres({ url, migrate: false })).rejects.toThrow("do not exist");
    const admin = await connect(url);
    const { rows } = await admin.query("SELECT FROM pg_class WHERE relname LIKE 'fastpaca%'");
    expect(rows).toEqual([]);
    await admin.query(migrationSql(place));
    const driver = await open({ url, migrate: false });
    expect(await driver.commit([creation("a")])).toEqual([{ status: "committed" }]);
  });

  test("two prefixes in one schema share nothing", async () => {
    const { url } = await database();
    const [a, b] = [await open({ url, tablePrefix: "a_" }), await open({ url, tablePrefix: "b_" })];
    await a.commit([creation("x")]);
    expect(await b.heads(["x"])).toEqual([undefined]);
  });

  test("a migration that fails changes nothing, and can be tried again", async () => {
    const { url } = await database();
    const admin = await connect(url);
    await admin.query("CREATE TABLE fastpaca_erased ()");
    await expect(openPostgres({ url })).rejects.toThrow('"fastpaca_erased" already exists');
    const { rows } = await admin.query("SELECT relname FROM pg_class WHERE relname LIKE 'fastpaca%'");
    expect(rows).toEqual([{ relname: "fastpaca_erased" }]);
    await admin.query("DROP TABLE fastpaca_erased");
    const driver = await open({ url });
    expect(await driver.heads(["a"])).toEqual([undefined]);
  });

  test("a server that would lose commits, or takes none, is told at once", async () => {
    const { url } = await database();
    const admin = await connect(url);
    const name = new URL(url).pathname.slice(1);
    await admin.query(`ALTER DATABASE ${name} SET synchronous_commit = off`);
    const said: string[] = [];
    await open({ url, log: (level, message) => said.push(`${level}: ${message}`) });
    expect(said.join("\n")).toContain("warn: Postgres is set to lose acknowledged commits");
    await admin.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await expect(openPostgres({ url })).rejects.toThrow("read-only");
  });

  test("a database that lacks characters is refused", async () => {
    const { url } = await database();
    const admin = await connect(url);
    const name = `${new URL(url).pathname.slice(1)}_latin`;
    await admin.query(`CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    later(() => admin.query(`DROP DATABASE ${name}`));
    const latin = new URL(url);
    latin.pathname = `/${name}`;
    await expect(openPostgres({ url: latin.href })).rejects.toThrow(
      "the encoding of the Postgres database is LATIN1",
    );
  });

  test("a sequence that a copy of the tables has left behind is told, and how it is mended", async () => {
    const { url } = await database();
    const driver = await open({ url });
    await driver.commit([creation("a"), creation("b")]);
    await driver.commit([append("a", 1, 1), append("b", 1, 1)]);
    await driver.close();
    const admin = await connect(url);
    // What others have in the database is no business of this one.
    await admin.query("CREATE SCHEMA other");
    await admin.query("CREATE SEQUENCE other.fastpaca_logs START 1000");
    await admin.query("SELECT nextval('other.fastpaca_logs'), setval('fastpaca_logs', 1, false)");
    const refusal = await open({ url }).then(() => "", String);
    const [, mend = ""] = /the log 2 is in use: (SELECT .*)$/.exec(refusal) ?? [];
    await admin.query(mend);
    const again = await open({ url });
    await again.commit([creation("c")]);
    const { rows } = await admin.query("SELECT log::int FROM fastpaca_heads WHERE id = 'c'");
    expect(rows).toEqual([{ log: 3 }]);
  });

  test("an unusable encoding is refused before anything is made", async () => {
    const { url } = await database();
    const name = new URL(url).pathname.slice(1);
    const admin = await connect(url);
    await admin.query(`CREATE DATABASE ${name}_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    later(() => admin.query(`DROP DATABASE ${name}_latin`));
    const latin = new URL(url);
    latin.pathname = `${name}_latin`;
    await expect(open({ url: latin.href })).rejects.toThrow(
      "the encoding of the Postgres database is LATIN1",
    );
    const looking = await connect(latin.href);
    const { rows } = await looking.query(
      "SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = 'public'",
    );
    expect(rows).toEqual([{ tables: 0 }]);
    await looking.end();
  });

  test("a pooler that takes no settings is used without, and it is said", async () => {
    const { url } = await database();
    const far = new URL(url);
    const pooler = createServer((near) => {
      near.on("error", () => undefined);
      near.once("data", (startup) => {
        if (startup.includes("statement_timeout")) {
          const fields = "SFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0";
          const length = Buffer.alloc(4);
          length.writeInt32BE(4 + fields.length);
          near.end(Buffer.concat([Buffer.from("E"), length, Buffer.from(fields)]));
          return;
        }
        const server = connectTo(Number(far.port), far.hostname);
        server.on("error", () => near.destroy());
        server.write(startup);
        near.pipe(server).pipe(near);
      });
    });
    await once(pooler.listen(0, "127.0.0.1"), "listening");
    later(() => pooler.close());
    const near = new URL(url);
    const address = pooler.address();
    near.port = String(typeof address === "object" ? address?.port : "");
    const said: string[] = [];
    const driver = await open({ url: near.href, log: (_, message) => said.push(message) });
    expect(await driver.commit([creation("a")])).toEqual([{ status: "committed" }]);
    expect(said).toContain(
      "the pooler takes no statement_timeout and no lock_timeout: set them for the database user",
    );
  });
});

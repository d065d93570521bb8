import { DriverUnavailableError } from "@fastpaca/core";
import postgres, { migrationSql, openPostgres, placeOf } from "@fastpaca/driver-postgres";
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { describeWithPostgres } from "./support/using.ts";

const SECRET = "s3cr3t-w0rd";

test.each([
  ["postgres://u:SECRET@127.0.0.1/db?colour=red", 'unknown option "colour"'],
  ["postgres://u:pass?SECRET@127.0.0.1/db", "unknown option (write ? in a password as %3F)"],
  ["postgres://u:12/SECRET@127.0.0.1/db", "write / in a password as %2F"],
  ["postgres://u:12#SECRET@127.0.0.1/db", "write it as %23"],
  ["postgres://u:SECRET@127.0.0.1:port/db", "cannot be read"],
  ["postgres://u:SECRET@127.0.0.1/db?sslmode=verify-full&sslrootcert=/no/such/file", "/no/such/file"],
  ["postgres://u:SECRET@127.0.0.1/db?schema=a.b", 'schema "a.b" is not usable'],
  ["postgres://u:SECRET@127.0.0.1/db?table_prefix=%22", "table prefix"],
  ["postgres://u:SECRET@127.0.0.1/db?pool_size=0", "pool_size is a whole number from 1 to 1000"],
  ["postgres://u:SECRET@127.0.0.1/db?statement_timeout_ms=1.5", "statement_timeout_ms is a whole number"],
  ["postgres://u:SECRET@127.0.0.1/db?migrate=maybe", "migrate is true or false"],
  ["postgres://u:SECRET@127.0.0.1/db?prepare=no", "prepare is true or false"],
  ["mysql://u:SECRET@127.0.0.1/db", "starts with postgres://"],
])("%s is refused", async (url, because) => {
  const error = await failure(openPostgres({ url: url.replace("SECRET", SECRET) }));
  expect(error).toBeInstanceOf(TypeError);
  expect(String(error)).toContain(because);
  expect(everythingIn(error)).not.toContain(SECRET);
});

test("a name that Postgres would cut off is refused, since two of them could become the same", async () => {
  const url = "postgres://127.0.0.1/db";
  await expect(openPostgres({ url, tablePrefix: "x".repeat(48) })).rejects.toThrow("at most 47");
  await expect(openPostgres({ url, schema: "x".repeat(64) })).rejects.toThrow("at most 63");
});

test("both a url and a pool, or neither, are refused", async () => {
  await expect(openPostgres({})).rejects.toThrow("either a url or a pool");
  await expect(
    openPostgres({ url: "postgres://h/d", pool: { connect: () => Promise.reject(new Error("no")) } }),
  ).rejects.toThrow("either a url or a pool");
});

test("a server that is not there is unavailable", async () => {
  // Nobody listens on the discard port of this machine.
  const error = await failure(postgres.open(`postgres://u:${SECRET}@127.0.0.1:9/db`));
  expect(error).toBeInstanceOf(DriverUnavailableError);
  expect(String(error)).toMatch(/cannot be reached: .*ECONNREFUSED/);
  expect(everythingIn(error)).not.toContain(SECRET);
});

test("where the tables go can be asked without a server", () => {
  const url = "postgres://u:p@127.0.0.1:9/db";
  expect(placeOf({ url })).toEqual({ schema: "public", prefix: "fastpaca_" });
  expect(placeOf({ url: `${url}?schema=chat&table_prefix=` })).toEqual({ schema: "chat", prefix: "" });
});

test("the module answers to both schemes", () => {
  expect([postgres.name, postgres.schemes]).toEqual(["postgres", ["postgres", "postgresql"]]);
});

await describeWithPostgres("opening", ({ database, open, connect, server, later }) => {
  test("a wrong password, a missing database and a user without rights get clear sentences", async () => {
    const poor = await createUser();
    const { url } = await database();
    const wrong = new URL(url);
    wrong.password = SECRET;
    const refused = await failure(openPostgres({ url: wrong.href }));
    expect(refused).toBeInstanceOf(DriverUnavailableError);
    expect(String(refused)).toContain("password authentication failed");
    expect(everythingIn(refused)).not.toContain(SECRET);

    const missing = new URL(url);
    missing.pathname = "/nowhere";
    await expect(openPostgres({ url: missing.href })).rejects.toThrow('database "nowhere" does not exist');

    const denied = await failure(openPostgres({ url: poor.of(url) }));
    expect(String(denied)).toContain('may not use or create the Fastpaca tables in schema "public"');
    expect(everythingIn(denied)).not.toContain(SECRET);
    await expect(openPostgres({ url: poor.of(url), schema: "other" })).rejects.toThrow("grant it CREATE");
  });

  test("a user without the right to create works with tables that somebody else created", async () => {
    const { name, of } = await createUser();
    const { url } = await database();
    const place = { schema: "chat", prefix: "" };
    const admin = await connect(url);
    await admin.query(migrationSql(place));
    await admin.query(`GRANT USAGE ON SCHEMA chat TO ${name};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA chat TO ${name};
      GRANT USAGE ON SEQUENCE chat.logs TO ${name}`);
    const driver = await open({ url: `${of(url)}?schema=chat&table_prefix=` });
    expect(await driver.heads(["a"])).toEqual([undefined]);
  });

  test("options in the URL reach the server, and stay out of the way of pg's own", async () => {
    const { url } = await database();
    const admin = await connect(url);
    await open({ url: `${url}?schema=S1&table_prefix=T_&application_name=mine&pool_size=3&prepare=false` });
    const { rows } = await admin.query('SELECT to_regclass(\'"S1"."T_heads"\')::text AS name');
    expect(rows).toEqual([{ name: '"S1"."T_heads"' }]);
    const { rows: sessions } = await admin.query(
      "SELECT application_name FROM pg_stat_activity WHERE application_name = 'mine'",
    );
    expect(sessions).not.toEqual([]);
  });

  /** A user that may log in and nothing more; before the databases in which it gets rights, so that it goes after them. */
  async function createUser(): Promise<{ name: string; of: (url: string) => string }> {
    const name = `poor_${randomBytes(6).toString("hex")}`;
    const admin = await connect(server.url);
    await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD '${SECRET}'`);
    later(() => admin.query(`DROP ROLE ${name}`));
    const of = (url: string): string => {
      const poor = new URL(url);
      poor.username = name;
      poor.password = SECRET;
      return poor.href;
    };
    return { name, of };
  }
});

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it was accepted");
    },
    (error: unknown) => error,
  );
}

/** All that logging an error could show. */
function everythingIn(error: unknown): string {
  const shown: string[] = [];
  for (let each = error; each instanceof Error; each = each.cause)
    shown.push(String(each), each.stack ?? "", inspect(each, { showHidden: true, depth: 9 }));
  return shown.join("\n");
}

import { describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import { run, startServer } from "./command.js";

describe("fastpaca migrate", { timeout: 30_000 }, () => {
  test.each([
    [["migrate", "extra"], { FASTPACA_STORE: "memory:" }, "extra"],
    [["migrate", "--prnt"], { FASTPACA_STORE: "memory:" }, "--prnt"],
    [["migrate"], { FASTPACA_STORE: "" }, "which store?"],
    [["migrate"], { FASTPACA_STORE: "memory:" }, "the memory driver prepares its database when it is opened"],
    [
      ["migrate", "--store", "postgres://ada:s3cret@127.0.0.1:1/none"],
      {},
      "cannot open the store postgres://ada:***@",
    ],
  ] as const)("%j %o exits with 2 and says why in one line", async (args, environment, problem) => {
    const { code, stdout, stderr } = await run(args, environment);
    expect(code, `${stdout}${stderr}`).toBe(2);
    expect(stderr).toMatch(/^fastpaca: [^\n]+\n$/);
    expect(stderr).toContain(problem);
    expect(stderr).not.toContain("s3cret");
  });
});

describe.each(BACKENDS.filter(({ name }) => name === "postgres"))(
  "fastpaca migrate over $name",
  { timeout: 60_000 },
  (backend) => {
    test("prepares what a server that may not do so itself then uses", async () => {
      const database = await backend.createDatabase();
      try {
        const url = new URL(database.url);
        url.searchParams.set("schema", "chat");
        url.searchParams.set("migrate", "false");
        const refused = await run(["serve", "--port", "0"], { FASTPACA_STORE: url.href });
        expect(refused.code, refused.stdout).toBe(2);
        expect(refused.stderr).toContain("migrate");

        const printed = await run(["migrate", "--print"], { FASTPACA_STORE: url.href });
        expect(printed.code, printed.stderr).toBe(0);
        expect(printed.stdout).toContain('CREATE SCHEMA IF NOT EXISTS "chat"');
        expect((await run(["serve", "--port", "0"], { FASTPACA_STORE: url.href })).code).toBe(2);

        for (const time of ["first", "second"]) {
          const { code, stdout, stderr } = await run(["migrate"], { FASTPACA_STORE: url.href });
          expect(code, `the ${time} time: ${stderr}`).toBe(0);
          expect(stdout).toBe("the tables are up to date\n");
        }
        await using server = await startServer([], { FASTPACA_STORE: url.href });
        expect((await fetch(`http://127.0.0.1:${server.port}/health/ready`)).status).toBe(200);
      } finally {
        await database.drop();
      }
    });
  },
);

import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Client, type Refusal } from "./client.js";
import { run, startServer, type Exit } from "./command.js";

describe("fastpaca serve with a wrong setting", { timeout: 30_000 }, () => {
  test.each([
    [["--port", "70000"], {}, "--port"],
    [["--port", "x"], {}, "--port"],
    [["--port", "-1"], {}, "--port"],
    [["--port="], {}, "--port"],
    [[], { FASTPACA_PORT: "4000.5" }, "FASTPACA_PORT"],
    [[], { FASTPACA_RATE_LIMIT: "lots" }, "FASTPACA_RATE_LIMIT"],
    [["--body-limit", "1"], {}, "--body-limit"],
    [["--max-messages", "0"], {}, "--max-messages"],
    [["--estimator", "guess"], {}, "--estimator"],
    [["--cache-mb", "1e3"], {}, "--cache-mb"],
    [["--log-level", "loud"], {}, "--log-level"],
    [[], { FASTPACA_LOG_FORMAT: "xml" }, "FASTPACA_LOG_FORMAT"],
    [[], { FASTPACA_API_KEY: "a,,b" }, "FASTPACA_API_KEY"],
    [[], { FASTPACA_API_KEY: "a b" }, "FASTPACA_API_KEY"],
    [["--api-key", "secret"], {}, "--api-key"],
    [["--prot", "1"], {}, "--prot"],
    [["extra"], {}, "extra"],
    [["--store", "nosuch:thing"], {}, "store"],
    [["--store", "memory:shared"], {}, "nothing follows memory:"],
    [["--host", ""], {}, "--host must not be empty"],
    [["--store", ""], {}, "--store must not be empty"],
    [["--store", "no URL"], {}, "store"],
    [["--driver", "no-such-package"], {}, "no-such-package is not installed"],
    [["--driver", "./no-such-file.js"], {}, "./no-such-file.js cannot be loaded"],
    [["--driver", "node_modules"], {}, "node_modules is not installed"],
    [["--store", "sqlite:/no/such/directory/fastpaca.db"], {}, "/no/such/directory"],
    [
      ["--store", "postgres://ada:s3cret@127.0.0.1:1/none"],
      {},
      "cannot open the store postgres://ada:***@127.0.0.1:1/none",
    ],
    [["--port", "0", "--host", "203.0.113.1"], {}, "--host"],
  ] as const)("%j %o exits with 2 and names %s in one line", async (args, environment, name) => {
    expectRefused(await run(["serve", "--log-level", "warn", ...args], environment), name);
  });

  test("such as a port that is in use exits with 2 and says so in one line", async () => {
    const occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen(0, "127.0.0.1", resolve));
    try {
      // A listening TCP server has an address of this kind.
      const { port } = occupant.address() as AddressInfo;
      const exit = await run(["serve", "--log-level", "warn", "--port", String(port)]);
      expectRefused(exit, `port ${port}`);
      expect(exit.stderr).toContain("in use");
    } finally {
      occupant.close();
    }
  });

  test("tells its version", async () => {
    const manifest: unknown = JSON.parse(
      await readFile(new URL("../../../cli/package.json", import.meta.url), "utf8"),
    );
    for (const flag of ["--version", "-v"]) {
      const { code, stdout } = await run([flag]);
      expect([code, stdout]).toEqual([0, `${String(Object(manifest)["version"])}\n`]);
    }
  });

  test("does not show the keys", async () => {
    const { stdout, stderr } = await run(["serve"], { FASTPACA_API_KEY: "top secret" });
    expect(`${stdout}${stderr}`).not.toContain("top secret");
  });
});

describe("fastpaca serve", { timeout: 30_000 }, () => {
  test("keeps conversations in the data directory, which it makes, unless told otherwise", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-settings-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const dataDir = path.join(directory, "with space", "100% ünï");
    const environment = { FASTPACA_STORE: "", FASTPACA_DATA_DIR: dataDir };
    for (const status of [201, 200]) {
      await using server = await startServer([], environment);
      const client = new Client(`http://127.0.0.1:${server.port}`);
      try {
        expect((await client.put("/v1/contexts/kept")).status).toBe(status);
      } finally {
        client.close();
      }
      server.signal("SIGTERM");
      expect((await server.exited).code).toBe(0);
    }
    expect(await readdir(dataDir)).toContain("fastpaca.db");
  });

  test("takes a driver from a file", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-settings-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const file = path.join(directory, "driver.mjs");
    const memory = import.meta.resolve("@fastpaca/driver-memory");
    const source = `import memory from ${JSON.stringify(memory)};
export default { name: "mine", schemes: ["mine"], open: () => memory.open("memory:") };`;
    await writeFile(file, source);
    await using server = await startServer(["--driver", file, "--store", "mine:x"]);
    expect((await fetch(`http://127.0.0.1:${server.port}/health/ready`)).status).toBe(200);
  });

  test("says when a driver exports something else", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-settings-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const file = path.join(directory, "driver.mjs");
    await writeFile(file, "export default { name: 1 };");
    expectRefused(
      await run(["serve", "--driver", file]),
      "has no default export with name, schemes and open",
    );
  });

  test("takes its settings from the environment, and flags win", async () => {
    await using server = await startServer(["--max-messages", "2", "--body-limit", "2048"], {
      FASTPACA_MAX_MESSAGES: "1",
      FASTPACA_API_KEY: "old, new",
    });
    const url = `http://127.0.0.1:${server.port}`;
    const client = new Client(url, { authorization: "Bearer new" });
    const old = new Client(url, { authorization: "Bearer old" });
    const nobody = new Client(url);
    try {
      expect((await old.put("/v1/contexts/set")).status).toBe(201);
      expect((await nobody.get("/v1/contexts/set")).status).toBe(401);
      expect((await nobody.get("/health/ready")).status).toBe(200);
      const message = { role: "user", parts: [] };
      const append = async (count: number): Promise<number> =>
        (
          await client.post("/v1/contexts/set/messages", {
            messages: Array.from({ length: count }, () => message),
          })
        ).status;
      expect(await append(2)).toBe(201);
      expect(await append(3)).toBe(413);
      const large = await client.put("/v1/contexts/set", { metadata: { a: "x".repeat(2048) } });
      expect(large.json<Refusal>()).toMatchObject({ error: "payload_too_large", field: "body" });
    } finally {
      for (const open of [client, old, nobody]) open.close();
    }
  });
});

function expectRefused({ code, stdout, stderr }: Exit, name: string): void {
  expect(code, `${stdout}${stderr}`).toBe(2);
  expect(stderr).toMatch(/^fastpaca: [^\n]+\n$/);
  expect(stderr).toContain(name);
}

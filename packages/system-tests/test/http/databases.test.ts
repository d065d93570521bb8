/** What runs where a server is missing. */
import { mongoOrSkip } from "@fastpaca/test-backends/mongodb";
import { postgresOrSkip } from "@fastpaca/test-backends/postgres";
import { afterEach, expect, test, vi } from "vitest";
import type { TestProject } from "vitest/node";
import startDatabases from "./databases.js";

vi.mock("@fastpaca/test-backends/mongodb", () => ({ mongoOrSkip: vi.fn() }));
vi.mock("@fastpaca/test-backends/postgres", () => ({ postgresOrSkip: vi.fn() }));

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetAllMocks();
});

/** Starts the databases; what they provide, and how to stop them. */
async function start(): Promise<{ backends: unknown; stop: () => Promise<void> }> {
  let backends: unknown;
  const provide: TestProject["provide"] = (_name, value) => (backends = value);
  // All that is asked of a project.
  const stop = await startDatabases({ provide } as TestProject);
  return { backends, stop };
}

function postgres(stop: () => Promise<void>): void {
  const url = "postgres://127.0.0.1:1/none";
  const createDatabase = (): Promise<never> => Promise.reject(new Error("this server is none"));
  vi.mocked(postgresOrSkip).mockResolvedValue({ origin: "a test", url, createDatabase, stop });
}

test("a server that is not there is left out, the others run", async () => {
  vi.stubEnv("FASTPACA_BACKENDS", undefined);
  vi.stubEnv("FASTPACA_TEST_POSTGRES_URL", "postgres://elsewhere");
  const stopped = vi.fn(() => Promise.resolve());
  postgres(stopped);
  vi.mocked(mongoOrSkip).mockResolvedValue(undefined);
  const { backends, stop } = await start();
  expect(backends).toEqual(["memory", "sqlite", "postgres"]);
  expect(process.env["FASTPACA_TEST_POSTGRES_URL"]).toBe("postgres://127.0.0.1:1/none");
  expect(stopped).not.toHaveBeenCalled();
  await stop();
  expect(stopped).toHaveBeenCalledOnce();
});

test("where a missing server is a failure, nothing runs, and what was started is stopped", async () => {
  vi.stubEnv("FASTPACA_BACKENDS", undefined);
  vi.stubEnv("FASTPACA_TEST_POSTGRES_URL", undefined);
  const stopped = vi.fn(() => Promise.resolve());
  postgres(stopped);
  vi.mocked(mongoOrSkip).mockRejectedValue(new Error("there is no MongoDB"));
  await expect(start()).rejects.toThrow("there is no MongoDB");
  expect(stopped).toHaveBeenCalledOnce();
});

test("FASTPACA_BACKENDS names those that run, and no other server is started", async () => {
  vi.stubEnv("FASTPACA_BACKENDS", "sqlite,memory");
  const { backends, stop } = await start();
  expect(backends).toEqual(["memory", "sqlite"]);
  expect(postgresOrSkip).not.toHaveBeenCalled();
  expect(mongoOrSkip).not.toHaveBeenCalled();
  await stop();
});

test("FASTPACA_BACKENDS names nothing that is no backend", async () => {
  vi.stubEnv("FASTPACA_BACKENDS", "memory,postgresql");
  await expect(start()).rejects.toThrow("postgresql");
});

/** Starts the database servers once for all test files, which find them through the environment. */
import { mongoOrSkip } from "@fastpaca/test-backends/mongodb";
import { postgresOrSkip } from "@fastpaca/test-backends/postgres";
import type { TestProject } from "vitest/node";
import type { BackendName } from "./backends.js";

declare module "vitest" {
  interface ProvidedContext {
    backends: BackendName[];
  }
}

const ALL: readonly BackendName[] = ["memory", "sqlite", "postgres", "mongo"];

export default async function startDatabases(project: TestProject): Promise<() => Promise<void>> {
  const wanted = process.env["FASTPACA_BACKENDS"]?.split(",") ?? ALL;
  const unknown = wanted.filter((name) => !ALL.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`FASTPACA_BACKENDS: there is no backend ${unknown.join(", ")}`);
  await using starting = new AsyncDisposableStack();
  const backends: BackendName[] = [];
  for (const name of ALL.filter((name) => wanted.includes(name))) {
    if (name === "postgres") {
      const server = await postgresOrSkip();
      if (server === undefined) continue;
      starting.defer(() => server.stop());
      process.env["FASTPACA_TEST_POSTGRES_URL"] = server.url;
    }
    if (name === "mongo") {
      const server = await mongoOrSkip();
      if (server === undefined) continue;
      starting.defer(() => server.stop());
      process.env["FASTPACA_TEST_MONGODB_URL"] = server.url;
    }
    backends.push(name);
  }
  project.provide("backends", backends);
  const started = starting.move();
  return () => started.disposeAsync();
}

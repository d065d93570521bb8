import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startMongo } from "@fastpaca/test-backends/mongodb";
import { startPostgres } from "@fastpaca/test-backends/postgres";

/** An empty database that a benchmark stores in, removed with everything that was started for it. */
export interface Database extends AsyncDisposable {
  readonly url: string;
}

export const STORES = ["memory", "sqlite", "postgres", "mongo"] as const;
export type StoreName = (typeof STORES)[number];

/** @throws Error where this machine has no such server */
export async function openDatabase(store: StoreName): Promise<Database> {
  switch (store) {
    case "memory":
      return { url: "memory:", [Symbol.asyncDispose]: () => Promise.resolve() };
    case "sqlite": {
      const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-bench-"));
      return {
        url: `sqlite:${directory}/fastpaca.db`,
        [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
      };
    }
    case "postgres":
      return served(await startPostgres());
    case "mongo":
      return served(await startMongo());
  }
}

async function served(server: {
  createDatabase(): Promise<{ readonly url: string; drop(): Promise<void> }>;
  stop(): Promise<void>;
}): Promise<Database> {
  try {
    const database = await server.createDatabase();
    const dispose = async (): Promise<void> => {
      await database.drop();
      await server.stop();
    };
    return { url: database.url, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

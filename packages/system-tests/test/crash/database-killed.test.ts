import { createStore, type DriverModule } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import mongo from "@fastpaca/driver-mongo";
import postgres from "@fastpaca/driver-postgres";
import { ownMongoOrSkip } from "@fastpaca/test-backends/mongodb";
import { ownPostgresOrSkip } from "@fastpaca/test-backends/postgres";
import { describe, expect, inject, test } from "vitest";
import { Client } from "../http/client.js";
import { Ledger } from "./ledger.js";
import { create, finish, Writers } from "./writers.js";

/** How often the database is killed, unless the environment says otherwise. */
const KILLS = Number(process.env["FASTPACA_DATABASE_KILLS"] ?? 2);
const PATHS = Array.from({ length: 8 }, (_, index) => `/v1/contexts/c${index}`);

/** A database server that this test may kill. */
interface Mortal {
  createDatabase(): Promise<{ readonly url: string }>;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

interface Case {
  readonly name: "postgres" | "mongo";
  readonly module: DriverModule;
  readonly start: () => Promise<Mortal | undefined>;
}

const ALL: readonly Case[] = [
  { name: "postgres", module: postgres, start: ownPostgresOrSkip },
  { name: "mongo", module: mongo, start: ownMongoOrSkip },
];
const CASES = ALL.filter(({ name }) => inject("backends").includes(name));

describe.each(CASES)(
  "$name killed under load",
  { timeout: 120_000 + KILLS * 60_000 },
  ({ module, start }) => {
    test(`${KILLS} times: writes are refused or unknown, and keyed retries land once`, async ({ skip }) => {
      const database = await start();
      if (database === undefined) return skip("there is no server that may be killed");
      try {
        const { url: storeUrl } = await database.createDatabase();
        const store = createStore({ driver: await module.open(storeUrl), onError: () => undefined });
        const app = await createServer({ store });
        const url = await app.listen({ host: "127.0.0.1", port: 0 });
        try {
          const ledger = new Ledger();
          await create(url, PATHS);
          for (let kill = 0; kill < KILLS; kill++) {
            const writers = new Writers(ledger, {
              urls: [url],
              paths: PATHS,
              writers: 16,
              name: `life${kill}`,
            });
            await writers.acknowledge(50 + Math.floor(Math.random() * 300));
            await database.kill();
            expect((await ready(url)).status).toBe(503);
            await database.restart();
            // By themselves, without being told.
            await writers.acknowledge(50);
            await writers.stop();
            await ledger.audit(url, PATHS);
          }
          await finish(ledger, url);
          await ledger.audit(url, PATHS);
        } finally {
          await app.close();
          await store.close();
        }
      } finally {
        await database.stop();
      }
    });
  },
);

async function ready(url: string): ReturnType<Client["get"]> {
  const client = new Client(url);
  try {
    return await client.get("/health/ready");
  } finally {
    client.close();
  }
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Driver, DriverModule } from "@fastpaca/core";
import memory from "@fastpaca/driver-memory";
import mongo from "@fastpaca/driver-mongo";
import postgres from "@fastpaca/driver-postgres";
import sqlite from "@fastpaca/driver-sqlite";
import { startMongo, type MongoServer } from "@fastpaca/test-backends/mongodb";
import { startPostgres, type PostgresServer } from "@fastpaca/test-backends/postgres";
import { inject } from "vitest";

/** A database that the server is tested over: each test has an empty one of its own. */
export interface Backend {
  readonly name: BackendName;
  /** Whether it outlives the process that wrote it. */
  readonly durable: boolean;
  readonly pace: Pace;
  /** An empty database; opened as often as a test likes. */
  createDatabase(): Promise<TestDatabase>;
  /** An empty database, opened once; closing removes it. */
  open(): Promise<{ readonly driver: Driver; close(): Promise<void> }>;
}

/** How much of what is generated runs over a database: all of it over the quickest, a part over the others. */
export interface Pace {
  /** Hostile requests in all. */
  readonly requests: number;
  /** Share of the generated histories, 0 to 1. */
  readonly histories: number;
  /** Longest that one of these histories may take, in milliseconds: a call that nobody answers fails it. */
  readonly patience: number;
}

/** For what runs over the quickest database alone. */
export const FULL_PACE: Pace = { requests: 20_000, histories: 1, patience: 2000 };

/** The one place that says so. The whole suite is to take some minutes on two cores. */
const PACES = {
  memory: FULL_PACE,
  sqlite: { requests: 3000, histories: 0.1, patience: 20_000 },
  postgres: { requests: 3000, histories: 0.05, patience: 20_000 },
  mongo: { requests: 3000, histories: 0.05, patience: 20_000 },
} satisfies Record<BackendName, Pace>;

export interface TestDatabase {
  readonly url: string;
  open(): Promise<Driver>;
  drop(): Promise<void>;
}

export type BackendName = "memory" | "sqlite" | "postgres" | "mongo";

/** Every HTTP test runs over each of these. `FASTPACA_BACKENDS=memory,sqlite` leaves others out. */
export const BACKENDS: readonly Backend[] = [
  backend("memory", memory, false, () => Promise.resolve({ url: "memory:", drop: () => Promise.resolve() })),
  backend("sqlite", sqlite, true, async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-test-"));
    return {
      url: `sqlite:${directory}/fastpaca.db`,
      drop: () => rm(directory, { recursive: true, force: true }),
    };
  }),
  backend("postgres", postgres, true, async () => (await postgresServer()).createDatabase()),
  backend("mongo", mongo, true, async () => (await mongoServer()).createDatabase()),
].filter(({ name }) => inject("backends").includes(name));

/** Those whose databases several processes may open, and that are there again after a restart. */
export const DURABLE_BACKENDS: readonly Backend[] = BACKENDS.filter(({ durable }) => durable);

// The servers themselves were started before the tests, and the environment says where they are.
let runningPostgres: Promise<PostgresServer> | undefined;
let runningMongo: Promise<MongoServer> | undefined;

function postgresServer(): Promise<PostgresServer> {
  runningPostgres ??= startPostgres();
  return runningPostgres;
}

function mongoServer(): Promise<MongoServer> {
  runningMongo ??= startMongo();
  return runningMongo;
}

function backend(
  name: BackendName,
  module: DriverModule,
  durable: boolean,
  create: () => Promise<{ readonly url: string; drop(): Promise<void> }>,
): Backend {
  const createDatabase = async (): Promise<TestDatabase> => {
    const { url, ...database } = await create();
    return { url, open: () => module.open(url), drop: () => database.drop() };
  };
  return {
    name,
    durable,
    pace: PACES[name],
    createDatabase,
    open: async () => {
      const database = await createDatabase();
      try {
        const driver = await database.open();
        const close = async (): Promise<void> => {
          await driver.close();
          await database.drop();
        };
        return { driver, close };
      } catch (error) {
        await database.drop();
        throw error;
      }
    },
  };
}

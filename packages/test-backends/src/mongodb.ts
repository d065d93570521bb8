import { randomBytes } from "node:crypto";
import { MongoClient } from "mongodb";
import { startMongoContainer } from "./mongodb-container.js";
import { startEngine, startMongod } from "./mongodb-process.js";
import { orSkip } from "./or-skip.js";

/** A database that nothing else uses. */
export interface MongoDatabase {
  readonly name: string;
  /** The fastest way in: may lead to a Unix socket. */
  readonly url: string;
  /** The same database by host and port, for what cannot speak to a Unix socket. */
  readonly tcpUrl: string;
  /** Drops it. Idempotent. */
  drop(): Promise<void>;
}

/** A real MongoDB server for tests. It ends with {@link MongoServer.stop}, or with the process that started it. */
export interface MongoServer {
  /** Where it came from: `given` by the environment, a `container`, an installed `mongod`, or the `engine` from npm. */
  readonly kind: "given" | "container" | "mongod" | "engine";
  /** Of the server itself: names no database. */
  readonly url: string;
  createDatabase(): Promise<MongoDatabase>;
  /** Ends the server at once, as a power failure would. Only where this process started it itself. */
  readonly kill?: () => Promise<void>;
  /** Starts it again on the same data, under the same URLs. */
  readonly restart?: () => Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** A server that runs, and how to end it. */
export interface RunningMongo {
  readonly kind: MongoServer["kind"];
  readonly url: string;
  readonly tcpUrl: string;
  readonly kill?: () => Promise<void>;
  readonly restart?: () => Promise<void>;
  stop(): Promise<void>;
}

/**
 * Finds or starts a server, the first of: the one that `FASTPACA_TEST_MONGODB_URL` names, a container, the `mongod`
 * on the PATH, the engine from npm. Says on stderr why it passed one over that was within reach.
 * @throws where none is to be had, with what each attempt said
 */
export async function startMongo(): Promise<MongoServer> {
  const given = process.env["FASTPACA_TEST_MONGODB_URL"];
  if (given !== undefined && given !== "") {
    return serve({ kind: "given", url: given, tcpUrl: given, stop: () => Promise.resolve() });
  }
  return firstOf([startMongoContainer, startMongod, startEngine]);
}

/** A server whose process belongs to the test, so that it can fail on purpose. */
export type OwnMongoServer = MongoServer & Required<Pick<MongoServer, "kill" | "restart">>;

/**
 * Starts a server that can be killed: the `mongod` on the PATH, or the engine from npm.
 * @throws where none is to be had
 */
export async function startOwnMongo(): Promise<OwnMongoServer> {
  const server = await firstOf([startMongod, startEngine]);
  const { kill, restart } = server;
  if (kill === undefined || restart === undefined) throw new Error("this MongoDB cannot be killed");
  return { ...server, kill, restart };
}

async function firstOf(starts: readonly (() => Promise<RunningMongo | undefined>)[]): Promise<MongoServer> {
  const failures: unknown[] = [];
  for (const start of starts) {
    try {
      const running = await start();
      if (running !== undefined) return serve(running);
    } catch (error) {
      failures.push(error);
      console.warn(`MongoDB for tests: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new AggregateError(
    failures,
    "there is no MongoDB for tests: set FASTPACA_TEST_MONGODB_URL, start Docker or install mongod",
  );
}

/**
 * {@link startMongo} for a suite that is skipped, loudly, where no server is to be had.
 * @returns `undefined` where the suite is to be skipped
 * @throws where `CI=true`: there a suite that does not run is a failure
 */
export function mongoOrSkip(): Promise<MongoServer | undefined> {
  return orSkip("MongoDB", startMongo);
}

/** As {@link mongoOrSkip}, for {@link startOwnMongo}. */
export function ownMongoOrSkip(): Promise<OwnMongoServer | undefined> {
  return orSkip("MongoDB", startOwnMongo);
}

function serve(running: RunningMongo): MongoServer {
  const { kind, url, kill, restart } = running;
  return {
    kind,
    url,
    createDatabase: () => Promise.resolve(databaseOn(running)),
    ...(kill === undefined ? {} : { kill }),
    ...(restart === undefined ? {} : { restart }),
    stop: () => running.stop(),
  };
}

/** MongoDB creates a database when something is written to it: a name is all it takes. */
function databaseOn({ url, tcpUrl }: RunningMongo): MongoDatabase {
  const name = `fastpaca_test_${randomBytes(6).toString("hex")}`;
  return {
    name,
    url: withDatabase(url, name),
    tcpUrl: withDatabase(tcpUrl, name),
    async drop() {
      const client = new MongoClient(url, { serverSelectionTimeoutMS: 5000 });
      try {
        await client.db(name).dropDatabase();
      } finally {
        await client.close();
      }
    },
  };
}

/** Puts another database into a URL, and keeps who logs in where. */
export function withDatabase(url: string, name: string): string {
  const [, server = url, path = "", query = ""] =
    /^([^/]+:\/\/[^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  if (server.includes("@") && !parameters.has("authSource")) {
    parameters.set("authSource", path === "" ? "admin" : decodeURIComponent(path));
  }
  return parameters.size === 0 ? `${server}/${name}` : `${server}/${name}?${parameters.toString()}`;
}

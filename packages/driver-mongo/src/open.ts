import type { Driver, DriverOpenOptions } from "@fastpaca/core";
import { MongoClient, type Db } from "mongodb";
import { checkPrefix, readAddress } from "./address.js";
import { openChanges } from "./changes.js";
import type { CommitDocument } from "./commit-document.js";
import { callDeadline, type Database, type Deployment } from "./database.js";
import { asUnavailable } from "./failures.js";
import type { ListingEntry } from "./listing-entry.js";
import { MongoDriver } from "./mongo-driver.js";
import { openSchema } from "./schema.js";

/** Longest to wait for a server and for a connection to it, in milliseconds. */
const CONNECT_DEADLINE = 4_000;

export type MongoOptions = DriverOpenOptions & {
  /** Default: the one in the path of the URL, else `fastpaca`. */
  readonly database?: string | undefined;
  /** Begins the name of every collection. Default: the URL's parameter of the same name, else nothing. */
  readonly collectionPrefix?: string | undefined;
} & (
    | { /** `mongodb:` or `mongodb+srv:` */ readonly url: string }
    | { /** Stays open when the driver is closed. */ readonly client: MongoClient }
  );

/**
 * Opens a store in MongoDB 6.0 or later: a single server, a replica set or a sharded cluster.
 * @throws a {@link DriverUnavailableError} where the server cannot be reached or refuses the user
 */
export async function openMongo(options: MongoOptions): Promise<Driver> {
  const { log = () => undefined } = options;
  const address = "url" in options ? readAddress(options.url) : undefined;
  const prefix = checkPrefix(options.collectionPrefix ?? address?.collectionPrefix ?? "");
  const client = "client" in options ? options.client : clientFor(address?.url ?? "");
  const release = "client" in options ? () => Promise.resolve() : () => client.close();
  try {
    const db = client.db(options.database ?? address?.database ?? "fastpaca", {
      ignoreUndefined: false,
      promoteLongs: true,
      promoteValues: true,
      useBigInt64: false,
      raw: false,
    });
    const database: Database = {
      db,
      deployment: await deploymentOf(db),
      commits: db.collection<CommitDocument>(`${prefix}commits`),
      listing: db.collection<ListingEntry>(`${prefix}listing`),
      prefix,
    };
    await openSchema(database);
    const changes = await openChanges(database, log);
    log(
      "info",
      `MongoDB is a ${database.deployment}; changes are told by ${changes?.kind ?? "nothing: polling"}`,
    );
    return new MongoDriver(database, changes, log, release);
  } catch (error) {
    await release();
    throw asUnavailable("cannot be opened", error);
  }
}

/** @throws where the URL says what the client library does not know */
function clientFor(url: string): MongoClient {
  try {
    return new MongoClient(url, {
      appName: "fastpaca",
      // Only the store can tell a commit from its own repetition.
      retryWrites: false,
      serverSelectionTimeoutMS: CONNECT_DEADLINE,
      connectTimeoutMS: CONNECT_DEADLINE,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // The library quotes the URL where it cannot be read at all: only the name of an option is worth repeating, and the
    // error itself must not be kept.
    const [option] = /^options? [\w, ]+ (?:is|are) not supported$/iu.exec(reason) ?? [];
    // oxlint-disable-next-line preserve-caught-error
    throw new Error(`the MongoDB URL cannot be understood${option === undefined ? "" : `: ${option}`}`);
  }
}

async function deploymentOf(db: Db): Promise<Deployment> {
  const hello = await db.command({ hello: 1 }, { readPreference: "primary", signal: callDeadline() });
  if (hello["msg"] === "isdbgrid") return "sharded";
  return typeof hello["setName"] === "string" ? "replica set" : "standalone";
}

import type { Driver, DriverOpenOptions } from "@fastpaca/core";
import type { Collection, Db, MongoClient } from "mongodb";
import { checkPrefix, readAddress } from "./address.js";
import { openChanges } from "./changes.js";
import { LastingClient } from "./client.js";
import type { CommitDocument } from "./commit-document.js";
import { callDeadline, type Database, type Deployment } from "./database.js";
import { asUnavailable } from "./failures.js";
import type { ListingEntry } from "./listing-entry.js";
import { MongoDriver } from "./mongo-driver.js";
import { openSchema } from "./schema.js";

export type MongoOptions = DriverOpenOptions & {
  /** Default: the one in the path of the URL, else `fastpaca`. */
  readonly database?: string | undefined;
  /** Begins the name of every collection. Default: the URL's parameter of the same name, else nothing. */
  readonly collectionPrefix?: string | undefined;
} & (
    | { /** `mongodb:` or `mongodb+srv:` */ readonly url: string }
    | {
        /** Stays open when the driver is closed. Is not replaced where it has lost sight of its server. */
        readonly client: MongoClient;
      }
  );

/**
 * Opens a store in MongoDB 6.0 or later: a single server, a replica set or a sharded cluster.
 * @throws a {@link DriverUnavailableError} where the server cannot be reached or refuses the user
 */
export async function openMongo(options: MongoOptions): Promise<Driver> {
  const { log = () => undefined } = options;
  const address = "url" in options ? readAddress(options.url) : undefined;
  const prefix = checkPrefix(options.collectionPrefix ?? address?.collectionPrefix ?? "");
  const client =
    "client" in options
      ? { current: options.client, close: () => Promise.resolve() }
      : new LastingClient(address?.url ?? "", log);
  try {
    const name = options.database ?? address?.database ?? "fastpaca";
    const deployment = await deploymentOf(client.current.db(name));
    const database = databaseOf(() => client.current, { name, prefix, deployment });
    await openSchema(database);
    const changes = await openChanges(database, log);
    log(
      "info",
      `MongoDB is a ${database.deployment}; changes are told by ${changes?.kind ?? "nothing: polling"}`,
    );
    return new MongoDriver(database, changes, log, () => client.close());
  } catch (error) {
    await client.close();
    throw asUnavailable("cannot be opened", error);
  }
}

async function deploymentOf(db: Db): Promise<Deployment> {
  const hello = await db.command({ hello: 1 }, { readPreference: "primary", signal: callDeadline() });
  if (hello["msg"] === "isdbgrid") return "sharded";
  return typeof hello["setName"] === "string" ? "replica set" : "standalone";
}

/** The collections as whichever client there is reaches them. */
function databaseOf(
  client: () => MongoClient,
  { name, prefix, deployment }: { name: string } & Pick<Database, "prefix" | "deployment">,
): Database {
  const reach = (through: MongoClient): Reached => {
    const db = through.db(name, {
      ignoreUndefined: false,
      promoteLongs: true,
      promoteValues: true,
      useBigInt64: false,
      raw: false,
    });
    const commits = db.collection<CommitDocument>(`${prefix}commits`);
    return { through, db, commits, listing: db.collection<ListingEntry>(`${prefix}listing`) };
  };
  let reached = reach(client());
  const now = (): Reached => {
    if (reached.through !== client()) reached = reach(client());
    return reached;
  };
  return {
    deployment,
    prefix,
    get db() {
      return now().db;
    },
    get commits() {
      return now().commits;
    },
    get listing() {
      return now().listing;
    },
  };
}

interface Reached {
  readonly through: MongoClient;
  readonly db: Db;
  readonly commits: Collection<CommitDocument>;
  readonly listing: Collection<ListingEntry>;
}

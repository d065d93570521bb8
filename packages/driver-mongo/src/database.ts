import type { Collection, Db, Document } from "mongodb";
import type { CommitDocument } from "./commit-document.js";
import type { ListingEntry } from "./listing-entry.js";

/**
 * Longest that one call of the driver may take, in milliseconds. Below the five seconds after which the store gives a
 * call up, so that it learns why.
 */
const CALL_DEADLINE = 4_500;

/** Longest that the server may wait for the other members, in milliseconds: before the call itself is given up. */
const WRITE_DEADLINE = 4_000;

/** How the server keeps what it is given, which decides what has to be asked of it. */
export type Deployment =
  /** One server. What it shows may not be in its journal yet. */
  | "standalone"
  /** One log on several members. */
  | "replica set"
  /** Behind a router; conversations are spread over replica sets. */
  | "sharded";

/** The collections of one store, and how to talk to them. */
export interface Database {
  readonly db: Db;
  readonly deployment: Deployment;
  readonly commits: Collection<CommitDocument>;
  readonly listing: Collection<ListingEntry>;
  /** Begins the name of every collection. */
  readonly prefix: string;
}

/** What every read says: only what no failover can take back, from the member that takes the writes. */
export function reading(database: Database, signal: AbortSignal): Reading {
  return {
    readPreference: "primary",
    readConcern: { level: database.deployment === "standalone" ? "local" : "majority" },
    maxTimeMS: CALL_DEADLINE,
    signal,
  };
}

export interface Reading {
  readonly readPreference: "primary";
  readonly readConcern: { level: "local" | "majority" };
  readonly maxTimeMS: number;
  readonly signal: AbortSignal;
}

/**
 * What is acknowledged survives every failure that MongoDB survives: it is in the journal, and where there are several
 * members, in those of a majority. A single server must not be asked for a majority: seen, it then acknowledges what is
 * not in its journal yet, and loses it when it is killed.
 */
export function durable({ deployment }: Database): WriteConcern {
  return { w: deployment === "standalone" ? 1 : "majority", j: true, wtimeout: WRITE_DEADLINE };
}

export interface WriteConcern {
  readonly w: 1 | "majority";
  readonly j: boolean;
  readonly wtimeout: number;
}

/** Runs one command, as written, on the primary. Without a signal it may take as long as it takes. */
export function command(database: Database, command: Document, signal?: AbortSignal): Promise<Document> {
  return database.db.command(command, {
    readPreference: "primary",
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Ends what one call of the driver does, wherever it stands, when its time is over. */
export async function withinDeadline<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const late = setTimeout(() => controller.abort(new CallDeadlineError()), CALL_DEADLINE);
  try {
    return await body(controller.signal);
  } finally {
    clearTimeout(late);
  }
}

/** The same for one command of what is done in the background, where the timer that stays behind does not matter. */
export function callDeadline(): AbortSignal {
  return AbortSignal.timeout(CALL_DEADLINE);
}

class CallDeadlineError extends Error {
  override readonly name = "TimeoutError";

  constructor() {
    super(`MongoDB did not answer within ${CALL_DEADLINE} ms`);
  }
}

/** Adds to a filter by `_id` what lets a router send it to one shard. Elsewhere it would cost and gain nothing. */
export function routed<T extends object>(
  { deployment }: Database,
  ids: readonly string[],
  filter: T,
): T | (T & { "_id.c": { $in: readonly string[] } }) {
  return deployment === "sharded" ? { ...filter, "_id.c": { $in: ids } } : filter;
}

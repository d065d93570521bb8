import { MongoClient } from "mongodb";
import { reasonOf } from "./failures.js";
import type { Log } from "./watching.js";

/** Longest to wait for a server and for a connection to it, in milliseconds. */
const CONNECT_DEADLINE = 4_000;

/** Longest that a check of a server takes that asks at once: to connect, to greet, and one second. In seconds. */
const CHECK_DEADLINE = (2 * CONNECT_DEADLINE) / 1000 + 1;

/** How long a client that was replaced may end what was begun with it, in milliseconds: longer than any call. */
const RETIREMENT = 5_000;

/**
 * A client of its own for one URL, replaced by a new one where it has lost sight of a server for good.
 *
 * `mongodb` 7 does where it asks a server how it is in the very turn of the event loop in which that server closes the
 * connection: the question is written to a socket that will never drain, its answer has no deadline then, and no other
 * question is asked before it. A server that comes back is not found again.
 */
export class LastingClient {
  readonly #url: string;
  readonly #log: Log;
  readonly #retired = new Map<MongoClient, NodeJS.Timeout>();
  #current: MongoClient;
  #unwatch: () => void;
  #closing: Promise<void> | undefined;

  /** @throws where the URL says what the client library does not know */
  constructor(url: string, log: Log) {
    this.#url = url;
    this.#log = log;
    this.#current = clientFor(url);
    this.#unwatch = watchMonitors(this.#current, (address) => this.#replace(address));
  }

  /** May be another one whenever it is asked for. */
  get current(): MongoClient {
    return this.#current;
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#unwatch();
    for (const timer of this.#retired.values()) clearTimeout(timer);
    await Promise.all([this.#current, ...this.#retired.keys()].map((client) => client.close()));
  }

  #replace(address: string): void {
    this.#unwatch();
    const former = this.#current;
    this.#current = clientFor(this.#url);
    this.#unwatch = watchMonitors(this.#current, (lost) => this.#replace(lost));
    this.#log("warn", `MongoDB's client does not look after ${address} any more, and was replaced`);
    const end = (): void => {
      this.#retired.delete(former);
      former.close().catch((error: unknown) => {
        this.#log("warn", `MongoDB's former client was not closed: ${reasonOf(error)}`);
      });
    };
    this.#retired.set(former, setTimeout(end, RETIREMENT).unref());
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

/**
 * Tells of the first server that a client does not look after any more.
 * @returns ends that
 */
function watchMonitors(client: MongoClient, onLost: (address: string) => void): () => void {
  const pause = client.options.heartbeatFrequencyMS / 1000;
  /** Of each server: the seconds since it was last heard of, and how many of them there may be. */
  const servers = new Map<string, { silent: number; limit: number }>();
  const heard = (address: string, limit: number): void => {
    servers.set(address, { silent: 0, limit });
  };
  client.on("serverHeartbeatStarted", ({ connectionId, awaited }) =>
    heard(connectionId, awaited ? pause + CHECK_DEADLINE : CHECK_DEADLINE),
  );
  const checked = ({ connectionId }: { connectionId: string }): void =>
    heard(connectionId, pause + CHECK_DEADLINE);
  client.on("serverHeartbeatSucceeded", checked);
  client.on("serverHeartbeatFailed", checked);
  client.on("serverClosed", ({ address }) => servers.delete(address));
  // Counted rather than measured, so that a process that was held up does not blame its servers.
  const timer = setInterval(() => {
    for (const [address, server] of servers) {
      server.silent += 1;
      if (server.silent <= server.limit) continue;
      onLost(address);
      return;
    }
  }, 1000).unref();
  return () => clearInterval(timer);
}

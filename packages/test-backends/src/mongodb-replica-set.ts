import { setTimeout as pause } from "node:timers/promises";
import { MongoClient, MongoServerError } from "mongodb";

const ALREADY_INITIALIZED = 23;
/** Longest that one node may take to elect itself, in milliseconds. */
const ELECTION_DEADLINE = 30_000;

/**
 * Makes a server a replica set of one node, unless it is one, and waits until it takes writes.
 * @param host how the server itself reaches itself
 */
export async function initiateReplicaSet(url: string, host: string): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: ELECTION_DEADLINE });
  try {
    const admin = client.db("admin");
    try {
      await admin.command({ replSetInitiate: { _id: "fastpaca", members: [{ _id: 0, host }] } });
    } catch (error) {
      if (!(error instanceof MongoServerError && error.code === ALREADY_INITIALIZED)) throw error;
    }
    const deadline = performance.now() + ELECTION_DEADLINE;
    while ((await admin.command({ hello: 1 }))["isWritablePrimary"] !== true) {
      if (performance.now() > deadline) throw new Error("the replica set of one elected no primary");
      await pause(50);
    }
  } finally {
    await client.close();
  }
}

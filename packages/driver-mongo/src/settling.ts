import { DriverUnavailableError } from "@fastpaca/core";
import type { CommitId } from "./commit-document.js";
import { command, durable, routed, type Database } from "./database.js";
import { readWriteReply } from "./server-reply.js";

/**
 * Waits until commits are where no failure can take them back. An update that changes nothing waits for everything
 * that it has seen, as an update that changes something waits for itself.
 * @returns how many of them exist
 */
export async function settle(
  database: Database,
  wanted: readonly CommitId[],
  signal: AbortSignal,
): Promise<number> {
  const updates = wanted.map((_id) => ({
    q: routed(database, [_id.c], { _id }),
    u: { $unset: { none: "" } },
  }));
  const { collectionName } = database.commits;
  const update = { update: collectionName, updates, ordered: false, writeConcern: durable(database) };
  const { n, doubt, errors } = readWriteReply(await command(database, update, signal));
  const problem = doubt ?? errors[0]?.message;
  if (problem !== undefined)
    throw new DriverUnavailableError(`MongoDB cannot make sure of a commit: ${problem}`);
  return n;
}

/**
 * Waits until commits that were read are where no failure can take them back. Elsewhere majority reads have shown
 * nothing else; a single server shows what is not in its journal yet.
 *
 * @throws DriverUnavailableError when the server was restarted since they were read, and has lost one of them
 */
export async function settleRead(
  database: Database,
  read: readonly { readonly _id: CommitId }[],
  signal: AbortSignal,
): Promise<void> {
  if (read.length === 0 || database.deployment !== "standalone") return;
  const ids = read.map(({ _id }) => _id);
  if ((await settle(database, ids, signal)) < ids.length)
    throw new DriverUnavailableError("MongoDB was restarted, and has lost what was read");
}

import { callDeadline, command, durable, type Database } from "./database.js";
import { lengthenSlots } from "./migrating.js";

/** What this program reads and writes. */
const VERSION = 2;

interface Meta {
  _id: "schema";
  version: number;
}

/**
 * Indexes beside the one of `_id`, which is what commits are inserted and heads are found by. All begin with the
 * conversation, as the key of a sharded collection does: so the unique one stays possible.
 */
const COMMIT_INDEXES = [
  // Messages by seq, also for pruning.
  {
    name: "seqs",
    key: { "_id.c": 1, l: 1, f: 1, "_id.r": 1 },
    partialFilterExpression: { f: { $exists: true } },
  },
  { name: "marks", key: { "_id.c": 1, l: 1, m: 1 }, partialFilterExpression: { m: { $exists: true } } },
  // Without a partial index, two commits without a key would be in each other's way.
  {
    name: "keys",
    key: { "_id.c": 1, l: 1, k: 1 },
    unique: true,
    partialFilterExpression: { k: { $exists: true } },
  },
  { name: "purges", key: { e: 1 }, partialFilterExpression: { e: { $exists: true } } },
];

const LISTING_INDEXES = [
  { name: "labels", key: { t: 1, _id: -1 }, partialFilterExpression: { t: { $exists: true } } },
];

/**
 * Creates what is missing, and brings what an earlier version made to this one. Safe from several processes at once, as
 * long as none of an earlier version is among them: creating an index that is there is no change.
 * @throws where a later version of this driver has changed the collections
 */
export async function openSchema(database: Database): Promise<void> {
  const { db, prefix, commits, listing } = database;
  const meta = db.collection<Meta>(`${prefix}meta`);
  const signal = callDeadline();
  const update = {
    update: meta.collectionName,
    updates: [{ q: { _id: "schema" }, u: { $setOnInsert: { version: VERSION } }, upsert: true }],
    writeConcern: durable(database),
  };
  await command(database, update, signal);
  const found = await meta.findOne({ _id: "schema" }, { readPreference: "primary", signal });
  if (found !== null && found.version > VERSION) {
    throw new Error(
      `the collections were changed by a later version of this driver (${found.version}, this one knows ${VERSION})`,
    );
  }
  if (found !== null && found.version < VERSION) {
    await lengthenSlots(database);
    const updates = [{ q: { _id: "schema", version: found.version }, u: { $set: { version: VERSION } } }];
    const raise = { update: meta.collectionName, updates, writeConcern: durable(database) };
    await command(database, raise, callDeadline());
  }
  for (const [collection, indexes] of [
    [commits, COMMIT_INDEXES],
    [listing, LISTING_INDEXES],
  ] as const) {
    const create = { createIndexes: collection.collectionName, indexes, writeConcern: { w: "majority" } };
    await command(database, create, callDeadline());
  }
}

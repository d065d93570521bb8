import { callDeadline, command, durable, type Database } from "./database.js";
import { SLOT } from "./listing-entry.js";

/** Length of a slot of the listing in version 1, in milliseconds. */
const SLOT_OF_VERSION_1 = 250;
/** All entries of version 1, in an index that orders them by the names of their fields before the values. */
const OF_VERSION_1 = { _id: { $lt: { s: -Infinity } } };
/** Entries that are brought over with one command, each within the deadline of a call. */
const CHUNK = 1000;

/**
 * Brings a listing to version 2: entries `{ b, c }` of the earlier, shorter slots become entries `{ s, c }`. May be
 * interrupted, and repeated by several processes at once: an entry is removed only when what replaces it is there.
 */
export async function lengthenSlots(database: Database): Promise<void> {
  const { db } = database;
  const listing = db.collection(database.listing.collectionName);
  const slot = { $floor: { $divide: ["$_id.b", SLOT / SLOT_OF_VERSION_1] } };
  const labels = { $setUnion: [{ $ifNull: ["$t", []] }, { $ifNull: ["$$new.t", []] }] };
  for (;;) {
    const entries = await listing
      .find(
        {},
        {
          readPreference: "primary",
          projection: { _id: 1 },
          limit: CHUNK,
          batchSize: CHUNK + 1,
          signal: callDeadline(),
        },
      )
      .filter(OF_VERSION_1)
      .toArray();
    if (entries.length === 0) return;
    const chunk = { _id: { $in: entries.map(({ _id }) => _id) } };
    await listing
      .aggregate(
        [
          { $match: chunk },
          { $project: { _id: { s: slot, c: "$_id.c" }, t: 1 } },
          {
            $merge: {
              into: listing.collectionName,
              whenMatched: [{ $set: { t: { $cond: [{ $eq: [labels, []] }, "$$REMOVE", labels] } } }],
            },
          },
        ],
        { readPreference: "primary", writeConcern: durable(database), signal: callDeadline() },
      )
      .toArray();
    const remove = {
      delete: listing.collectionName,
      deletes: [{ q: chunk, limit: 0 }],
      writeConcern: durable(database),
    };
    await command(database, remove, callDeadline());
  }
}

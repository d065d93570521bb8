import { command, durable, type Database } from "./database.js";
import { SLOT } from "./listing-entry.js";

/** Length of a slot of the listing in version 1, in milliseconds. */
const SLOT_OF_VERSION_1 = 250;
/** All entries of version 1, in an index that orders them by the names of their fields before the values. */
const OF_VERSION_1 = { _id: { $lt: { s: -Infinity } } };

/**
 * Brings a listing to version 2: entries `{ b, c }` of the earlier, shorter slots become entries `{ s, c }`. May be
 * interrupted, and repeated by several processes at once: an entry is removed only when what replaces it is there.
 */
export async function lengthenSlots(database: Database): Promise<void> {
  const { db, listing } = database;
  const slot = { $floor: { $divide: ["$_id.b", SLOT / SLOT_OF_VERSION_1] } };
  const labels = { $setUnion: [{ $ifNull: ["$t", []] }, { $ifNull: ["$$new.t", []] }] };
  await db
    .collection(listing.collectionName)
    .aggregate(
      [
        { $match: OF_VERSION_1 },
        { $project: { _id: { s: slot, c: "$_id.c" }, t: 1 } },
        {
          $merge: {
            into: listing.collectionName,
            whenMatched: [{ $set: { t: { $cond: [{ $eq: [labels, []] }, "$$REMOVE", labels] } } }],
          },
        },
      ],
      { readPreference: "primary", writeConcern: durable(database) },
    )
    .toArray();
  const remove = {
    delete: listing.collectionName,
    deletes: [{ q: OF_VERSION_1, limit: 0 }],
    writeConcern: durable(database),
  };
  await command(database, remove);
}

import type { Head } from "@fastpaca/core";

/**
 * Says that a conversation may have last changed in a slot of time. It is written before the first commit of that
 * conversation in that slot, so that every conversation has one in the slot where it belongs, whatever crashes when.
 * It may have others: from commits that never came, and from before. Those are told by the head, which is the truth.
 * Entries are added and removed but never moved: nobody can set one back.
 */
export interface ListingEntry {
  /** Slot and conversation. Its order is the order of the listing. */
  _id: ListingId;
  /** Labels of the heads that were committed in the slot, and maybe more. Absent where there is none. */
  t?: string[];
}

export interface ListingId {
  /** Time divided by {@link SLOT}. Version 1 of the schema had shorter slots, in a field `b`. */
  s: number;
  c: string;
  /**
   * Life: each has entries of its own, so that those of one that has ended can be removed while the next one begins in
   * the same slot. Releases before lives were told apart wrote none: such an entry is good for any life.
   */
  l?: number;
}

/**
 * Length of a slot in milliseconds. A conversation that changes again within it writes nothing to the listing, and its
 * commits do not wait for an entry; a page of the listing reads the heads of a whole slot, since only they tell the
 * order within it, and has to within the deadline of a call. So a longer one makes commits cheaper and pages dearer:
 * where N conversations change in a second, a page that begins with the newest reads N heads, a thousand at a time.
 */
export const SLOT = 1000;

export function slotOf(updatedAt: number): number {
  return Math.floor(updatedAt / SLOT);
}

/** The entry that a head needs. */
export function entryOf({ id, updatedAt, life }: Head): ListingId {
  return { s: slotOf(updatedAt), c: id, l: life };
}

/** Whether no commit can need the entry any more: `updatedAt` never decreases, and lives that have ended stay so. */
export function isOver({ s, l }: ListingId, { updatedAt, purged, life }: Head): boolean {
  return s < slotOf(updatedAt) || (l !== undefined && (l < life || (purged && l === life)));
}

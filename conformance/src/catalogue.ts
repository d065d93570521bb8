import { SERVER_INVARIANTS, type ServerInvariantId } from "./server/catalogue.js";

/**
 * What an invariant needs to be worth checking. `network`: the URL of the driver's database names a host. `keys`: the
 * server asks for an API key.
 */
export type Trait = "durable" | "shared" | "watch" | "network" | "keys";

export interface Invariant {
  readonly id: string;
  /** What always holds, in one sentence. */
  readonly says: string;
  /** The promise of the product that rests on it, and where that is written. */
  readonly rule: string;
  /** Only checked where the driver claims this; otherwise always. */
  readonly trait?: Trait;
  /** Only checked where the driver does not claim this. */
  readonly without?: Trait;
}

const NUMBERS = "Numbers that never lie (docs/semantics.md)";
const COMMIT = "Driver.commit (packages/core/src/driver.ts)";
const READS = "Driver reads (packages/core/src/driver.ts)";
const LIST = "Driver.list (packages/core/src/driver.ts)";
const PRUNE = "Driver.prune (packages/core/src/driver.ts)";
const TRAITS = "DriverTraits (packages/core/src/driver.ts)";
const LIMITS = "DriverLimits (packages/core/src/driver.ts)";
const WATCH = "Driver.watch (packages/core/src/driver.ts)";
const CLOSE = "Driver.close (packages/core/src/driver.ts)";
const TEXT = "What was sent comes back equal (docs/semantics.md)";

/** Every promise that the kit checks. Ids are stable: they stand in reports, filters and other people's CI. */
export const INVARIANTS = [
  // Positions of messages.
  {
    id: "SEQ-1",
    says: "The messages of a conversation read back in ascending order of seq, each exactly once and as committed.",
    rule: NUMBERS,
  },
  {
    id: "SEQ-2",
    says: "A range of messages holds exactly those from its first to its last seq, both included.",
    rule: READS,
  },
  { id: "SEQ-3", says: "A long range is answered whole, however many messages it holds.", rule: READS },

  // Revisions, lives and versions: the head.
  {
    id: "VER-1",
    says: "A commit that lands makes its head the conversation's head, with every field as it was given.",
    rule: COMMIT,
  },
  {
    id: "VER-2",
    says: "A read of heads sees every commit that was acknowledged before the read began, and never an older head afterwards.",
    rule: READS,
  },
  { id: "VER-3", says: "Revisions, versions, seqs and times are exact up to 2^53 - 1.", rule: NUMBERS },
  {
    id: "VER-4",
    says: "Heads are answered in the order asked for, undefined where there never was one, also for an id asked for twice.",
    rule: READS,
  },

  // Compare-and-set.
  { id: "CAS-1", says: "A commit whose base is the stored revision lands.", rule: COMMIT },
  { id: "CAS-2", says: "Of commits that race on one base, exactly one lands.", rule: NUMBERS },
  { id: "CAS-3", says: "A commit on any other revision conflicts and changes nothing.", rule: COMMIT },
  { id: "CAS-4", says: "The head that a conflict shows is the one that won, or none.", rule: COMMIT },
  { id: "CAS-5", says: "A commit is applied as a whole: no reader ever sees a part of it.", rule: COMMIT },
  { id: "CAS-6", says: "Outcomes come in the order of the commits, one for each.", rule: COMMIT },
  {
    id: "CAS-7",
    says: "What is told as committed is in the log for good, and what is told as refused never gets there.",
    rule: COMMIT,
  },
  {
    id: "CAS-8",
    says: "A commit handed over again after it landed conflicts and is not applied a second time.",
    rule: COMMIT,
  },

  // No holes.
  { id: "GAP-1", says: "Seqs are 1, 2, 3 … without holes, whatever was refused in between.", rule: NUMBERS },
  { id: "GAP-2", says: "Whoever has seen a head can read every message and mark up to it.", rule: READS },

  // Marks: compactions, resets, configurations.
  {
    id: "CMP-1",
    says: "Marks read back in ascending order of version, each exactly once and as committed.",
    rule: READS,
  },
  {
    id: "CMP-2",
    says: "Marks are those after the version asked for, at most as many as asked for, the earliest first.",
    rule: READS,
  },

  // Idempotency keys.
  {
    id: "KEY-1",
    says: "A commit with a held key on the right base is refused as a duplicate that shows the held records exactly, and changes nothing.",
    rule: COMMIT,
  },
  { id: "KEY-2", says: "A key belongs to one conversation: another one may use it.", rule: COMMIT },
  { id: "KEY-3", says: "Keys outlive the pruning of their messages.", rule: PRUNE },
  {
    id: "KEY-4",
    says: "A conflict is told before a duplicate: a held key is reported only where the base was right.",
    rule: COMMIT,
  },
  { id: "KEY-5", says: "Keys are compared byte by byte.", rule: TEXT },
  {
    id: "KEY-6",
    says: "Looking keys up answers those that are held, with their records, and no others.",
    rule: READS,
  },

  // Isolation.
  { id: "ISO-1", says: "Nothing of one conversation is ever seen in another.", rule: READS },
  {
    id: "ISO-2",
    says: "Commits of one call are independent: what becomes of one does not touch its neighbours.",
    rule: COMMIT,
  },
  {
    id: "ISO-3",
    says: "Ids are compared byte by byte: case, normal forms, spaces and wildcards all differ.",
    rule: TEXT,
  },
  { id: "ISO-4", says: "Two databases share nothing.", rule: TRAITS },

  // Fidelity of text.
  {
    id: "FID-1",
    says: "The bodies of messages and marks come back as the same text, to the character.",
    rule: TEXT,
  },
  {
    id: "FID-2",
    says: "Metadata, labels and state come back as the same text, to the character.",
    rule: TEXT,
  },
  { id: "FID-3", says: "Hashes, keys and ids come back as the same text, to the character.", rule: TEXT },
  { id: "FID-4", says: "A body of a mebibyte comes back as it was.", rule: TEXT },

  // Listing.
  {
    id: "LST-1",
    says: "A list is in order of recency: updatedAt never increases from one entry to the next, within a page and over pages.",
    rule: LIST,
  },
  {
    id: "LST-2",
    says: "A conversation that does not change while somebody pages appears exactly once, whatever happens to others.",
    rule: LIST,
  },
  {
    id: "LST-3",
    says: "A list by labels holds the conversations that carry all of them, and no others.",
    rule: LIST,
  },
  {
    id: "LST-4",
    says: "A list shows the heads as they are, those of tombstoned conversations too.",
    rule: LIST,
  },
  {
    id: "LST-5",
    says: "A page holds at most as many heads as asked for, and names a next one exactly if there may be more.",
    rule: LIST,
  },

  // Tombstones and purges.
  {
    id: "TMB-1",
    says: "A tombstone is kept like any head, and what was written before it can still be read.",
    rule: NUMBERS,
  },
  {
    id: "TMB-2",
    says: "A purge leaves nothing but its head: no message, mark or key, and no place in any list.",
    rule: NUMBERS,
  },
  {
    id: "TMB-3",
    says: "After a purge the next life starts over with seqs and keys of its own, and revisions go on.",
    rule: NUMBERS,
  },
  { id: "TMB-4", says: "A writer that still holds a head of an earlier life conflicts.", rule: NUMBERS },

  // Trimming.
  { id: "TRM-1", says: "Pruning frees the messages below its seq and no others.", rule: PRUNE },
  { id: "TRM-2", says: "Pruning again, or below what is gone, changes nothing.", rule: PRUNE },
  {
    id: "TRM-3",
    says: "Pruning leaves the head alone, and a stale writer conflicts after it as before.",
    rule: PRUNE,
  },
  {
    id: "TRM-4",
    says: "Pruning frees the marks before the oldest message kept, except the newest compaction, and no others.",
    rule: PRUNE,
  },
  {
    id: "TRM-5",
    says: "Pruning keeps what the head keeps, whatever seq it is given: also where a purge and a new beginning came first.",
    rule: PRUNE,
  },

  // Durability.
  {
    id: "DUR-1",
    says: "What was acknowledged before a process was killed is there afterwards, in its place.",
    rule: TRAITS,
    trait: "durable",
  },
  {
    id: "DUR-2",
    says: "After a process was killed no commit is half there.",
    rule: TRAITS,
    trait: "durable",
  },
  {
    id: "DUR-3",
    says: "Closing and opening changes nothing that can be seen.",
    rule: TRAITS,
    trait: "durable",
  },
  {
    id: "DUR-4",
    says: "Closing waits for running commits: each is answered, and what is told as committed is there when the database is opened again.",
    rule: CLOSE,
  },
  {
    id: "DUR-5",
    says: "Several processes may open an empty database at once; each finds it ready, and nothing is set up twice.",
    rule: TRAITS,
    trait: "shared",
  },
  {
    id: "DUR-6",
    says: "A driver that is not durable opens with everything or with nothing, never with a part.",
    rule: TRAITS,
    without: "durable",
  },

  // Hints.
  {
    id: "WCH-1",
    says: "A watch hears of commits that were made through other handles.",
    rule: WATCH,
    trait: "watch",
  },
  {
    id: "WCH-2",
    says: "A watch that was ended hears no more, and ending it does not disturb others.",
    rule: WATCH,
    trait: "watch",
  },

  // Errors and the end.
  { id: "ERR-1", says: "Every call is answered.", rule: COMMIT },
  { id: "ERR-2", says: "While nothing is wrong no call rejects and no outcome is unknown.", rule: COMMIT },
  {
    id: "ERR-3",
    says: "While the database cannot be reached, calls reject with a DriverUnavailableError; a commit that rejects has done nothing and will do nothing.",
    rule: COMMIT,
    trait: "network",
  },
  {
    id: "ERR-4",
    says: "Closing twice is no different from closing once, and calls made afterwards reject.",
    rule: CLOSE,
  },
  {
    id: "ERR-5",
    says: "When the connection fails, outcomes are honest: committed is there, refused is not, and unknown is said only by commit.",
    rule: COMMIT,
    trait: "network",
  },
  {
    id: "ERR-6",
    says: "When the connection comes back, the driver works again without being opened anew.",
    rule: COMMIT,
    trait: "network",
  },
  {
    id: "ERR-7",
    says: "What a driver claims to the store is what its author claims to the kit.",
    rule: TRAITS,
  },
  {
    id: "ERR-8",
    says: "A second handle on a database that is not shared is refused, or sees a database of its own: it never loses a write.",
    rule: TRAITS,
    without: "shared",
  },

  // Limits.
  { id: "LIM-1", says: "A commit of the size that the driver states lands.", rule: LIMITS },
  {
    id: "LIM-2",
    says: "As many commits, and as many heads, as the driver states are taken in one call.",
    rule: LIMITS,
  },
  {
    id: "LIM-3",
    says: "The stated limits are whole numbers that let the store work: at least 2 MiB for a commit and 1 for a batch.",
    rule: LIMITS,
  },
  {
    id: "LIM-4",
    says: "Calls with nothing in them answer nothing: no commits, no heads, no keys, an empty range.",
    rule: READS,
  },
] as const satisfies readonly Invariant[];

export type InvariantId = (typeof INVARIANTS)[number]["id"] | ServerInvariantId;

/** The entry of the catalogue. */
export function invariant(id: InvariantId): Invariant {
  const found = [...INVARIANTS, ...SERVER_INVARIANTS].find((entry) => entry.id === id);
  if (found === undefined) throw new Error(`there is no invariant ${id}`);
  return found;
}

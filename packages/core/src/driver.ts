/**
 * The driver interface: everything a storage backend has to do, and everything it has to promise.
 *
 * A driver is dumb and atomic. It stores heads, messages, marks and idempotency keys, and does one hard thing: an
 * atomic, durable compare-and-set of one conversation, many conversations per call. It never looks inside the JSON
 * text it is given (`body`, `metadata`, `state`), never orders anything by a clock, and never validates: the store is
 * the only caller, and hands over clean input within the driver's own {@link DriverLimits}.
 */

/** What a driver promises. The conformance kit holds it to exactly this, in both directions. */
export interface DriverTraits {
  /** A commit that was reported as `committed` survives the end of the process, however it ended. */
  readonly durable: boolean;
  /** Several processes may open the same database at once. The store then asks for heads before it trusts its cache. */
  readonly shared: boolean;
}

/** The store never hands over more than this. */
export interface DriverLimits {
  /** Size of one commit in bytes of UTF-8: bodies of messages and marks, keys, metadata and state together. */
  readonly maxCommitBytes: number;
  /** Commits in one call of {@link Driver.commit}, and ids in one call of {@link Driver.heads}. */
  readonly maxBatch: number;
}

/** The latest committed state of one conversation. */
export interface Head {
  /** Well-formed Unicode, 1 to 255 UTF-16 code units, no control characters. Compared byte by byte. */
  readonly id: string;
  /** Number of commits so far, 1 or more. Never used twice for one id, not even after a purge. */
  readonly revision: number;
  /** Which life of the id this is: 1, and one more for each time it was created again after a purge. */
  readonly life: number;
  /** Position of the latest event: `lastSeq` plus the number of marks. */
  readonly version: number;
  /** Position of the latest message; 0 where there is none. */
  readonly lastSeq: number;
  /** Position of the oldest message that is still kept; `lastSeq + 1` where there is none. */
  readonly firstSeq: number;
  /** Messages up to here are in an archive. The store writes 0: it has none. */
  readonly archivedSeq: number;
  /** No more events; reading goes on. */
  readonly tombstoned: boolean;
  /** Erased: no message, mark, key, metadata or label is left, only what keeps revisions unique. Never listed. */
  readonly purged: boolean;
  /** A JSON object as text, at most 8 KiB. */
  readonly metadata: string;
  /** What {@link Driver.list} filters on: ASCII strings without control characters, 1 to 255 long, no duplicates. */
  readonly labels: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds since 1970. Never decreases; the order of {@link Driver.list}. */
  readonly updatedAt: number;
  /** The store's own notes as JSON text, at most 4 KiB. */
  readonly state: string;
}

/** One message of the log. Once committed it never changes. */
export interface StoredMessage {
  /** 1, 2, 3 … without holes within one life of a conversation. */
  readonly seq: number;
  /** Position among the events of the conversation; ascending with `seq`. */
  readonly version: number;
  /** Size for the model, 0 or more. */
  readonly tokens: number;
  /** Milliseconds since 1970. Shown, never ordered by. */
  readonly insertedAt: number;
  /** The message as JSON text: well-formed Unicode that may hold any JSON escape, `\u0000` and lone surrogates too. */
  readonly body: string;
}

/** An event that is not a message: something happened to the window. */
export interface Mark {
  /** Position among the events of the conversation. */
  readonly version: number;
  readonly kind: "compaction" | "reset" | "config";
  /** Milliseconds since 1970. */
  readonly at: number;
  /** What happened, as JSON text. */
  readonly body: string;
}

/** What became of an append that carried an idempotency key. Outlives its messages, not its conversation's life. */
export interface KeyRecord {
  /** 1 to 255 UTF-16 code units, no control characters. Compared byte by byte. */
  readonly key: string;
  /** Fingerprint of the appended content, at most 64 ASCII characters. */
  readonly hash: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Version of the last message. */
  readonly version: number;
  /** Tokens of the last message. */
  readonly tokens: number;
}

/** One step of one conversation. */
export interface Commit {
  readonly id: string;
  /** The revision that this step was decided on; 0: the conversation never existed. */
  readonly base: number;
  /** The state after the step. `head.revision` is `base + 1`. `head.purged`: erase everything but the head. */
  readonly head: Head;
  /** New messages, ascending, from the previous `lastSeq + 1` (after a purge: from 1). */
  readonly messages: readonly StoredMessage[];
  /** New marks, ascending by version. */
  readonly marks: readonly Mark[];
  /** New keys, none of them twice. */
  readonly keys: readonly KeyRecord[];
}

export type CommitOutcome =
  /** Applied, all of it, as durably as the driver promises. */
  | { readonly status: "committed" }
  /** Not applied: the stored revision is not `base`. The head that won, where it is at hand. */
  | { readonly status: "conflict"; readonly head: Head | undefined }
  /** Not applied: the conversation already holds these of the commit's keys. The revision did match. */
  | { readonly status: "duplicate"; readonly held: readonly KeyRecord[] }
  /** Nobody knows: it may have been applied, or may still be, later. */
  | { readonly status: "unknown" };

export interface ListQuery {
  /** Heads wanted, 1 to 1000. */
  readonly limit: number;
  /** Only heads that carry every one of these. */
  readonly labels: readonly string[];
  /** Go on behind this one: the `next` of the page before. */
  readonly after?: ListPosition | undefined;
}

/** A place in the order of {@link Driver.list}; plain JSON, so that it can travel in a cursor. */
export interface ListPosition {
  readonly updatedAt: number;
  readonly id: string;
}

export interface ListPage {
  readonly heads: readonly Head[];
  /** Where the next page starts; absent on the last one. */
  readonly next?: ListPosition | undefined;
}

export interface Driver {
  /** Shown in logs and reports. */
  readonly name: string;
  readonly traits: DriverTraits;
  readonly limits: DriverLimits;

  /**
   * The latest committed head of each id, in the order asked for; `undefined` where there never was one. Sees every
   * commit that was acknowledged, by any process, before the call began.
   */
  heads(ids: readonly string[]): Promise<(Head | undefined)[]>;

  /**
   * Applies each commit, all of it and durably, if and only if the stored revision equals its `base` and the
   * conversation holds none of its keys. Commits in one call concern different conversations and are independent:
   * one may conflict while its neighbours land. Outcomes are in the order of the commits.
   *
   * Rejects only when it is certain that nothing was applied and nothing will be, and then with a
   * {@link DriverUnavailableError}; where that is not certain, the outcome is `unknown`. The store answers `unknown` by
   * handing over the identical commit again. It does the same where a call rejects with anything else, which it
   * takes for a defect.
   */
  commit(commits: readonly Commit[]): Promise<CommitOutcome[]>;

  /** Messages of the present life with `from ≤ seq ≤ to`, ascending. Those that were pruned are missing. */
  messages(id: string, from: number, to: number): Promise<StoredMessage[]>;

  /** At most `limit` marks of the present life with `version > after`, ascending. */
  marks(id: string, after: number, limit: number): Promise<Mark[]>;

  /** Those of the given keys that the present life of the conversation holds, in any order. */
  keys(id: string, keys: readonly string[]): Promise<KeyRecord[]>;

  /**
   * Heads that are not purged, most recently changed first (`updatedAt` descending, ties in any fixed order). A
   * conversation that does not change while somebody pages appears exactly once; one that does may be missed or
   * appear again.
   */
  list(query: ListQuery): Promise<ListPage>;

  /**
   * Frees the messages below a seq, which the head already says are gone, and the marks whose version is below the
   * version of the oldest message kept, except the newest compaction: one that a newer compaction has replaced goes also
   * where no message does. Best effort, idempotent, in slices that do not hold up commits. Keys stay.
   *
   * Messages from the present head's `firstSeq` on stay, also where they are below the seq: by the time that a prune is
   * carried out the conversation may have been purged and have begun anew. The store itself never calls it, and raises
   * no `firstSeq`: it is for whoever retains logs for a limited time.
   */
  prune(id: string, below: number): Promise<void>;

  /**
   * Optional hints that conversations changed through other handles, in this process or another one. They may be lost,
   * late or doubled.
   * Resolves to what ends the watch.
   */
  watch?(onChange: (ids: readonly string[]) => void): Promise<() => Promise<void>>;

  /** Finishes running calls, releases everything. Idempotent. Calls made afterwards reject. */
  close(): Promise<void>;
}

/** What a driver package exports by default, so that a server can choose it by the scheme of a URL. */
export interface DriverModule {
  readonly name: string;
  /** URL schemes without the colon, such as `postgres`. */
  readonly schemes: readonly string[];
  /** Opens the database that `url` names, creating and migrating its schema where needed. */
  open(url: string, options?: DriverOpenOptions): Promise<Driver>;
  /** For schemas that may be prepared apart from opening, by somebody with more rights. */
  readonly migrations?: DriverMigrations;
}

export interface DriverMigrations {
  /** The whole schema as a script for an empty database. */
  script(url: string): string;
  /** Brings the schema to the version that this driver needs. Idempotent. */
  apply(url: string): Promise<void>;
}

export interface DriverOpenOptions {
  /** Where a driver reports what an operator should know. */
  readonly log?: (level: "info" | "warn" | "error", message: string) => void;
}

/** The database cannot be reached, or refused the work: nothing was applied, and trying again later may help. */
export class DriverUnavailableError extends Error {
  override readonly name = "DriverUnavailableError";
}

import { ObjectId, type ChangeStreamInsertDocument, type Collection } from "mongodb";
import type { CommitDocument } from "./commit-document.js";
import { callDeadline, command, type Database } from "./database.js";
import { codeOf, reasonOf } from "./failures.js";
import type { Feed, Log } from "./watching.js";

/** How one process learns what others have changed. */
export interface Changes {
  /** For the log. */
  readonly kind: string;
  /** Takes note of changes made here. Never waits. */
  tell(ids: readonly string[]): void;
  /** Opens a feed of what changes from now on. */
  feed(): Promise<Feed>;
  /** Lets go of what was taken note of. */
  close(): Promise<void>;
}

/** From the first change made here after a pause to the hint of it, in milliseconds. */
const GATHER = 10;
/**
 * Least from one hint to the next, in milliseconds: all changes that are made meanwhile share one. Ten milliseconds
 * would make a hundred commands a second, nearly as many as those that commit.
 */
const SPACING = 50;
/** Changes that wait for a hint. Beyond it they are not hinted at. */
const MAX_GATHERED = 10_000;
/** Size of the collection of hints, in bytes; what does not fit pushes out the oldest. */
const HINTS_BYTES = 4 * 1024 * 1024;
/** Longest that the server holds a request for changes while there are none, in milliseconds. */
const AWAIT = 500;
const NAMESPACE_EXISTS = 48;

/**
 * Change streams where there is an oplog, elsewhere a capped collection that every process writes hints to; undefined
 * where the server has neither.
 */
export async function openChanges(database: Database, log: Log): Promise<Changes | undefined> {
  if (database.deployment !== "standalone") return changeStreams(database);
  const name = `${database.prefix}hints`;
  try {
    await command(database, { create: name, capped: true, size: HINTS_BYTES }, callDeadline());
  } catch (error) {
    if (codeOf(error) !== NAMESPACE_EXISTS) {
      log("warn", `MongoDB has neither change streams nor capped collections: ${reasonOf(error)}`);
      return undefined;
    }
  }
  return new CappedHints(() => database.db.collection<Hint>(name), log);
}

function changeStreams(database: Database): Changes {
  const inserts = [{ $match: { operationType: "insert" } }, { $project: { documentKey: 1 } }];
  return {
    kind: "change streams",
    tell: () => undefined,
    close: () => Promise.resolve(),
    async feed() {
      const stream = database.commits.watch<CommitDocument, ChangeStreamInsertDocument<CommitDocument>>(
        inserts,
        {
          maxAwaitTimeMS: AWAIT,
        },
      );
      const next = async (): Promise<readonly string[] | undefined> => {
        const change = await stream.tryNext();
        if (change !== null) return [change.documentKey._id.c];
        return stream.closed ? undefined : [];
      };
      // A stream starts where it is first read.
      const first = await next();
      let begun = false;
      return {
        next() {
          if (begun) return next();
          begun = true;
          return Promise.resolve(first);
        },
        close: () => stream.close(),
      };
    },
  };
}

interface Hint {
  _id: ObjectId;
  c: string[];
}

class CappedHints implements Changes {
  readonly kind = "a capped collection";
  readonly #hints: () => Collection<Hint>;
  readonly #log: Log;
  readonly #gathered = new Set<string>();
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the latest hint was written, on the clock of `performance.now`. */
  #written = -SPACING;
  #failing = false;

  constructor(hints: () => Collection<Hint>, log: Log) {
    this.#hints = hints;
    this.#log = log;
  }

  tell(ids: readonly string[]): void {
    for (const id of ids) if (this.#gathered.size < MAX_GATHERED) this.#gathered.add(id);
    if (this.#timer !== undefined || this.#writing !== undefined || this.#gathered.size === 0) return;
    const pause = Math.max(GATHER, this.#written + SPACING - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#write();
    }, pause);
  }

  async feed(): Promise<Feed> {
    // A tailable cursor on an empty collection ends at once. And what is older than this mark is no news.
    const mark = new ObjectId();
    await this.#insert({ _id: mark, c: [] });
    const cursor = this.#hints().find(
      {},
      { tailable: true, awaitData: true, maxAwaitTimeMS: AWAIT, readPreference: "primary" },
    );
    for (let hint = await cursor.tryNext(); hint !== null && !hint._id.equals(mark);)
      hint = await cursor.tryNext();
    return {
      async next() {
        const hint = await cursor.tryNext();
        if (hint !== null) return hint.c;
        return cursor.closed ? undefined : [];
      },
      close: () => cursor.close(),
    };
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#gathered.clear();
    await this.#writing;
  }

  async #write(): Promise<void> {
    const ids = [...this.#gathered];
    this.#gathered.clear();
    this.#written = performance.now();
    try {
      await this.#insert({ _id: new ObjectId(), c: ids });
      this.#failing = false;
    } catch (error) {
      // Once, not with every change: hints may be lost, and what is wrong with the server is told elsewhere too.
      if (!this.#failing) this.#log("warn", `MongoDB takes no hints of changes: ${reasonOf(error)}`);
      this.#failing = true;
    }
    this.#writing = undefined;
    this.tell([]);
  }

  async #insert(hint: Hint): Promise<void> {
    await this.#hints().insertOne(hint, { writeConcern: { w: 1 }, signal: callDeadline() } as object);
  }
}

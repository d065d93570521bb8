import { setImmediate as turn } from "node:timers/promises";
import type { ClaimedTraits, DriverUnderTest, InvariantId } from "@fastpaca/conformance";
import type { Commit, CommitOutcome, Driver } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import type { Mutant } from "./mutant.js";

type Watcher = (ids: readonly string[]) => void;

/** One database within this process. Any number of handles may be open on it. */
export interface Database {
  /** Does each call at once, in one go. */
  readonly memory: Driver;
  readonly watchers: Set<Watcher>;
}

/** What a handle is made of, for those who make one wrong. */
export interface Parts {
  /** The handle as it is when it is right. */
  readonly right: Driver;
  readonly memory: Driver;
  readonly database: Database;
  /** A call that takes a turn before and a turn after, so that calls of several handles overlap; closing waits for it. */
  readonly answer: <T>(call: () => Promise<T>) => Promise<T>;
  /** `commit` with another way to apply: hints follow. */
  readonly commitBy: (apply: (commits: readonly Commit[]) => Promise<CommitOutcome[]>) => Driver["commit"];
}

/** Makes a handle wrong. */
export type Change = (parts: Parts) => Partial<Driver>;

const databases = new Map<string, { readonly database: Database; readonly change: Change }>();
let count = 0;

function parts(database: Database): Parts {
  const { memory, watchers } = database;
  const running = new Set<Promise<unknown>>();
  let closed = false;
  const answer: Parts["answer"] = async (call) => {
    if (closed) throw new Error("the driver is closed");
    const answering = (async () => {
      await turn();
      const result = await call();
      await turn();
      return result;
    })();
    running.add(answering);
    try {
      return await answering;
    } finally {
      running.delete(answering);
    }
  };
  const commitBy: Parts["commitBy"] = (apply) => (commits) =>
    answer(async () => {
      const outcomes = await apply(commits);
      const ids = commits.flatMap(({ id }, index) => (outcomes[index]?.status === "committed" ? id : []));
      if (ids.length > 0)
        for (const watcher of watchers) setImmediate(() => watchers.has(watcher) && watcher(ids));
      return outcomes;
    });
  const right: Driver = {
    name: "shared",
    traits: { durable: false, shared: true },
    limits: { maxCommitBytes: 8 * 1024 * 1024, maxBatch: 200 },
    heads: (ids) => answer(() => memory.heads(ids)),
    commit: commitBy((commits) => memory.commit(commits)),
    messages: (id, from, to) => answer(() => memory.messages(id, from, to)),
    marks: (id, after, limit) => answer(() => memory.marks(id, after, limit)),
    keys: (id, keys) => answer(() => memory.keys(id, keys)),
    list: (query) => answer(() => memory.list(query)),
    prune: (id, below) => answer(() => memory.prune(id, below)),
    watch: (onChange) =>
      answer(async () => {
        // A function of its own, so that one listener may watch twice.
        const watcher: Watcher = (ids) => onChange(ids);
        watchers.add(watcher);
        return async () => void watchers.delete(watcher);
      }),
    close: async () => {
      closed = true;
      await Promise.allSettled(running);
    },
  };
  return { right, memory, database, answer, commitBy };
}

/** @throws Error where nobody made that database */
export function openShared(url: string): Driver {
  const found = databases.get(url);
  if (found === undefined) throw new Error(`there is no database ${url}`);
  const made = parts(found.database);
  return { ...made.right, ...found.change(made) };
}

/** What is kept for each database: called once for each. */
export type ChangeOfDatabase = (database: Database) => Change;

/** The correct driver that most mutants change: shared within this process, with a watch. */
export function sharedSubject(
  name = "shared",
  change: ChangeOfDatabase = () => () => ({}),
  claims: Partial<ClaimedTraits> = {},
): DriverUnderTest {
  return {
    name,
    traits: { durable: false, shared: true, watch: true, ...claims },
    createDatabase: async () => {
      const url = `shared:${(count += 1)}`;
      const database: Database = { memory: openMemory(), watchers: new Set() };
      databases.set(url, { database, change: change(database) });
      return { url, drop: async () => void databases.delete(url) };
    },
    open: async (url) => openShared(url),
  };
}

/** A mutant of the shared driver. */
export function wrong(
  name: string,
  says: string,
  invariants: readonly [InvariantId, ...InvariantId[]],
  change: Change,
): Mutant {
  return wrongDatabase(name, says, invariants, () => change);
}

/** A mutant whose handles have something in common. */
export function wrongDatabase(
  name: string,
  says: string,
  invariants: readonly [InvariantId, ...InvariantId[]],
  change: ChangeOfDatabase,
): Mutant {
  return { name, says, invariants, subject: sharedSubject(name, change) };
}

/** Applies a commit whatever revision it was decided on. */
export async function force(memory: Driver, commit: Commit): Promise<CommitOutcome> {
  const [head] = await memory.heads([commit.id]);
  return one(memory, { ...commit, base: head?.revision ?? 0 });
}

/** Commits one conversation's step. */
export async function one(memory: Driver, commit: Commit): Promise<CommitOutcome> {
  const [outcome] = await memory.commit([commit]);
  if (outcome === undefined) throw new Error("there is no outcome");
  return outcome;
}

/** Applies commits one after the other. */
export function each(
  apply: (commit: Commit) => Promise<CommitOutcome>,
): (commits: readonly Commit[]) => Promise<CommitOutcome[]> {
  return async (commits) => {
    const outcomes: CommitOutcome[] = [];
    for (const commit of commits) outcomes.push(await apply(commit));
    return outcomes;
  };
}

/** Runs one after the other what is given to it. */
export function mutex(): <T>(body: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (body) => {
    const next = last.then(body, body);
    last = next;
    return next;
  };
}

/** Drivers over another driver that make it slower, less certain or shared. */
import type { Commit, CommitOutcome, Driver, DriverTraits, Head } from "@fastpaca/core";

export type DriverOverrides = Partial<
  Pick<Driver, "traits" | "limits" | "heads" | "commit" | "messages" | "keys" | "close">
>;

/** The same driver with some of its methods replaced. */
export function overriding(driver: Driver, overrides: DriverOverrides): Driver {
  return {
    name: driver.name,
    traits: driver.traits,
    limits: driver.limits,
    heads: (ids) => driver.heads(ids),
    commit: (commits) => driver.commit(commits),
    messages: (id, from, to) => driver.messages(id, from, to),
    marks: (id, after, limit) => driver.marks(id, after, limit),
    keys: (id, keys) => driver.keys(id, keys),
    list: (query) => driver.list(query),
    prune: (id, below) => driver.prune(id, below),
    close: () => driver.close(),
    ...overrides,
  };
}

/** The driver as several stores may share it. Closing one of them leaves it open. */
export function shared(driver: Driver): Driver {
  const traits: DriverTraits = { ...driver.traits, shared: true };
  return overriding(driver, { traits, close: () => Promise.resolve() });
}

/**
 * A part of a database that holds only ids with this prefix, which nobody sees: empty where nobody else uses the prefix.
 * It has no list, which would show everything. Closing it leaves the database open.
 */
export function within(driver: Driver, prefix: string): Driver {
  const inner = (id: string): string => prefix + id;
  const outer = (id: string): string => id.slice(prefix.length);
  const shown = (head: Head | undefined): Head | undefined => head && { ...head, id: outer(head.id) };
  const own: Driver = {
    name: driver.name,
    traits: driver.traits,
    limits: driver.limits,
    heads: async (ids) => (await driver.heads(ids.map(inner))).map(shown),
    commit: async (commits) => {
      const outcomes = await driver.commit(
        commits.map((commit) => ({
          ...commit,
          id: inner(commit.id),
          head: { ...commit.head, id: inner(commit.id) },
        })),
      );
      return outcomes.map((outcome) =>
        outcome.status === "conflict" ? { ...outcome, head: shown(outcome.head) } : outcome,
      );
    },
    messages: (id, from, to) => driver.messages(inner(id), from, to),
    marks: (id, after, limit) => driver.marks(inner(id), after, limit),
    keys: (id, keys) => driver.keys(inner(id), keys),
    list: () => Promise.reject(new Error("a part of a database has no list")),
    prune: (id, below) => driver.prune(inner(id), below),
    close: () => Promise.resolve(),
  };
  if (driver.watch === undefined) return own;
  const watch = driver.watch.bind(driver);
  return {
    ...own,
    watch: (onChange) =>
      watch((ids) => {
        const mine = ids.filter((id) => id.startsWith(prefix));
        if (mine.length > 0) onChange(mine.map(outer));
      }),
  };
}

/** Answers each call as many turns of the event loop late as the next of `turns` says, over and over. */
export function slow(driver: Driver, turns: readonly number[]): Driver {
  let calls = 0;
  const late = async <T>(call: () => Promise<T>): Promise<T> => {
    const wait = turns[calls++ % turns.length] ?? 0;
    // Half before and half after, so that both what is asked and what is answered may be overtaken.
    await turn(Math.floor(wait / 2));
    const answer = await call();
    await turn(Math.ceil(wait / 2));
    return answer;
  };
  return overriding(driver, {
    heads: (ids) => late(() => driver.heads(ids)),
    commit: (commits) => late(() => driver.commit(commits)),
    messages: (id, from, to) => late(() => driver.messages(id, from, to)),
    keys: (id, keys) => late(() => driver.keys(id, keys)),
  });
}

/** Fate of one commit: done and told, done but not told, or neither. */
export type Fate = "told" | "untold" | "lost";

/** Meets the commits it is given with the fates, over and over; of the last two, it says that nobody knows. */
export function uncertain(driver: Driver, fates: readonly Fate[]): Driver {
  let count = 0;
  const commitOne = async (commit: Commit): Promise<CommitOutcome[]> => {
    const fate = fates[count++ % fates.length];
    if (fate === "lost") return [{ status: "unknown" }];
    const outcomes = await driver.commit([commit]);
    return fate === "untold" ? [{ status: "unknown" }] : outcomes;
  };
  return overriding(driver, {
    commit: async (commits) => (await Promise.all(commits.map(commitOne))).flat(),
  });
}

async function turn(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await new Promise((resolve) => setImmediate(resolve));
}

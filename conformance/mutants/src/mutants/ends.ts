import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import type { ClaimedTraits, DriverUnderTest } from "@fastpaca/conformance";
import type { Commit, CommitOutcome, Driver } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import { changed } from "../jsonl-driver.js";
import type { Mutant } from "../mutant.js";
import { openShared, sharedSubject, wrong, wrongDatabase } from "../shared-driver.js";

const forever = new Promise<never>(() => undefined);

/** Hints, closing, limits and claims gone wrong. */
export const ENDS: readonly Mutant[] = [
  wrong("hints-never-come", "Has a watch that hears nothing.", ["WCH-1"], ({ answer }) => ({
    watch: () => answer(async () => async () => undefined),
  })),
  wrong(
    "hints-of-own-commits",
    "Hears only of commits of the handle that watches.",
    ["WCH-1"],
    ({ right, answer }) => {
      const watchers = new Set<(ids: readonly string[]) => void>();
      return {
        watch: (onChange) =>
          answer(async () => {
            const watcher = (ids: readonly string[]): void => onChange(ids);
            watchers.add(watcher);
            return async () => void watchers.delete(watcher);
          }),
        commit: async (commits) => {
          const outcomes = await right.commit(commits);
          for (const watcher of watchers) watcher(commits.map(({ id }) => id));
          return outcomes;
        },
      };
    },
  ),
  wrong("hints-of-the-first", "Names only the first conversation of a call.", ["WCH-1"], ({ right }) => ({
    watch: (onChange) => right.watch?.((ids) => onChange(ids.slice(0, 1))) ?? forever,
  })),
  wrong("hints-once", "Hears of one change, and then no more.", ["WCH-1"], ({ right }) => ({
    watch: (onChange) => {
      let heard = false;
      return (
        right.watch?.((ids) => {
          if (!heard) onChange(ids);
          heard = true;
        }) ?? forever
      );
    },
  })),
  wrong("watch-without-end", "Goes on hearing when the watch was ended.", ["WCH-2"], ({ right }) => ({
    watch: async (onChange) => {
      await right.watch?.(onChange);
      return async () => undefined;
    },
  })),
  wrong(
    "one-end-for-all",
    "Ends every watch when one is ended.",
    ["WCH-2", "WCH-1"],
    ({ right, database }) => ({
      watch: async (onChange) => {
        await right.watch?.(onChange);
        return async () => database.watchers.clear();
      },
    }),
  ),
  wrong(
    "one-watch-at-a-time",
    "Replaces a watch by the next one.",
    ["WCH-1", "WCH-2"],
    ({ right, database }) => ({
      watch: async (onChange) => {
        database.watchers.clear();
        return (await right.watch?.(onChange)) ?? forever;
      },
    }),
  ),
  claiming("watch-claimed", "Claims a watch and has none.", ["WCH-1", "ERR-7"], (driver) =>
    changed(driver, {}),
  ),
  wrong(
    "close-drops-running-commits",
    "Says committed to a commit that was running when it was closed, and drops it.",
    ["DUR-4", "CAS-7"],
    ({ right, memory, commitBy }) => {
      let closing = false;
      return {
        commit: commitBy(async (commits) =>
          closing ? commits.map((): CommitOutcome => ({ status: "committed" })) : memory.commit(commits),
        ),
        close: () => {
          closing = true;
          return right.close();
        },
      };
    },
  ),
  wrong(
    "close-rejects-running-commits",
    "Rejects commits that are running when it is closed, and applies them all the same.",
    ["DUR-4", "ERR-3", "ERR-2"],
    ({ right, memory, commitBy }) => {
      let closing = false;
      return {
        commit: commitBy(async (commits) => {
          const outcomes = await memory.commit(commits);
          if (closing) throw new Error("the driver is closed");
          return outcomes;
        }),
        close: () => {
          closing = true;
          return right.close();
        },
      };
    },
  ),
  wrong(
    "close-leaves-running-calls-hanging",
    "Never answers commits that are running when it is closed.",
    ["ERR-1", "DUR-4"],
    ({ right, commitBy, memory }) => {
      let closing = false;
      return {
        commit: commitBy(async (commits) => {
          const outcomes = await memory.commit(commits);
          await turn();
          return closing ? forever : outcomes;
        }),
        close: async () => {
          closing = true;
          void right.close();
        },
      };
    },
  ),
  wrong(
    "hangs-when-closed",
    "Never answers calls that are made after it was closed.",
    ["ERR-4", "ERR-1"],
    ({ right }) => {
      let closed = false;
      return {
        heads: (ids) => (closed ? forever : right.heads(ids)),
        commit: (commits) => (closed ? forever : right.commit(commits)),
        close: () => {
          closed = true;
          return right.close();
        },
      };
    },
  ),
  wrong("answers-when-closed", "Goes on answering after it was closed.", ["ERR-4"], () => ({
    close: async () => undefined,
  })),
  wrong("closes-once", "Rejects when it is closed again.", ["ERR-4"], ({ right }) => {
    let closed = false;
    return {
      close: async () => {
        if (closed) throw new Error("not open");
        closed = true;
        await right.close();
      },
    };
  }),
  wrongDatabase(
    "one-closes-all",
    "Closes all handles of a database when one is closed.",
    ["ERR-4", "ERR-2", "DUR-4"],
    () => {
      let open = 0;
      let closed = false;
      return ({ right, answer, memory }) => {
        if (open === 0) closed = false;
        open += 1;
        return {
          heads: (ids) =>
            answer(async () => {
              if (closed) throw new Error("the pool is closed");
              return memory.heads(ids);
            }),
          close: async () => {
            open -= 1;
            closed = open > 0;
            await right.close();
          },
        };
      };
    },
  ),

  wrong("limits-unlimited", "Claims to take everything.", ["LIM-3"], () => ({
    limits: { maxCommitBytes: Infinity, maxBatch: Infinity },
  })),
  wrong("limits-too-small", "Takes commits of a mebibyte only, and says so.", ["LIM-3"], () => ({
    limits: { maxCommitBytes: 1024 * 1024, maxBatch: 200 },
  })),
  wrong(
    "commit-too-large",
    "Rejects commits above half of what it claims to take.",
    ["LIM-1", "ERR-2"],
    ({ right }) => ({
      commit: async (commits: readonly Commit[]) => {
        const bytes = commits
          .flatMap(({ messages }) => messages)
          .reduce((sum, { body }) => sum + body.length, 0);
        if (bytes > right.limits.maxCommitBytes / 2) throw new Error("document too large");
        return right.commit(commits);
      },
    }),
  ),
  wrong("heads-cut-at-100", "Answers at most 100 heads.", ["LIM-2", "VER-4"], ({ memory, answer }) => ({
    heads: (ids) => answer(() => memory.heads(ids.slice(0, 100))),
  })),
  wrong(
    "batch-too-large",
    "Rejects calls of more than 64 commits, and claims 200.",
    ["LIM-2", "ERR-2"],
    ({ right }) => ({
      commit: async (commits) => {
        if (commits.length > 64) throw new Error("too many parameters");
        return right.commit(commits);
      },
    }),
  ),
  wrong("nothing-is-an-error", "Rejects a call of heads without ids.", ["LIM-4", "ERR-2"], ({ right }) => ({
    heads: async (ids) => {
      if (ids.length === 0) throw new Error("syntax error at or near )");
      return right.heads(ids);
    },
  })),
  wrong(
    "empty-range-is-an-error",
    "Rejects an empty range of messages.",
    ["LIM-4", "SEQ-2", "ERR-2"],
    ({ right }) => ({
      messages: async (id, from, to) => {
        if (from > to) throw new Error("the range is empty");
        return right.messages(id, from, to);
      },
    }),
  ),
  wrong(
    "missing-is-an-error",
    "Rejects to read the messages of a conversation that never was.",
    ["ERR-2", "LIM-4"],
    ({ memory, answer, right }) => ({
      messages: (id, from, to) =>
        answer(async () => {
          const [head] = await memory.heads([id]);
          if (head === undefined) throw new Error("not found");
          return right.messages(id, from, to);
        }),
    }),
  ),

  claiming("durable-only-to-the-store", "Tells the store that it is durable.", ["ERR-7"], (driver) => ({
    ...driver,
    traits: { durable: true, shared: true },
  })),
  claiming(
    "alone-only-to-the-store",
    "Tells the store that nobody else has the database open.",
    ["ERR-7"],
    (driver) => ({
      ...driver,
      traits: { durable: false, shared: false },
    }),
  ),
  {
    name: "shared-in-name-only",
    says: "Claims to be shared, and has a database of its own in every handle.",
    invariants: ["VER-2", "VER-1", "DUR-5", "CAS-2", "CAS-3"],
    subject: own("shared-in-name-only", { durable: false, shared: true, watch: false }),
  },
  {
    name: "one-database-for-all",
    says: "Ignores which database the URL names.",
    invariants: ["ISO-4"],
    subject: ((): DriverUnderTest => {
      const right = sharedSubject("one-database-for-all");
      let url: string | undefined;
      return {
        ...right,
        createDatabase: async () => ({ url: (url ??= (await right.createDatabase()).url) }),
      };
    })(),
  },
  {
    name: "set-up-twice",
    says: "Looks whether the database is set up, and sets it up a turn later: of two openers the second resets it.",
    invariants: ["DUR-5", "VER-2", "CAS-2", "CAS-7"],
    subject: ((): DriverUnderTest => {
      const right = sharedSubject("set-up-twice");
      const made = new Map<string, string>();
      return {
        ...right,
        open: async (url) => {
          if (!made.has(url)) {
            await turn();
            made.set(url, (await right.createDatabase()).url);
          }
          return openShared(made.get(url) ?? url);
        },
      };
    })(),
  },
  {
    name: "empty-database-refused-to-the-second",
    says: "Fails to open where another opener is setting the database up.",
    invariants: ["DUR-5", "ERR-2"],
    subject: ((): DriverUnderTest => {
      const right = sharedSubject("empty-database-refused-to-the-second");
      const busy = new Set<string>();
      return {
        ...right,
        open: async (url) => {
          if (busy.has(url)) throw new Error("relation heads already exists");
          busy.add(url);
          await wait(5);
          busy.delete(url);
          return openShared(url);
        },
      };
    })(),
  },
  {
    name: "heads-outlive-messages",
    says: "Is not durable, but opens with the heads of what was there before.",
    invariants: ["DUR-6", "ERR-8"],
    subject: ((): DriverUnderTest => {
      const heads = new Map<string, Commit>();
      let count = 0;
      return {
        name: "heads-outlive-messages",
        traits: { durable: false, shared: false, watch: false },
        createDatabase: async () => ({ url: `heads:${(count += 1)}` }),
        open: async (url) => {
          const memory = openMemory();
          const kept = [...heads].filter(([key]) => key.startsWith(`${url} `)).map(([, commit]) => commit);
          if (kept.length > 0) await memory.commit(kept);
          return changed(memory, {
            commit: async (commits) => {
              const outcomes = await memory.commit(commits);
              for (const [index, commit] of commits.entries()) {
                if (outcomes[index]?.status !== "committed") continue;
                heads.set(`${url} ${commit.id}`, { ...commit, base: 0, messages: [], marks: [], keys: [] });
              }
              return outcomes;
            },
          });
        },
      };
    })(),
  },
];

/** A database of its own in every handle, whatever the URL. */
function own(name: string, traits: ClaimedTraits): DriverUnderTest {
  let count = 0;
  return {
    name,
    traits,
    createDatabase: async () => ({ url: `own:${(count += 1)}` }),
    open: async () => changed(openMemory(), { traits }),
  };
}

/** Is another driver than it claims to the kit. */
function claiming(
  name: string,
  says: string,
  invariants: Mutant["invariants"],
  change: (driver: Driver) => Driver,
): Mutant {
  return {
    name,
    says,
    invariants,
    subject: { ...sharedSubject(name), open: async (url) => change(openShared(url)) },
  };
}

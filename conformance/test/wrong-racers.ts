import type { Commit, CommitOutcome, Driver, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import type { InvariantId } from "../src/catalogue.js";
import type { DriverUnderTest } from "../src/subject.js";

interface Row {
  head: Head | undefined;
  messages: StoredMessage[];
  marks: Mark[];
  keys: Map<string, KeyRecord>;
}

/** Tables whose writes can be taken apart. */
class Tables {
  readonly rows = new Map<string, Row>();
  /** Heads as a replica shows them. */
  readonly copy = new Map<string, Head>();
  /** Held by somebody; the others wait in line. */
  readonly locks = new Map<string, Promise<void>>();

  row(id: string): Row {
    const row = this.rows.get(id) ?? { head: undefined, messages: [], marks: [], keys: new Map() };
    this.rows.set(id, row);
    return row;
  }

  /** The outcome of a commit that does not land; undefined where it does. */
  refusal({ id, base, keys }: Commit): CommitOutcome | undefined {
    const row = this.row(id);
    if ((row.head?.revision ?? 0) !== base) return { status: "conflict", head: row.head };
    const held = keys.flatMap(({ key }) => row.keys.get(key) ?? []);
    return held.length > 0 ? { status: "duplicate", held } : undefined;
  }

  writeHead({ id, head }: Commit): void {
    this.row(id).head = head;
  }

  writeLog({ id, head, messages, marks }: Commit): void {
    const row = this.row(id);
    if (head.purged) [row.messages, row.marks] = [[], []];
    row.messages = [...row.messages, ...messages];
    row.marks = [...row.marks, ...marks];
  }

  writeKeys({ id, head, keys }: Commit): void {
    const row = this.row(id);
    if (head.purged) row.keys = new Map();
    for (const record of keys) row.keys.set(record.key, record);
  }

  write(commit: Commit): CommitOutcome {
    this.writeHead(commit);
    this.writeLog(commit);
    this.writeKeys(commit);
    return { status: "committed" };
  }

  apply(commit: Commit): CommitOutcome {
    return this.refusal(commit) ?? this.write(commit);
  }

  async locked<T>(id: string, body: () => Promise<T>): Promise<T> {
    const before = this.locks.get(id);
    let release = (): void => undefined;
    this.locks.set(
      id,
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    await before;
    try {
      return await body();
    } finally {
      release();
    }
  }
}

type Pause = () => Promise<void>;
const tick: Pause = () => Promise.resolve();
const turn: Pause = () => new Promise((resolve) => setImmediate(resolve));
const twoTurns: Pause = async () => {
  await turn();
  await turn();
};
const millisecond: Pause = () => new Promise((resolve) => setTimeout(resolve, 1));

function right(tables: Tables): Driver {
  return {
    name: "racer",
    traits: { durable: false, shared: true },
    limits: { maxCommitBytes: 16 * 1024 * 1024, maxBatch: 500 },
    heads: async (ids) => {
      await turn();
      return ids.map((id) => tables.row(id).head);
    },
    commit: async (commits) => {
      await turn();
      const outcomes = commits.map((commit) => tables.apply(commit));
      await turn();
      return outcomes;
    },
    messages: async (id, from, to) => {
      await turn();
      return tables.row(id).messages.filter(({ seq }) => seq >= from && seq <= to);
    },
    marks: async (id, after, limit) => {
      await turn();
      return tables
        .row(id)
        .marks.filter(({ version }) => version > after)
        .slice(0, limit);
    },
    keys: async (id, keys) => {
      await turn();
      return keys.flatMap((key) => tables.row(id).keys.get(key) ?? []);
    },
    list: async ({ limit, labels, after }) => {
      await turn();
      const rest = listed(tables, labels).filter((head) => after === undefined || byRecency(after, head) < 0);
      return page(rest, limit);
    },
    prune: async (id, below) => {
      await turn();
      const row = tables.row(id);
      row.messages = row.messages.filter(({ seq }) => seq >= Math.min(below, row.head?.firstSeq ?? 1));
      const oldest = row.messages[0]?.version ?? Infinity;
      const summary = row.marks.findLast(({ kind }) => kind === "compaction");
      row.marks = row.marks.filter((mark) => mark.version >= oldest || mark === summary);
    },
    close: async () => undefined,
  };
}

function byRecency(a: { updatedAt: number; id: string }, b: { updatedAt: number; id: string }): number {
  return b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function listed(tables: Tables, labels: readonly string[]): Head[] {
  return [...tables.rows.values()]
    .flatMap(({ head }) => head ?? [])
    .filter((head) => !head.purged && labels.every((label) => head.labels.includes(label)))
    .sort(byRecency);
}

function page(rest: readonly Head[], limit: number, next = rest[limit - 1]) {
  const heads = rest.slice(0, limit);
  return next === undefined || heads.length === rest.length
    ? { heads }
    : { heads, next: { updatedAt: next.updatedAt, id: next.id } };
}

/** One commit after the other. */
function each(one: (commit: Commit) => Promise<CommitOutcome>): Pick<Driver, "commit"> {
  return { commit: (commits) => Promise.all(commits.map(one)) };
}

const checkedOutside = (pause: Pause) => (tables: Tables) =>
  each(async (commit) => {
    const refusal = tables.refusal(commit);
    await pause();
    return refusal ?? tables.write(commit);
  });

type Wrong = (tables: Tables, driver: Driver) => Partial<Driver>;

/** Drivers with a race in them, and the promises by which that may be called. */
export const WRONG_RACERS: Record<
  string,
  { readonly breaks: readonly InvariantId[]; readonly wrong: Wrong }
> = {
  "the base is compared a tick before writing": { breaks: ["CAS-2", "CAS-8"], wrong: checkedOutside(tick) },
  "the base is compared a turn of the event loop before writing": {
    breaks: ["CAS-2", "CAS-8"],
    wrong: checkedOutside(turn),
  },
  "the base is compared a millisecond before writing": {
    breaks: ["CAS-2", "CAS-8"],
    wrong: checkedOutside(millisecond),
  },
  "creations are not compared": {
    breaks: ["CAS-2", "CAS-8"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        if (commit.base > 0) return tables.apply(commit);
        const exists = tables.row(commit.id).head !== undefined;
        await turn();
        return exists ? tables.apply(commit) : tables.write(commit);
      }),
  },
  "the last write wins between handles": {
    breaks: ["CAS-2", "CAS-8", "CAS-3", "KEY-1"],
    wrong: (tables) => {
      const own = new Map<string, number>();
      return each(async (commit) => {
        await turn();
        // Compares with what this handle wrote last.
        const known = own.get(commit.id);
        if (known !== undefined && known !== commit.base) return tables.apply(commit);
        own.set(commit.id, commit.head.revision);
        return tables.write(commit);
      });
    },
  },
  "acknowledged before it can be seen": {
    breaks: ["VER-2", "GAP-2", "KEY-6", "CAS-1", "CAS-4", "CAS-2", "CAS-8"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const refusal = tables.refusal(commit);
        if (refusal === undefined) setTimeout(() => tables.write(commit), 1);
        return refusal ?? { status: "committed" };
      }),
  },
  "heads are kept by each handle": {
    breaks: ["VER-2"],
    wrong: (_tables, driver) => {
      const kept = new Map<string, { head: Head | undefined; uses: number }>();
      return {
        commit: async (commits) => {
          for (const { id } of commits) kept.delete(id);
          return driver.commit(commits);
        },
        heads: async (ids) => {
          const fresh = await driver.heads(ids);
          return ids.map((id, index) => {
            const old = kept.get(id);
            if (old !== undefined && (old.uses += 1) < 3) return old.head;
            kept.set(id, { head: fresh[index], uses: 0 });
            return fresh[index];
          });
        },
      };
    },
  },
  "heads are read from a copy that lags a turn behind": {
    breaks: ["VER-2"],
    wrong: (tables, driver) => ({
      commit: async (commits) => {
        const outcomes = await driver.commit(commits);
        setTimeout(() => {
          for (const { id } of commits) {
            const { head } = tables.row(id);
            if (head !== undefined) tables.copy.set(id, head);
          }
        }, 1);
        return outcomes;
      },
      heads: async (ids) => {
        await turn();
        return ids.map((id) => tables.copy.get(id));
      },
    }),
  },
  "a conflict shows the head that this handle saw before": {
    breaks: ["CAS-4"],
    wrong: (_tables, driver) => {
      const seen = new Map<string, Head>();
      return {
        heads: async (ids) => {
          const heads = await driver.heads(ids);
          for (const head of heads) if (head !== undefined) seen.set(head.id, head);
          return heads;
        },
        commit: async (commits) => {
          const outcomes = await driver.commit(commits);
          return outcomes.map((outcome, index) => {
            const old = seen.get(commits[index]?.id ?? "");
            return outcome.status === "conflict" && old !== undefined
              ? { status: "conflict", head: old }
              : outcome;
          });
        },
      };
    },
  },
  "the head is written two turns before the messages": {
    breaks: ["KEY-6", "KEY-1", "GAP-2", "CAS-5", "GAP-1"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const refusal = tables.refusal(commit);
        if (refusal !== undefined) return refusal;
        tables.writeHead(commit);
        await twoTurns();
        tables.writeLog(commit);
        tables.writeKeys(commit);
        return { status: "committed" };
      }),
  },
  "the messages are written two turns before the head": {
    breaks: ["KEY-6", "VER-2", "CAS-5", "CAS-2", "CAS-4", "SEQ-1", "CAS-7"],
    wrong: (tables) =>
      each((commit) =>
        tables.locked(commit.id, async () => {
          const refusal = tables.refusal(commit);
          if (refusal !== undefined) return refusal;
          tables.writeLog(commit);
          await twoTurns();
          tables.writeHead(commit);
          tables.writeKeys(commit);
          return { status: "committed" };
        }),
      ),
  },
  "the messages of a commit are written one by one": {
    breaks: ["CAS-5", "GAP-2"],
    wrong: (tables) =>
      each((commit) =>
        tables.locked(commit.id, async () => {
          const refusal = tables.refusal(commit);
          if (refusal !== undefined) return refusal;
          const [first, ...rest] = commit.messages;
          tables.writeLog({ ...commit, messages: first === undefined ? [] : [first] });
          await twoTurns();
          tables.writeLog({ ...commit, messages: rest, marks: [] });
          tables.writeHead(commit);
          tables.writeKeys(commit);
          return { status: "committed" };
        }),
      ),
  },
  "the keys are written two turns after the head": {
    breaks: ["KEY-1", "KEY-6", "CAS-5"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const refusal = tables.refusal(commit);
        if (refusal !== undefined) return refusal;
        tables.writeHead(commit);
        tables.writeLog(commit);
        await twoTurns();
        tables.writeKeys(commit);
        return { status: "committed" };
      }),
  },
  "a held key is told before the base is compared": {
    breaks: ["KEY-4"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const held = commit.keys.flatMap(({ key }) => tables.row(commit.id).keys.get(key) ?? []);
        return held.length > 0 ? { status: "duplicate", held } : tables.apply(commit);
      }),
  },
  "keys are not compared with those of commits on their way": {
    breaks: ["KEY-1"],
    wrong: (tables) => {
      const settled = new Map<string, KeyRecord>();
      return each(async (commit) => {
        await turn();
        const refusal = tables.refusal(commit);
        if (refusal?.status === "conflict") return refusal;
        const held = commit.keys.flatMap(({ key }) => settled.get(`${commit.id} ${key}`) ?? []);
        if (held.length > 0) return { status: "duplicate", held };
        tables.write(commit);
        await millisecond();
        for (const record of commit.keys) settled.set(`${commit.id} ${record.key}`, record);
        return { status: "committed" };
      });
    },
  },
  "one conflict refuses its whole batch": {
    breaks: ["ISO-2"],
    wrong: (tables) => ({
      commit: async (commits) => {
        await turn();
        const refusals = commits.map((commit) => tables.refusal(commit));
        if (refusals.some((refusal) => refusal?.status === "conflict")) {
          return commits.map((_commit, index) => refusals[index] ?? { status: "conflict", head: undefined });
        }
        return commits.map((commit) => tables.apply(commit));
      },
    }),
  },
  "a duplicate stops what comes behind it in a batch": {
    breaks: ["CAS-4", "CAS-7", "VER-2", "GAP-2", "CAS-3", "GAP-1", "CAS-2"],
    wrong: (tables) => ({
      commit: async (commits) => {
        await turn();
        let stopped = false;
        return commits.map((commit) => {
          const refusal = tables.refusal(commit);
          if (refusal?.status === "duplicate") stopped = true;
          if (refusal !== undefined) return refusal;
          return stopped ? { status: "committed" } : tables.write(commit);
        });
      },
    }),
  },
  "outcomes are in the order of ids": {
    breaks: ["CAS-6", "CAS-7", "CAS-2", "CAS-1", "ISO-2", "ISO-1", "CAS-4"],
    wrong: (tables) => ({
      commit: async (commits) => {
        await turn();
        return [...commits].sort((a, b) => (a.id < b.id ? -1 : 1)).map((commit) => tables.apply(commit));
      },
    }),
  },
  "batches lock in the order given, and one of two that wait for each other is thrown out": {
    breaks: ["ERR-2"],
    wrong: (tables) => {
      return {
        commit: async (commits) => {
          const held: string[] = [];
          try {
            for (const { id } of commits) {
              for (let wait = 0; tables.locks.has(id); wait++) {
                if (wait > 20) throw new Error("deadlock detected");
                await turn();
              }
              tables.locks.set(id, Promise.resolve());
              held.push(id);
              await turn();
            }
            return commits.map((commit) => tables.apply(commit));
          } finally {
            for (const id of held) tables.locks.delete(id);
          }
        },
      };
    },
  },
  "a busy conversation is told as a conflict": {
    breaks: ["CAS-1", "CAS-4", "ISO-2"],
    wrong: (tables) => {
      return each(async (commit) => {
        if (tables.locks.has(commit.id)) return { status: "conflict", head: tables.row(commit.id).head };
        tables.locks.set(commit.id, Promise.resolve());
        try {
          await turn();
          return tables.apply(commit);
        } finally {
          await turn();
          tables.locks.delete(commit.id);
        }
      });
    },
  },
  "a refused commit is tried again later": {
    breaks: ["CAS-7", "GAP-2", "SEQ-1", "GAP-1", "TMB-2"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const outcome = tables.apply(commit);
        if (outcome.status === "conflict") {
          const { head } = outcome;
          setImmediate(() => {
            if (head !== undefined && tables.row(commit.id).head === head) tables.writeLog(commit);
          });
        }
        return outcome;
      }),
  },
  "a commit is seen before it is refused": {
    breaks: ["CAS-7", "CAS-2", "CAS-4", "VER-2"],
    wrong: (tables) =>
      each(async (commit) => {
        const before = tables.row(commit.id).head;
        const refusal = tables.refusal(commit);
        if (refusal?.status !== "conflict") return refusal ?? tables.write(commit);
        tables.writeHead(commit);
        await turn();
        if (before !== undefined) tables.row(commit.id).head = before;
        return refusal;
      }),
  },
  "what is handed over again is told as committed": {
    breaks: ["CAS-8"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const same = tables.row(commit.id).head?.state === commit.head.state;
        return same ? { status: "committed" } : tables.apply(commit);
      }),
  },
  "a purge erases a turn before its head": {
    breaks: ["TRM-1", "CAS-5", "GAP-1", "GAP-2", "TMB-2", "VER-2", "KEY-6", "KEY-1", "CAS-2"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const refusal = tables.refusal(commit);
        if (refusal !== undefined) return refusal;
        if (!commit.head.purged) return tables.write(commit);
        tables.writeLog(commit);
        tables.writeKeys(commit);
        await turn();
        return tables.refusal(commit) ?? tables.write(commit);
      }),
  },
  "a purge erases a turn after its answer": {
    breaks: ["TMB-2", "GAP-1", "GAP-2", "KEY-1", "CAS-5", "TMB-3", "KEY-4", "KEY-6"],
    wrong: (tables) =>
      each(async (commit) => {
        await turn();
        const refusal = tables.refusal(commit);
        if (refusal !== undefined) return refusal;
        if (!commit.head.purged) return tables.write(commit);
        tables.writeHead(commit);
        setTimeout(() => {
          tables.writeLog(commit);
          tables.writeKeys(commit);
        }, 1);
        return { status: "committed" };
      }),
  },
  "the log is read in two parts": {
    breaks: ["TRM-1", "TRM-5", "TMB-2", "GAP-1", "CAS-5", "GAP-2"],
    wrong: (tables) => ({
      messages: async (id, from, to) => {
        await turn();
        const first = tables.row(id).messages.filter(({ seq }) => seq >= from && seq <= Math.min(to, 1));
        await turn();
        await turn();
        const rest = tables.row(id).messages.filter(({ seq }) => seq >= Math.max(from, 2) && seq <= to);
        return [...first, ...rest];
      },
    }),
  },
  "pruning writes back what it read": {
    breaks: ["TRM-1", "TRM-5", "GAP-1", "GAP-2", "VER-2", "CAS-5", "TRM-4"],
    wrong: (tables) => ({
      prune: async (id, below) => {
        await turn();
        const { head, messages } = tables.row(id);
        const kept = messages.filter(({ seq }) => seq >= Math.min(below, head?.firstSeq ?? 1));
        await turn();
        tables.row(id).messages = kept;
      },
    }),
  },
  "pruning makes a commit of its own": {
    breaks: ["CAS-2", "VER-2", "CAS-4", "VER-1", "CAS-1"],
    wrong: (tables, driver) => ({
      prune: async (id, below) => {
        await driver.prune(id, below);
        const { head } = tables.row(id);
        if (head !== undefined) tables.row(id).head = { ...head, revision: head.revision + 1 };
      },
    }),
  },
  "pages are counted": {
    breaks: ["LST-2"],
    wrong: (tables) => ({
      list: async ({ limit, labels, after }) => {
        await turn();
        const all = listed(tables, labels);
        const from = after === undefined ? 0 : Number(after.id);
        const heads = all.slice(from, from + limit);
        return from + limit < all.length
          ? { heads, next: { updatedAt: 0, id: String(from + limit) } }
          : { heads };
      },
    }),
  },
  "lists are kept for a while": {
    breaks: ["LST-4", "LST-2", "TMB-2"],
    wrong: (tables) => {
      const kept = new Map<string, Head[]>();
      return {
        list: async ({ limit, labels, after }) => {
          await turn();
          const key = labels.join();
          const all = kept.get(key) ?? listed(tables, labels);
          kept.set(key, all);
          return page(
            all.filter((head) => after === undefined || byRecency(after, head) < 0),
            limit,
          );
        },
      };
    },
  },
};

/** A driver of {@link WRONG_RACERS}, or the right one. */
export function racer(wrong: Wrong = () => ({})): DriverUnderTest {
  const databases = new Map<string, Tables>();
  return {
    name: "racer",
    traits: { durable: false, shared: true, watch: false },
    createDatabase: async () => {
      const url = `racer:${databases.size}`;
      databases.set(url, new Tables());
      return { url };
    },
    open: async (url) => {
      const tables = databases.get(url) ?? new Tables();
      const driver = right(tables);
      return { ...driver, ...wrong(tables, driver) };
    },
  };
}

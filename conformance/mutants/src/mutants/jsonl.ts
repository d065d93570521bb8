import { existsSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import type { Commit } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import type { Change } from "@fastpaca/example-custom-driver/conversations";
import { changed, wrongJsonl } from "../jsonl-driver.js";
import type { Mutant } from "../mutant.js";

const NO_LOCK = { release: () => undefined };

/** Mutants of the example driver: what is acknowledged is not there, or not all of it, when it is opened again. */
export const JSONL: readonly Mutant[] = [
  wrongJsonl(
    "acknowledged-before-written",
    "Acknowledges first, and writes a moment later.",
    ["DUR-1", "DUR-2"],
    {
      log: (log) => {
        let last: Promise<unknown> = Promise.resolve();
        return {
          append: async (changes) => {
            last = last.then(() => wait(3)).then(() => log.append(changes));
            return "written";
          },
          close: async () => {
            await last;
            await log.close();
          },
        };
      },
    },
  ),
  wrongJsonl("written-when-closed", "Keeps everything in memory until it is closed.", ["DUR-1", "DUR-2"], {
    log: (log) => {
      const waiting: Change[] = [];
      return {
        append: async (changes) => {
          waiting.push(...changes);
          return "written";
        },
        close: async () => {
          await log.append(waiting);
          await log.close();
        },
      };
    },
  }),
  wrongJsonl(
    "written-in-blocks",
    "Writes when eight changes have come together, or when it is closed.",
    ["DUR-1", "DUR-2"],
    {
      log: (log) => {
        let waiting: Change[] = [];
        return {
          append: async (changes) => {
            waiting.push(...changes);
            if (waiting.length < 8) return "written";
            const block = waiting;
            waiting = [];
            return log.append(block);
          },
          close: async () => {
            await log.append(waiting);
            await log.close();
          },
        };
      },
    },
  ),
  wrongJsonl("head-written-first", "Writes heads and keys, and then their messages.", ["DUR-2"], {
    log: (log) => ({
      append: async (changes) => {
        const heads = changes.map((change) =>
          "below" in change ? change : { ...change, messages: [], marks: [] },
        );
        await log.append(heads);
        await wait(2);
        return log.append(changes.flatMap((change) => ("below" in change ? [] : { ...change, keys: [] })));
      },
      close: () => log.close(),
    }),
  }),
  splitting("messages-written-in-two", "Writes the messages of a commit in two parts.", 2),
  splitting("messages-written-bit-by-bit", "Writes the messages of a commit bit by bit.", 6),
  reading("marks-lost", "Does not read marks when it is opened.", (commit) => ({ ...commit, marks: [] })),
  reading("keys-lost", "Does not read keys when it is opened.", (commit) => ({ ...commit, keys: [] })),
  reading("labels-lost", "Does not read labels when it is opened.", (commit) => ({
    ...commit,
    head: { ...commit.head, labels: [] },
  })),
  reading(
    "tombstones-lost",
    "Does not read that conversations are tombstoned when it is opened.",
    (commit) => ({
      ...commit,
      head: { ...commit.head, tombstoned: commit.head.purged },
    }),
  ),
  reading(
    "purged-heads-lost",
    "Does not read heads of purged conversations when it is opened.",
    undefined,
    (changes) => {
      const last = new Map(
        changes.flatMap((change) => ("below" in change ? [] : [[change.id, change.head] as const])),
      );
      return changes.filter(({ id }) => last.get(id)?.purged !== true);
    },
  ),
  reading("purges-undone", "Passes over purges when it is opened.", undefined, (changes) =>
    changes.map((change) =>
      "below" in change || !change.head.purged
        ? change
        : { ...change, head: { ...change.head, purged: false } },
    ),
  ),
  reading("last-line-lost", "Takes the last line for torn, always.", undefined, (changes) =>
    changes.slice(0, -1),
  ),
  reading(
    "first-messages-lost",
    "Reads a conversation's newest messages only when it is opened.",
    undefined,
    (changes) => {
      const last = new Map(
        changes.flatMap((change) => ("below" in change ? [] : [[change.id, change.head.lastSeq] as const])),
      );
      return changes.map((change) =>
        "below" in change
          ? change
          : {
              ...change,
              messages: change.messages.filter(({ seq }) => seq > (last.get(change.id) ?? 0) - 2),
            },
      );
    },
  ),
  reading(
    "revisions-counted",
    "Counts revisions anew from the lines that hold messages when it is opened.",
    undefined,
    (changes) => {
      const counts = new Map<string, number>();
      return changes.map((change) => {
        if ("below" in change) return change;
        const revision =
          (counts.get(change.id) ?? 0) + (change.messages.length > 0 || change.base === 0 ? 1 : 0);
        counts.set(change.id, revision);
        return { ...change, head: { ...change.head, revision } };
      });
    },
  ),
  wrongJsonl(
    "empties-when-opened",
    "Sets the log up anew whenever it is opened.",
    ["DUR-1", "DUR-3", "DUR-4"],
    {
      before: (path) => writeFile(path, ""),
    },
  ),
  wrongJsonl(
    "drops-what-waits-when-closed",
    "Says committed to what was not written yet when it was closed.",
    ["DUR-4", "CAS-7"],
    {
      driver: (driver) => {
        let closing = false;
        return {
          commit: async (commits) => {
            if (closing) return driver.commit(commits);
            await wait(1);
            return closing ? commits.map(() => ({ status: "committed" })) : driver.commit(commits);
          },
          close: () => {
            closing = true;
            return driver.close();
          },
        };
      },
    },
  ),
  wrongJsonl("without-a-lock", "Lets everybody open it at once, each with a memory of its own.", ["ERR-8"], {
    lock: () => NO_LOCK,
  }),
  wrongJsonl(
    "lock-left-behind",
    "Leaves its lock behind when it is killed, and refuses to open ever after.",
    ["DUR-1", "DUR-2", "ERR-2"],
    {
      lock: (path) => {
        if (existsSync(`${path}.pid`))
          throw new Error(`${path}.pid exists: another process has the database open`);
        writeFileSync(`${path}.pid`, String(process.pid));
        return { release: () => rmSync(`${path}.pid`) };
      },
    },
  ),
  {
    name: "durable-in-name-only",
    says: "Claims to be durable, and keeps everything in memory.",
    invariants: ["DUR-1", "DUR-2", "DUR-3", "DUR-4", "ERR-8"],
    subject: {
      ...wrongJsonl("durable-in-name-only", "", ["DUR-1"], {}).subject,
      open: async () => changed(openMemory(), { traits: { durable: true, shared: false } }),
    },
  },
];

/** Reads something else than what was written. */
function reading(
  name: string,
  says: string,
  commit: ((commit: Commit) => Commit) | undefined,
  changes: (changes: readonly Change[]) => readonly Change[] = (all) => all,
): Mutant {
  return wrongJsonl(`${name}-on-reopen`, says, ["DUR-3", "DUR-1", "DUR-2"], {
    read: (all) =>
      changes(all).map((change) => ("below" in change || commit === undefined ? change : commit(change))),
  });
}

/** Writes the messages of a commit in some parts, with a pause in between. */
function splitting(name: string, says: string, count: number): Mutant {
  return wrongJsonl(name, says, ["DUR-2"], {
    log: (log) => ({
      append: async (changes) => {
        for (const change of changes) {
          const parts = "below" in change || change.messages.length < 2 ? [change] : split(change, count);
          for (const [index, part] of parts.entries()) {
            if (index > 0) await wait(1);
            await log.append([part]);
          }
        }
        return "written";
      },
      close: () => log.close(),
    }),
  });
}

/** At most `count` lines, each with the head of a commit of the messages so far. */
function split(commit: Commit, count: number): Commit[] {
  const { messages } = commit;
  const size = Math.ceil(messages.length / count);
  const parts: Commit[] = [];
  for (let from = 0; from < messages.length; from += size) {
    const some = messages.slice(from, from + size);
    const last = some.at(-1);
    if (from + size >= messages.length || last === undefined) {
      parts.push({ ...commit, messages: some });
    } else {
      const head = { ...commit.head, lastSeq: last.seq, version: last.version };
      parts.push({ ...commit, head, messages: some, marks: [], keys: [] });
    }
  }
  return parts;
}

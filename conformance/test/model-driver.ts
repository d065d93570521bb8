import { DriverUnavailableError, type Commit, type Driver, type ListQuery } from "@fastpaca/core";
import { Model } from "../src/model.js";
import type { DriverUnderTest } from "../src/subject.js";

const databases = new Map<string, Model>();
let count = 0;

/** The kit's own model as a driver: right by definition, shared within this process, gone with it. */
function openModel(url: string): Driver {
  const model = databases.get(url);
  if (model === undefined) throw new DriverUnavailableError(`there is no database ${url}`);
  let open = true;
  const answer = async <T>(call: () => T): Promise<T> => {
    // Only calls made afterwards reject: those that are running at the close are finished.
    if (!open) throw new Error("the driver is closed");
    // Half a turn before and half after, so that calls overlap.
    await new Promise((resolve) => setImmediate(resolve));
    return call();
  };
  return {
    name: "model",
    traits: { durable: false, shared: true },
    limits: { maxCommitBytes: 16 * 1024 * 1024, maxBatch: 500 },
    heads: (ids) => answer(() => ids.map((id) => model.head(id))),
    commit: (commits: readonly Commit[]) => answer(() => commits.map((commit) => model.commit(commit))),
    messages: (id, from, to) => answer(() => model.messages(id, from, to)),
    marks: (id, after, limit) => answer(() => model.marks(id, after, limit)),
    keys: (id, keys) => answer(() => model.keys(id, keys)),
    list: ({ limit, labels, after }: ListQuery) =>
      answer(() => {
        const order = (head: { updatedAt: number; id: string }): string =>
          `${String(Number.MAX_SAFE_INTEGER - head.updatedAt).padStart(17, "0")}${head.id}`;
        const all = model.list(labels).sort((a, b) => (order(a) < order(b) ? -1 : 1));
        const rest = after === undefined ? all : all.filter((head) => order(head) > order(after));
        const heads = rest.slice(0, limit);
        const last = heads.at(-1);
        return last === undefined || heads.length === rest.length
          ? { heads }
          : { heads, next: { updatedAt: last.updatedAt, id: last.id } };
      }),
    prune: (id, below) => answer(() => model.prune(id, below)),
    close: async () => {
      open = false;
    },
  };
}

/** A driver that is right, for tests of the kit itself. `change` makes it wrong. */
export function modelSubject(change: (driver: Driver) => Driver = (driver) => driver): DriverUnderTest {
  return {
    name: "model",
    traits: { durable: false, shared: true, watch: false },
    createDatabase: async () => {
      const url = `model:${(count += 1)}`;
      databases.set(url, new Model());
      return { url, drop: async () => void databases.delete(url) };
    },
    open: async (url) => change(openModel(url)),
  };
}

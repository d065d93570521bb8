// A driver in a few lines, for the tests of the command: files of its kind are what authors hand to it.
const databases = new Map();
let count = 0;

export function createDatabase() {
  const url = `small:${(count += 1)}`;
  databases.set(url, new Map());
  return Promise.resolve({
    url,
    drop: () => {
      databases.delete(url);
      return Promise.resolve();
    },
  });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function byRecency(a, b) {
  return b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Handles of one database share it; they are told apart by nothing. */
export async function open(url) {
  const conversations = databases.get(url);
  if (conversations === undefined) throw new Error(`there is no database ${url}`);
  let closed = false;
  const of = (id) => {
    if (closed) throw new Error("the driver is closed");
    return conversations.get(id) ?? { messages: [], marks: [], keys: [] };
  };
  const apply = (commit) => {
    const present = of(commit.id);
    if ((present.head?.revision ?? 0) !== commit.base) return { status: "conflict", head: present.head };
    const { head, messages, marks, keys } = commit;
    if (head.purged) {
      conversations.set(commit.id, { head, messages: [], marks: [], keys: [] });
      return { status: "committed" };
    }
    const held = present.keys.filter(({ key }) => keys.some((record) => record.key === key));
    if (held.length > 0) return { status: "duplicate", held };
    conversations.set(commit.id, {
      head,
      messages: [...present.messages, ...messages],
      marks: [...present.marks, ...marks],
      keys: [...present.keys, ...keys],
    });
    return { status: "committed" };
  };
  return {
    name: "small",
    traits: { durable: false, shared: true },
    limits: { maxCommitBytes: 4 * 1024 * 1024, maxBatch: 100 },
    heads: async (ids) => ids.map((id) => of(id).head),
    commit: async (commits) => {
      if (closed) throw new Error("the driver is closed");
      return commits.map(apply);
    },
    messages: async (id, from, to) => {
      await turn();
      return of(id).messages.filter(({ seq }) => seq >= from && seq <= to);
    },
    marks: async (id, after, limit) => {
      await turn();
      const { marks } = of(id);
      return marks.filter(({ version }) => version > after).slice(0, limit);
    },
    keys: async (id, keys) => of(id).keys.filter(({ key }) => keys.includes(key)),
    list: async ({ limit, labels, after }) => {
      if (closed) throw new Error("the driver is closed");
      const heads = [...conversations.values()]
        .map(({ head }) => head)
        .filter((head) => !head.purged && labels.every((label) => head.labels.includes(label)))
        .filter((head) => after === undefined || byRecency(after, head) < 0)
        .sort(byRecency);
      const page = heads.slice(0, limit);
      const last = page.at(-1);
      return page.length === heads.length || last === undefined
        ? { heads: page }
        : { heads: page, next: { updatedAt: last.updatedAt, id: last.id } };
    },
    prune: async (id, below) => {
      const present = of(id);
      const first = Math.min(below, present.head?.firstSeq ?? 1);
      const messages = present.messages.filter(({ seq }) => seq >= first);
      const oldest = messages[0]?.version ?? (present.head?.version ?? 0) + 1;
      const summary = present.marks.findLast(({ kind }) => kind === "compaction");
      const marks = present.marks.filter((mark) => mark.version >= oldest || mark === summary);
      if (present.head !== undefined) conversations.set(id, { ...present, messages, marks });
    },
    close: async () => {
      closed = true;
    },
  };
}

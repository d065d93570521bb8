import type { Head, ListPage } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { wrong, type Change, type Parts } from "../shared-driver.js";

const labelled = (head: Head, labels: readonly string[]): boolean =>
  labels.every((label) => head.labels.includes(label));

/** Listing gone wrong. */
export const LISTS: readonly Mutant[] = [
  wrong(
    "list-skips-ties",
    "Goes on behind the time of the last head, and so skips others of the same time.",
    ["LST-2"],
    ({ memory, answer }) => ({
      list: (query) =>
        answer(async () => {
          const { after } = query;
          const all = await every({ memory }, query.labels);
          return page(
            all.filter((head) => after === undefined || head.updatedAt < after.updatedAt),
            query.limit,
          );
        }),
    }),
  ),
  wrong(
    "list-repeats-ties",
    "Goes on at the time of the last head, and so repeats others of the same time.",
    ["LST-2"],
    ({ memory, answer }) => ({
      list: (query) =>
        answer(async () => {
          const { after } = query;
          const all = await every({ memory }, query.labels);
          const rest = all.filter(
            (head) => after === undefined || (head.updatedAt <= after.updatedAt && head.id !== after.id),
          );
          return page(rest, query.limit);
        }),
    }),
  ),
  wrong(
    "list-by-offset",
    "Counts how far it came, instead of where.",
    ["LST-2", "LST-5"],
    ({ memory, answer }) => {
      const offsets = new Map<string, number>();
      return {
        list: ({ limit, labels, after }) =>
          answer(async () => {
            const all = await every({ memory }, labels);
            const offset = after === undefined ? 0 : (offsets.get(after.id) ?? 0);
            const { heads, next } = page(all.slice(offset), limit);
            if (next !== undefined) offsets.set(next.id, offset + heads.length);
            return { heads, ...(next && { next }) };
          }),
      };
    },
  ),
  wrong(
    "list-oldest-first",
    "Lists the conversations that changed longest ago first.",
    ["LST-1"],
    ordered((a, b) => a.updatedAt - b.updatedAt),
  ),
  wrong(
    "list-by-creation",
    "Lists in order of creation.",
    ["LST-1"],
    ordered((a, b) => b.createdAt - a.createdAt),
  ),
  wrong(
    "list-by-id",
    "Lists in order of ids.",
    ["LST-1"],
    ordered(() => 0),
  ),
  wrong(
    "list-by-second",
    "Orders by whole seconds.",
    ["LST-1"],
    ordered((a, b) => Math.floor(b.updatedAt / 1000) - Math.floor(a.updatedAt / 1000)),
  ),
  wrong(
    "list-first-label-only",
    "Looks at the first of several labels only.",
    ["LST-3"],
    ({ memory, answer }) => ({
      list: (query) => answer(() => memory.list({ ...query, labels: query.labels.slice(0, 1) })),
    }),
  ),
  wrong(
    "list-any-label",
    "Lists what carries any of the labels.",
    ["LST-3"],
    filtered((head, labels) => labels.length === 0 || labels.some((label) => head.labels.includes(label))),
  ),
  wrong(
    "list-label-prefix",
    "Matches the start of a label.",
    ["LST-3"],
    filtered((head, labels) => labels.every((label) => head.labels.some((own) => own.startsWith(label)))),
  ),
  wrong(
    "list-labels-ignore-case",
    "Compares labels without regard to case.",
    ["LST-3"],
    filtered((head, labels) => {
      const own = new Set(head.labels.map((label) => label.toLowerCase()));
      return labels.every((label) => own.has(label.toLowerCase()));
    }),
  ),
  wrong(
    "list-without-labels",
    "Ignores labels.",
    ["LST-3"],
    filtered(() => true),
  ),
  wrong(
    "list-filters-the-page",
    "Takes a page first, and filters it by labels then.",
    ["LST-3", "LST-5", "LST-2"],
    ({ memory, answer }) => ({
      list: (query) =>
        answer(async () => {
          const { heads, ...rest } = await memory.list({ ...query, labels: [] });
          return { ...rest, heads: heads.filter((head) => labelled(head, query.labels)) };
        }),
    }),
  ),
  wrong("list-one-more", "Lists one more than asked for.", ["LST-5"], ({ memory, answer }) => ({
    list: (query) => answer(() => memory.list({ ...query, limit: query.limit + 1 })),
  })),
  wrong(
    "list-without-next",
    "Never says that there is a next page.",
    ["LST-5", "LST-2"],
    ({ memory, answer }) => ({
      list: (query) => answer(async () => ({ heads: (await memory.list(query)).heads })),
    }),
  ),
  wrong("list-always-next", "Names a next page on the last one, too.", ["LST-5"], ({ memory, answer }) => ({
    list: (query) =>
      answer(async () => {
        const { heads } = await memory.list(query);
        const last = heads.at(-1) ?? query.after ?? { updatedAt: 0, id: "" };
        return { heads, next: { updatedAt: last.updatedAt, id: last.id } };
      }),
  })),
  wrong(
    "list-repeats-the-last",
    "Starts a page with the last head of the one before.",
    ["LST-2"],
    ({ memory, answer }) => ({
      list: (query) =>
        answer(async () => {
          const { heads, next } = await memory.list(query);
          const before = heads.at(-2);
          // A page of one would never get anywhere.
          return next === undefined || before === undefined
            ? { heads, ...(next && { next }) }
            : { heads, next: { updatedAt: before.updatedAt, id: before.id } };
        }),
    }),
  ),
  wrong(
    "list-without-tombstoned",
    "Hides tombstoned conversations.",
    ["LST-4", "LST-2"],
    filtered((head, labels) => labelled(head, labels) && !head.tombstoned),
  ),
  wrong(
    "list-with-purged",
    "Goes on showing conversations that were purged.",
    ["TMB-2", "LST-4"],
    ({ memory, answer, commitBy }) => {
      const purged = new Map<string, Head>();
      return {
        commit: commitBy(async (commits) => {
          const outcomes = await memory.commit(commits);
          for (const [index, { id, head }] of commits.entries()) {
            if (outcomes[index]?.status !== "committed") continue;
            if (head.purged) purged.set(id, head);
            else purged.delete(id);
          }
          return outcomes;
        }),
        list: ({ limit, labels, after }) =>
          answer(async () => {
            const heads = [...(await every({ memory }, [])), ...purged.values()]
              .filter((head) => labelled(head, labels))
              .sort((a, b) => b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : 1));
            const at = heads.findIndex(
              ({ id, updatedAt }) =>
                after !== undefined &&
                (updatedAt < after.updatedAt || (updatedAt === after.updatedAt && id > after.id)),
            );
            return page(after === undefined ? heads : at < 0 ? [] : heads.slice(at), limit);
          }),
      };
    },
  ),
  wrong(
    "list-of-first-heads",
    "Lists heads as they were when they were first listed.",
    ["LST-4", "LST-1"],
    ({ memory, answer }) => {
      const first = new Map<string, Head>();
      return {
        list: (query) =>
          answer(async () => {
            const { heads, ...rest } = await memory.list(query);
            for (const head of heads) if (!first.has(head.id)) first.set(head.id, head);
            return {
              ...rest,
              heads: heads.map((head) => ({ ...(first.get(head.id) ?? head), updatedAt: head.updatedAt })),
            };
          }),
      };
    },
  ),
];

/** All heads in the right order. */
async function every({ memory }: Pick<Parts, "memory">, labels: readonly string[]): Promise<readonly Head[]> {
  return (await memory.list({ limit: 1e9, labels })).heads;
}

function page(heads: readonly Head[], limit: number): ListPage {
  const shown = heads.slice(0, limit);
  const last = shown.at(-1);
  if (last === undefined || shown.length === heads.length) return { heads: shown };
  return { heads: shown, next: { updatedAt: last.updatedAt, id: last.id } };
}

/** Lists in another order, and keeps to it from page to page. */
function ordered(compare: (a: Head, b: Head) => number): Change {
  return ({ memory, answer }) => ({
    list: ({ limit, labels, after }) =>
      answer(async () => {
        const all = [...(await every({ memory }, labels))].sort(
          (a, b) => compare(a, b) || (a.id < b.id ? -1 : 1),
        );
        const at = after === undefined ? -1 : all.findIndex(({ id }) => id === after.id);
        return page(all.slice(at + 1), limit);
      }),
  });
}

/** Lists what passes another filter. */
function filtered(passes: (head: Head, labels: readonly string[]) => boolean): Change {
  return ({ memory, answer }) => ({
    list: ({ limit, labels, after }) =>
      answer(async () => {
        const { heads } = await memory.list({ limit: 1e9, labels: [], after });
        return page(
          heads.filter((head) => passes(head, labels)),
          limit,
        );
      }),
  });
}

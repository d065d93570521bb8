import type { Head, ListPosition, ListQuery } from "@fastpaca/core";
import { field, plain, plainRows, same } from "./answers.js";
import { named } from "./blame.js";
import type { InvariantId } from "./catalogue.js";
import type { Handle } from "./handle.js";
import type { Model } from "./model.js";
import { demand, show, Violation } from "./violation.js";

/** One page as it came, with what any page must be. */
export interface Page {
  readonly heads: readonly unknown[];
  readonly ids: readonly string[];
  readonly next: ListPosition | undefined;
}

/** Reads one page and checks what needs no knowledge of other pages: its size, its order, its cursor. */
export async function readPage(handle: Handle, query: ListQuery, blame?: InvariantId): Promise<Page> {
  const answer: unknown = await handle.list(query);
  const heads = plainRows("head", field(answer, "heads"));
  demand(heads !== undefined, named(blame, "LST-5"), () => `list answered ${show(answer)}`);
  demand(
    heads.length <= query.limit,
    named(blame, "LST-5"),
    () => `a page of ${query.limit} holds ${heads.length} heads`,
  );
  const times = [
    query.after?.updatedAt ?? Infinity,
    ...heads.map((head) => Number(field(head, "updatedAt"))),
  ];
  for (const [index, time] of times.entries()) {
    demand(
      index === 0 || time <= (times[index - 1] ?? Infinity),
      named(blame, "LST-1"),
      () => `a list goes from ${times[index - 1]} to ${time}, which is later`,
    );
  }
  const ids = heads.map((head) => String(field(head, "id")));
  return { heads, ids, next: cursor(field(answer, "next"), blame) };
}

/** Pages through a list in which nothing changes meanwhile. */
export async function listAll(
  read: (query: ListQuery) => Promise<Page>,
  model: Model,
  { labels, limit }: Pick<ListQuery, "labels" | "limit">,
  blame?: InvariantId,
): Promise<void> {
  const expected = model.list(labels);
  const seen: string[] = [];
  let after: ListPosition | undefined;
  let pages = 0;
  do {
    const page = await read({ limit, labels, ...(after !== undefined && { after }) });
    for (const [index, head] of page.heads.entries()) {
      const id = page.ids[index] ?? "";
      const should = expected.find((other) => other.id === id);
      demand(should !== undefined, named(blame, blameListed(model, head, id, labels)), () => {
        return `a list by ${show(labels)} holds ${show(head)}, which does not belong there`;
      });
      demand(
        same("head", head, should),
        named(blame, "LST-4"),
        () => `a list holds ${show(head)}, and the head is ${show(plain("head", should))}`,
      );
      demand(!seen.includes(id), named(blame, "LST-2"), () => `a list holds ${show(id, 80)} twice`);
      seen.push(id);
    }
    after = page.next;
    pages += 1;
    demand(
      pages <= expected.length + 5,
      named(blame, "LST-5"),
      () => `a list of ${expected.length} has not come to its end after ${pages} pages`,
    );
  } while (after !== undefined);
  const absent = expected.find(({ id }) => !seen.includes(id));
  if (absent === undefined) return;
  throw new Violation(
    named(blame, blameAbsent(absent, labels, pages === 1, seen.length === limit)),
    `a list by ${show(labels)} lacks ${show(absent.id, 80)}`,
  );
}

function blameListed(model: Model, listed: unknown, id: string, labels: readonly string[]): InvariantId {
  const head: Head | undefined = model.head(id);
  if (head?.purged === true || field(listed, "purged") === true) return "TMB-2";
  const carried: unknown = field(listed, "labels");
  if (labels.some((label) => !Array.isArray(carried) || !carried.includes(label))) return "LST-3";
  return head === undefined && labels.length === 0 ? "ISO-4" : "LST-4";
}

/** On one page it is clear what went wrong; over several, all that can be told is that one was skipped. */
function blameAbsent(absent: Head, labels: readonly string[], onePage: boolean, full: boolean): InvariantId {
  if (!onePage) return "LST-2";
  if (full) return "LST-5";
  if (absent.tombstoned) return "LST-4";
  return labels.length > 0 ? "LST-3" : "LST-2";
}

/** The cursor after a journey through JSON, as the store sends it. */
function cursor(next: unknown, blame: InvariantId | undefined): ListPosition | undefined {
  if (next === undefined) return undefined;
  const copy: unknown = JSON.parse(JSON.stringify(next));
  const updatedAt = field(copy, "updatedAt");
  const id = field(copy, "id");
  demand(
    typeof updatedAt === "number" && typeof id === "string",
    named(blame, "LST-5"),
    () => `the next page starts at ${show(next)}, which is no place in a list`,
  );
  return { updatedAt, id };
}

import { show, Violation } from "../violation.js";
import type { Listing, Recording } from "./collect.js";
import { acknowledged, entryOf, landing, type Conversation } from "./conversation.js";

/** @throws Violation where pages of lists break their own, weaker promises */
export function demandLegalLists({ conversations, listings }: Recording): void {
  for (const listing of listings) demandLegalPage(listing, conversations);
  for (const paging of pagings(listings)) demandOnce(paging, conversations);
}

function demandLegalPage(
  { query, page, call, from, to }: Listing,
  conversations: Recording["conversations"],
): void {
  if (page.heads.length > query.limit) {
    throw new Violation("LST-5", `a page of ${query.limit} heads holds ${page.heads.length}`);
  }
  let before = Infinity;
  const ids = new Set<string>();
  for (const head of page.heads) {
    if (head.updatedAt > before) {
      throw new Violation("LST-1", `a list shows ${head.id}, updated at ${head.updatedAt}, behind ${before}`);
    }
    before = head.updatedAt;
    if (ids.has(head.id)) throw new Violation("LST-2", `one page shows ${head.id} twice`);
    ids.add(head.id);
    if (head.purged) throw new Violation("TMB-2", `a list shows ${head.id}, which is purged`);
    if (!query.labels.every((label) => head.labels.includes(label))) {
      throw new Violation("LST-3", `a list by ${show(query.labels)} shows ${show(head)}`);
    }
    const conversation = conversations.get(head.id);
    const entry = conversation === undefined ? undefined : entryOf(conversation, head);
    if (conversation === undefined || entry === undefined) continue;
    const landed = landing(entry);
    const later = [...conversation.entries.values()].find((other) => {
      const told = acknowledged(other);
      return other.commit.base >= head.revision && told !== undefined && told.to < from;
    });
    if (landed === undefined || landed.from > to || later !== undefined) {
      throw new Violation(
        "LST-4",
        `list on ${call.lane} (${from}–${to}) shows ${head.id} at revision ${head.revision}, which it was not then`,
      );
    }
  }
}

/** Pages that follow each other, from the first to the last. */
function pagings(listings: readonly Listing[]): readonly (readonly Listing[])[] {
  const open: Listing[][] = [];
  const done: Listing[][] = [];
  for (const listing of [...listings].sort((a, b) => a.from - b.from)) {
    const { after, labels } = listing.query;
    let pages: Listing[] = [];
    if (after !== undefined) {
      const index = open.findIndex((candidate) => {
        const last = candidate.at(-1);
        if (last === undefined || last.to > listing.from || last.call.lane !== listing.call.lane)
          return false;
        const { next } = last.page;
        return (
          next?.id === after.id &&
          next.updatedAt === after.updatedAt &&
          show(last.query.labels) === show(labels)
        );
      });
      if (index < 0) continue;
      pages = open.splice(index, 1)[0] ?? [];
    }
    pages.push(listing);
    (listing.page.next === undefined ? done : open).push(pages);
  }
  return done;
}

/** Whatever did not change from the first page to the last is shown exactly once. */
function demandOnce(pages: readonly Listing[], conversations: Recording["conversations"]): void {
  const [first] = pages;
  const last = pages.at(-1);
  if (first === undefined || last === undefined) return;
  const counts = new Map<string, number>();
  for (const { page } of pages) for (const { id } of page.heads) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const conversation of conversations.values()) {
    const head = unchangedHead(conversation, first.from, last.to);
    if (head === undefined) continue;
    const listed = !head.purged && first.query.labels.every((label) => head.labels.includes(label));
    const count = counts.get(conversation.id) ?? 0;
    if (listed && count !== 1) {
      throw new Violation(
        "LST-2",
        `${conversation.id} did not change while pages were read (${first.from}–${last.to}), and was shown ${count} times`,
      );
    }
  }
}

/** The head, if it is certain and was the same all the time. */
function unchangedHead({ entries }: Conversation, from: number, to: number) {
  let head;
  for (const entry of entries.values()) {
    const told = acknowledged(entry);
    if (told !== undefined && told.to < from && entry.commit.head.revision > (head?.revision ?? 0)) {
      head = entry.commit.head;
    }
  }
  for (const entry of entries.values()) {
    const landed = landing(entry);
    if (landed === undefined || landed.from > to || entry.commit.head.revision <= (head?.revision ?? 0))
      continue;
    return undefined;
  }
  return head;
}

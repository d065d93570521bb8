import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { Head, ListPosition } from "@fastpaca/core";
import { openFile } from "../src/open-file.js";
import { Commits } from "../src/commits.js";
import { Listing } from "../src/listing.js";
import { append, creation } from "./commits.js";
import { inFolder } from "./folder.js";

/** More than a few slices. */
const MANY = 2_300;

test("conversations that changed in one second are listed by the millisecond, whatever their number", () =>
  inFolder(async ({ open }) => {
    const driver = await open();
    // Neither in the order of creation nor against it, with ties, and with neighbours in the seconds around.
    const timeOf = (index: number): number => 5_000 + ((index * 7919) % 900);
    const creations = Array.from({ length: MANY }, (_, index) =>
      creation(`c${index}`, { updatedAt: timeOf(index) }),
    );
    const around = [4_999, 4_000, 6_000, 6_999].map((updatedAt) => creation(`t${updatedAt}`, { updatedAt }));
    const all = [...around.slice(0, 2), ...creations, ...around.slice(2)];
    for (let done = 0; done < all.length; done += 1000) await driver.commit(all.slice(done, done + 1000));
    for (const limit of [1000, 997]) {
      const found: Head[] = [];
      for (let after: ListPosition | undefined, more = true; more;) {
        const page = await driver.list({ limit, labels: [], after });
        found.push(...page.heads);
        after = page.next;
        more = after !== undefined;
        expect(page.heads.length).toBe(more ? limit : all.length % limit);
      }
      const times = found.map(({ updatedAt }) => updatedAt);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      expect(new Set(found.map(({ id }) => id)).size).toBe(all.length);
    }
    expect((await driver.list({ limit: 1, labels: [] })).heads[0]?.id).toBe("t6999");
  }));

test("a busy conversation moves to the front within its second, and to the next one", () =>
  inFolder(async ({ path, open }) => {
    const driver = await open();
    const ids = async (): Promise<string[]> =>
      (await driver.list({ limit: 9, labels: [] })).heads.map(({ id }) => id);
    await driver.commit(["a", "b", "c"].map((id, index) => creation(id, { updatedAt: 1_000 + index * 100 })));
    expect(await ids()).toEqual(["c", "b", "a"]);
    await driver.commit([append("a", 1, 1, 1, { head: { updatedAt: 1_999 } })]);
    expect(await ids()).toEqual(["a", "c", "b"]);
    await driver.commit([append("b", 1, 1, 1, { head: { updatedAt: 2_000 } })]);
    expect(await ids()).toEqual(["b", "a", "c"]);
    const file = new DatabaseSync(`${path}/fastpaca.db`, { readOnly: true });
    expect(file.prepare("SELECT id FROM heads WHERE updated_second <> updated_at / 1000").all()).toEqual([]);
    file.close();
    await driver.commit([append("b", 2, 2, 2, { head: { updatedAt: 2_000, purged: true } })]);
    expect(await ids()).toEqual(["a", "c"]);
    await driver.commit([append("b", 3, 1, 1, { head: { updatedAt: 2_000, life: 2 } })]);
    expect(await ids()).toEqual(["b", "a", "c"]);
  }));

test("what changes while a page is being found leaves the others in their places", () =>
  inFolder(async ({ path }) => {
    const database = openFile(`${path}/a.db`);
    const commits = new Commits(database);
    const updatedAt = 7_000;
    for (let index = 0; index < MANY; index += 1) commits.apply(creation(`c${index}`, { updatedAt }));
    const listing = new Listing(database);
    const found: string[] = [];
    const moved = new Set<string>();
    let yields = 0;
    for (let after: ListPosition | undefined, more = true; more;) {
      const slices = listing.list({ limit: 1000, labels: [], after });
      let slice = slices.next();
      for (; slice.done !== true; slice = slices.next()) {
        // The first slice of the first page has seen it.
        const id = `c${MANY - (yields += 1) * 3}`;
        moved.add(id);
        commits.apply(append(id, 1, 1, 1, { head: { updatedAt: updatedAt + (yields % 2) * 1500 } }));
      }
      const { heads, next } = slice.value;
      expect(heads.length).toBeLessThanOrEqual(1000);
      const times = heads.map((head) => head.updatedAt);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      found.push(...heads.map(({ id }) => id));
      after = next;
      more = next !== undefined;
    }
    database.close();
    expect(yields).toBeGreaterThan(3);
    const still = found.filter((id) => !moved.has(id));
    expect(still).toHaveLength(MANY - moved.size);
    expect(new Set(still).size).toBe(still.length);
  }));

import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { asFields, type Fields } from "../answer.js";
import { say } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

const VALUE = fc.constantFrom(1, "1", true, "true", 0.5, "0.5", "", "a b&c=d", "ü", -0, null, ["1"], {
  a: 1,
});

/** Whatever else there is: more than a page of two, and some of them for each filter of {@link FILTERS}. */
const ALWAYS = [{ tier: 1, vip: true }, { tier: 1 }, { vip: true }, {}];
const FILTERS: readonly Readonly<Record<string, string>>[] = [
  { tier: "1" },
  { vip: "true" },
  { tier: "1", vip: "true" },
];

/** The list of conversations. */
export const LISTING: readonly Check<ServerWorld>[] = [
  check({
    name: "listing-by-metadata",
    invariants: ["LOG-2"],
    mode: "sequence",
    runs: 6,
    arbitrary: fc.record({
      entries: fc.array(fc.record({ tier: VALUE, vip: VALUE }, { requiredKeys: [] }), {
        minLength: 1,
        maxLength: 9,
      }),
      filter: fc.record(
        {
          tier: fc.constantFrom("1", "true", "0.5", "", "a b&c=d", "ü", "0", "null"),
          vip: fc.constantFrom("1", "true"),
        },
        { requiredKeys: [] },
      ),
      limit: fc.integer({ min: 1, max: 5 }),
    }),
    run: async (world: ServerWorld, { entries: some, filter, limit }) => {
      const entries = [...some, ...ALWAYS];
      for (const [at, labels] of entries.entries()) {
        const path = at % 2 === 0 ? world.context(`c${at}`) : world.conversation(`c${at}`);
        await world.ok("PUT", path, { metadata: { ...labels, run: world.mark } });
      }
      await world.ok("PUT", world.conversation("other"), { metadata: { run: `${world.mark}-other` } });
      const all = entries.map((_, at) => world.id(`c${at}`));
      demandEqual(sorted(await listed(world, {}, limit)), sorted(all), "LOG-2", "what is listed");
      demandEqual(sorted(await listed(world, {}, 2)), sorted(all), "LOG-2", "what pages of two list");
      for (const by of [filter, ...FILTERS]) {
        const matching = all.filter((_, at) =>
          Object.entries(by).every(([name, text]) => labelOf(asFields(entries[at])[name]) === text),
        );
        const found = await listed(world, by, limit);
        demandEqual(sorted(found), sorted(matching), "LOG-2", `what is listed by ${JSON.stringify(by)}`);
      }
    },
  }),
  check({
    name: "listing-by-change",
    invariants: ["LOG-2"],
    mode: "sequence",
    runs: 4,
    arbitrary: fc.record({
      count: fc.integer({ min: 2, max: 6 }),
      which: fc.nat({ max: 5 }),
      append: fc.boolean(),
    }),
    run: async (world: ServerWorld, { count, which, append }) => {
      const names = Array.from({ length: count }, (_, at) => `c${at}`);
      let newest = "";
      for (const name of names) {
        const { body } = await world.ok("PUT", world.conversation(name), { metadata: { run: world.mark } });
        newest = String(body["updated_at"]);
      }
      const name = names[which % count] ?? "c0";
      const path = world.conversation(name);
      // Changes until its time is later than all others'.
      for (let turn = 0; ; turn++) {
        if (append) await world.ok("POST", `${path}/messages`, { message: say("touch") });
        else await world.ok("PATCH", `${path}/metadata`, { metadata: { turn } });
        const { body } = await world.ok("GET", path);
        if (Date.parse(String(body["updated_at"])) > Date.parse(newest)) break;
        demand(turn < 5000, "LOG-2", () => "updated_at does not move with changes");
      }
      const [first] = await listed(world, {}, 3);
      demandEqual(first, world.id(name), "LOG-2", "the first of the list, which changed last");
    },
  }),
  check({
    name: "listing-refuses",
    invariants: ["LOG-2"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.conversation();
      await world.ok("PUT", path, { metadata: { run: world.mark } });
      await world.expect(400, "LOG-2", "GET", "/v1/conversations?cursor=nowhere");
      await world.ok("DELETE", path);
      demandEqual(await listed(world, {}, 10), [world.id("c")], "LOG-2", "what is listed after a tombstone");
      await world.ok("DELETE", `${path}?purge=true`);
      demandEqual(await listed(world, {}, 10), [], "LOG-2", "what is listed after a purge");
    },
  }),
];

/** The ids that all pages of a list show together, each checked against its record. */
async function listed(
  world: ServerWorld,
  filter: { readonly [name: string]: string },
  limit: number,
): Promise<unknown[]> {
  const ids: unknown[] = [];
  let before = Infinity;
  let cursor: unknown;
  do {
    const query = new URLSearchParams({ "metadata.run": world.mark, limit: String(limit) });
    for (const [name, text] of Object.entries(filter)) query.set(`metadata.${name}`, text);
    if (typeof cursor === "string") query.set("cursor", cursor);
    const { body } = await world.ok("GET", `/v1/conversations?${query.toString()}`);
    const { conversations } = body;
    const page: readonly unknown[] = Array.isArray(conversations) ? conversations : [];
    demand(page.length <= limit, "LOG-2", () => `a page of ${limit} holds ${page.length}`);
    for (const entry of page) {
      const record: Fields = asFields(entry);
      const id = String(record["id"]);
      demand(!ids.includes(id), "LOG-2", () => `${id} is listed twice`);
      ids.push(id);
      const own = await world.expect(200, "LOG-2", "GET", `/v1/conversations/${encodeURIComponent(id)}`);
      demandEqual(record, own.body, "LOG-2", `what the list says of ${id}`);
      const at = Date.parse(String(record["updated_at"]));
      demand(at <= before, "LOG-2", () => `${id} is listed behind one that changed before it`);
      before = at;
    }
    cursor = body["cursor"];
    demand(cursor === undefined || page.length > 0, "LOG-2", () => "an empty page is not the last one");
  } while (cursor !== undefined);
  return ids;
}

function sorted(ids: readonly unknown[]): string[] {
  return ids.map(String).sort();
}

/** The text that a filter compares; undefined where a value is no label. */
function labelOf(value: unknown): string | undefined {
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : undefined;
}

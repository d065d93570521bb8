import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { say } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

/** Creation, records, metadata. */
export const RECORDS: readonly Check<ServerWorld>[] = [
  check({
    name: "put-and-get",
    invariants: ["CRE-1", "CRE-3"],
    mode: "sequence",
    runs: 20,
    arbitrary: fc.record({
      prefix: fc.constantFrom("context" as const, "conversation" as const),
      metadata: fc.dictionary(fc.string({ maxLength: 10 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
      name: fc.constantFrom("plain", "with space", "ünï", "a/b?c#d%e", "😀"),
    }),
    run: async (world: ServerWorld, { prefix, metadata, name }) => {
      const path = prefix === "context" ? world.context(name) : world.conversation(name);
      const created = await world.call("PUT", path, { metadata });
      demand(created.status === 201, "CRE-1", () => `the first PUT is answered ${created.status}`);
      demandEqual(created.body["version"], 0, "CRE-3", "the version of what was just created");
      const again = await world.call("PUT", path, {});
      demand(again.status === 200, "CRE-1", () => `the second PUT is answered ${again.status}`);
      const read = await world.ok("GET", path);
      demandEqual(read.body, created.body, "CRE-1", "the record that a GET gives");
      demandEqual(again.body, created.body, "CRE-1", "the record that a PUT of nothing gives");
      const { id, last_seq: lastSeq, tombstoned, metadata: kept } = read.body;
      demandEqual(id, decodeURIComponent(path.split("/")[3] ?? ""), "CRE-1", "the id");
      demandEqual([lastSeq, tombstoned], [0, false], "CRE-1", "last_seq and tombstoned");
      demandEqual(kept, JSON.parse(JSON.stringify(metadata)), "CRE-1", "the metadata");
    },
  }),
  check({
    name: "what-was-never-created",
    invariants: ["CRE-2"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const missing = world.context("missing");
      const plain = world.conversation("plain");
      await world.ok("PUT", plain, {});
      for (const [method, path, body] of [
        ["GET", missing],
        ["DELETE", missing],
        ["GET", `${missing}/tail`],
        ["GET", `${missing}/messages`],
        ["GET", `${missing}/context`],
        ["POST", `${missing}/messages`, { message: say("lost") }],
        ["POST", `${missing}/compact`, { replacement: [say("lost")] }],
        ["POST", `${missing}/reset`],
        ["PATCH", `${missing}/metadata`, { metadata: {} }],
        ["GET", world.context("plain")],
        ["GET", `${world.context("plain")}/context`],
      ] as const) {
        const { status } = await world.call(method, path, body);
        demand(status === 404, "CRE-2", () => `${method} ${path} is answered ${status}`);
      }
    },
  }),
  check({
    name: "metadata-and-etags",
    invariants: ["CRE-4", "LOG-3"],
    mode: "sequence",
    runs: 5,
    arbitrary: fc.string({ minLength: 1, maxLength: 10 }),
    run: async (world: ServerWorld, value) => {
      const path = world.conversation();
      await world.ok("PUT", path, { metadata: { a: 1, b: { c: 2, d: 3 } } });
      const before = await world.ok("GET", path);
      const unchanged = await world.call("GET", path, undefined, {
        headers: { "if-none-match": before.headers.get("etag") ?? "" },
      });
      demand(unchanged.status === 304, "LOG-3", () => `an unchanged record is answered ${unchanged.status}`);
      const patch = { metadata: { a: null, b: { c: value } } };
      const after = await world.ok("PATCH", `${path}/metadata`, patch);
      demandEqual(after.body["metadata"], { b: { c: value, d: 3 } }, "CRE-4", "the merged metadata");
      demandEqual(after.body["version"], 0, "CRE-4", "the version after a change of metadata");
      const changed = await world.call("GET", path, undefined, {
        headers: { "if-none-match": before.headers.get("etag") ?? "" },
      });
      demand(changed.status === 200, "LOG-3", () => `a changed record is answered ${changed.status}`);
    },
  }),
  check({
    name: "listing-by-metadata",
    invariants: ["LOG-2"],
    mode: "sequence",
    runs: 4,
    arbitrary: fc.record({ count: fc.integer({ min: 1, max: 12 }), limit: fc.integer({ min: 1, max: 5 }) }),
    run: async (world: ServerWorld, { count, limit }) => {
      const names = Array.from({ length: count }, (_, at) => `c${at}`);
      for (const name of names) {
        await world.ok("PUT", world.conversation(name), {
          metadata: { run: world.mark, odd: name.length % 2 === 1 },
        });
      }
      await world.ok("PUT", world.conversation("other"), { metadata: { run: `${world.mark}-other` } });
      const seen: unknown[] = [];
      let before = "~";
      let cursor: unknown;
      do {
        const query = `metadata.run=${world.mark}&limit=${limit}${typeof cursor === "string" ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
        const { body } = await world.ok("GET", `/v1/conversations?${query}`);
        const { conversations } = body;
        const page: unknown[] = Array.isArray(conversations) ? conversations : [];
        demand(page.length <= limit, "LOG-2", () => `a page of ${limit} holds ${page.length}`);
        for (const entry of page) {
          const { id, updated_at: at }: { id?: unknown; updated_at?: unknown } = Object(entry);
          seen.push(id);
          demand(
            typeof at === "string" && at <= before,
            "LOG-2",
            () => `${String(id)} is listed behind older ones`,
          );
          before = at;
        }
        cursor = body["cursor"];
        demand(seen.length <= count, "LOG-2", () => "the list does not come to an end");
      } while (cursor !== undefined);
      const expected = names
        .toReversed()
        .map((name) => decodeURIComponent(world.conversation(name).split("/")[3] ?? ""));
      demandEqual(new Set(seen), new Set(expected), "LOG-2", "what is listed");
      demandEqual(seen.length, count, "LOG-2", "how many are listed");
    },
  }),
];

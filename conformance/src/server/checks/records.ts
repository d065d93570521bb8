import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { asFields, type Fields } from "../answer.js";
import { expectRecord } from "../forms.js";
import { say } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

/** Names that end up in ids: well-formed, without control characters. */
const NAME = fc.oneof(
  fc.constantFrom("plain", "with space", "ünï", "a/b?c#d%e", "😀", "%2F", "a+b", "..", ":id", "é", "e\u0301"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((name) => !/\p{Cc}|\p{Cs}/u.test(name)),
);
const FIELD = fc.constantFrom("a", "b", "c", "d e", "ü");
/** Small enough for a few of them to stay below the limit. */
const METADATA = fc.dictionary(fc.oneof(FIELD, fc.string({ maxLength: 6 })), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 4,
});
const PATCH: fc.Arbitrary<Fields> = fc.dictionary(
  FIELD,
  fc.oneof(
    fc.constant(null),
    fc.dictionary(FIELD, fc.oneof(fc.constant(null), fc.integer(), fc.dictionary(FIELD, fc.integer()))),
    fc.string({ maxLength: 5 }),
    fc.constant([null, { a: null }]),
  ),
  { maxKeys: 3 },
);

/** Everything at once, none of it the default, and then each part of it alone: whatever comes before, these do. */
const EACH_ALONE: readonly Fields[] = [
  { token_budget: 30, trigger_ratio: 0.9, policy: lastN(7, 3), metadata: { all: true } },
  { policy: { strategy: "manual", config: {} } },
  { token_budget: 40 },
  { trigger_ratio: 0.8 },
  { metadata: { alone: true } },
  { policy: lastN(8, 4) },
  { policy: { strategy: "skip_parts", config: { skip_kinds: ["tool"], limit: 6 } } },
  {},
];

function lastN(limit: number, retain: number): Fields {
  return { strategy: "last_n", config: { limit, retain } };
}

/** Creation, records, metadata. */
export const RECORDS: readonly Check<ServerWorld>[] = [
  check({
    name: "put-and-get",
    invariants: ["CRE-1", "CRE-3"],
    mode: "sequence",
    runs: 20,
    arbitrary: fc.record({ context: fc.boolean(), metadata: METADATA, name: NAME }),
    run: async (world: ServerWorld, { context, metadata, name }) => {
      const path = context ? world.context(name) : world.conversation(name);
      const created = await world.expect(201, "CRE-1", "PUT", path, { metadata });
      expectRecord(created.body);
      demandEqual(created.body["version"], 0, "CRE-3", "the version of what was just created");
      const again = await world.expect(200, "CRE-1", "PUT", path, {});
      const read = await world.ok("GET", path);
      demandEqual(read.body, created.body, "CRE-1", "the record that a GET gives");
      demandEqual(again.body, created.body, "CRE-1", "the record that a PUT of nothing gives");
      const { id, last_seq: lastSeq, tombstoned, metadata: kept } = read.body;
      demandEqual(id, world.id(name), "CRE-1", "the id");
      demandEqual([lastSeq, tombstoned], [0, false], "CRE-1", "last_seq and tombstoned");
      demandEqual(kept, JSON.parse(JSON.stringify(metadata)), "CRE-1", "the metadata");
      const { token_budget: budget, trigger_ratio: ratio, policy } = read.body;
      demandEqual(
        [budget, ratio, policy],
        context
          ? [8000, 0.7, { strategy: "last_n", config: { limit: 200 } }]
          : [undefined, undefined, undefined],
        "CRE-5",
        "the configuration of a window that was not configured",
      );
    },
  }),
  check({
    name: "ids-tell-apart",
    invariants: ["CRE-6"],
    mode: "sequence",
    runs: 10,
    arbitrary: fc
      .uniqueArray(
        fc.oneof(NAME, fc.constantFrom("é", "e\u0301", "É", "a", "A", "a ", "%61", "\u00a0", "ﬁ", "fi")),
        { minLength: 0, maxLength: 6 },
      )
      // Two that look alike are always among them.
      .map((names) => [...new Set(["é", "e\u0301", ...names])]),
    run: async (world: ServerWorld, names) => {
      for (const name of names) {
        await world.expect(201, "CRE-6", "PUT", world.conversation(name), { metadata: { name } });
      }
      for (const name of names) {
        const { body } = await world.ok("GET", world.conversation(name));
        demandEqual([body["id"], body["metadata"]], [world.id(name), { name }], "CRE-6", "id and metadata");
        // Encoding more of it than is needed makes no other id.
        const every = Buffer.from(world.id(name)).toString("hex").replaceAll(/../g, "%$&");
        const same = await world.expect(200, "CRE-6", "GET", `/v1/conversations/${every}`);
        demandEqual(same.body, body, "CRE-6", "the record under the same id, encoded in another way");
      }
    },
  }),
  check({
    name: "puts-change-what-they-name",
    invariants: ["CRE-5"],
    mode: "sequence",
    runs: 20,
    arbitrary: fc.array(
      fc.record(
        {
          token_budget: fc.constantFrom(10, 20),
          trigger_ratio: fc.constantFrom(0.5, 1),
          policy: fc.constantFrom(
            { strategy: "manual", config: {} },
            { strategy: "last_n", config: { limit: 5, retain: 2 } },
            { strategy: "skip_parts", config: { skip_kinds: ["tool"], limit: 9 } },
          ),
          metadata: fc.constantFrom({}, { a: 1 }, { b: { c: null } }),
        },
        { requiredKeys: [] },
      ),
      { minLength: 3, maxLength: 8 },
    ),
    run: async (world: ServerWorld, puts) => {
      const path = world.context();
      await world.ok("PUT", world.conversation(), { metadata: { first: true } });
      const added = await world.expect(201, "CRE-5", "PUT", path, {});
      demandEqual(
        [added.body["version"], added.body["metadata"]],
        [1, { first: true }],
        "CRE-5",
        "version and metadata of a conversation that was given a window",
      );
      const { version: first, updated_at: _at, ...config }: Fields = added.body;
      let [version, expected]: [unknown, Fields] = [first, config];
      let tag = added.headers.get("etag");
      for (const put of [...puts, ...EACH_ALONE]) {
        const { metadata: _metadata, ...window } = put;
        const changes = (fields: Fields): boolean =>
          Object.entries(fields).some(
            ([name, value]) => JSON.stringify(expected[name]) !== JSON.stringify(value),
          );
        const [moved, touched] = [changes(window), changes(put)];
        expected = { ...expected, ...put };
        if (moved) version = Number(version) + 1;
        const answer = await world.expect(200, "CRE-5", "PUT", path, put);
        const { version: now, updated_at: __at, ...record } = answer.body;
        // A policy without a configuration may be told with an empty one.
        const policy = { config: {}, ...asFields(record["policy"]) };
        demandEqual({ ...record, policy }, expected, "CRE-5", "the record");
        demandEqual(
          now,
          version,
          "CRE-5",
          `the version after a PUT that ${moved ? "changes" : "keeps"} the window`,
        );
        demand(
          (answer.headers.get("etag") === tag) !== touched,
          "CRE-5",
          () => `a PUT that changes ${touched ? "something keeps" : "nothing moves"} the ETag`,
        );
        tag = answer.headers.get("etag");
      }
    },
  }),
  check({
    name: "creations-at-once",
    invariants: ["CRE-1"],
    mode: "race",
    runs: 3,
    arbitrary: fc.integer({ min: 4, max: 10 }),
    run: async (world: ServerWorld, callers) => {
      for (let round = 0; round < 3; round++) {
        const path = world.conversation(`round ${round}`);
        const answers = await Promise.all(
          Array.from({ length: callers }, (_, who) => world.ok("PUT", path, {}, { lane: `caller ${who}` })),
        );
        const created = answers.filter(({ status }) => status === 201);
        demandEqual(created.length, 1, "CRE-1", `how many of ${callers} were told that they created it`);
      }
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
      const bare = world.context("plain");
      await world.ok("PUT", world.conversation("plain"), {});
      for (const [method, path, body] of [
        ["GET", missing],
        ["DELETE", missing],
        ["DELETE", `${missing}?purge=true`],
        ["GET", `${missing}/tail`],
        ["GET", `${missing}/messages`],
        ["GET", `${missing}/context`],
        ["POST", `${missing}/messages`, { message: say("lost") }],
        ["POST", `${missing}/messages`, { message: say("lost"), if_version: 0 }],
        ["POST", `${missing}/messages`, { message: say("lost"), idempotency_key: "k" }],
        ["POST", `${missing}/compact`, { replacement: [say("lost")] }],
        ["POST", `${missing}/reset`],
        ["PATCH", `${missing}/metadata`, { metadata: {} }],
        ["GET", bare],
        ["GET", `${bare}/context`],
        ["GET", `${bare}/tail`],
        ["POST", `${bare}/messages`, { message: say("lost") }],
        ["POST", `${bare}/reset`],
      ] as const) {
        await world.expect(404, "CRE-2", method, path, body);
      }
      await world.expect(404, "CRE-2", "GET", missing);
    },
  }),
  check({
    name: "metadata-patches",
    invariants: ["CRE-4"],
    mode: "sequence",
    runs: 20,
    arbitrary: fc.record({
      first: METADATA,
      patches: fc.array(PATCH, { minLength: 1, maxLength: 4 }),
      last: METADATA,
    }),
    run: async (world: ServerWorld, { first, patches, last }) => {
      const path = world.conversation();
      await world.ok("PUT", path, { metadata: first });
      let expected: unknown = JSON.parse(JSON.stringify(first));
      for (const patch of patches) {
        expected = merged(expected, patch);
        const { body } = await world.ok("PATCH", `${path}/metadata`, { metadata: patch });
        demandEqual(body["metadata"], expected, "CRE-4", "the merged metadata");
        demandEqual(body["version"], 0, "CRE-4", "the version after a change of metadata");
      }
      await world.ok("PUT", path, {});
      const { body } = await world.ok("GET", path);
      demandEqual(body["metadata"], expected, "CRE-4", "the metadata after a PUT without any");
      const replaced = await world.ok("PUT", path, { metadata: last });
      demandEqual(
        replaced.body["metadata"],
        JSON.parse(JSON.stringify(last)),
        "CRE-4",
        "the metadata that a PUT replaced",
      );
    },
  }),
  check({
    name: "patches-at-once",
    invariants: ["CRE-4"],
    mode: "race",
    runs: 3,
    arbitrary: fc.integer({ min: 4, max: 12 }),
    run: async (world: ServerWorld, callers) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      for (let round = 0; round < 3; round++) {
        const field = (who: number): string => `r${round}w${who}`;
        await Promise.all(
          Array.from({ length: callers }, (_, who) =>
            world.ok(
              "PATCH",
              `${path}/metadata`,
              { metadata: { [field(who)]: who } },
              { lane: `caller ${who}` },
            ),
          ),
        );
        const { body } = await world.ok("GET", path);
        for (let who = 0; who < callers; who++) {
          demandEqual(
            asFields(body["metadata"])[field(who)],
            who,
            "CRE-4",
            `the field that caller ${who} set`,
          );
        }
      }
    },
  }),
  check({
    name: "tags-tell-changes",
    invariants: ["LOG-3"],
    mode: "sequence",
    runs: 4,
    arbitrary: fc.array(fc.constantFrom("append", "patch", "configure", "compact", "reset", "again"), {
      minLength: 1,
      maxLength: 6,
    }),
    run: async (world: ServerWorld, steps) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, { message: say("one", 1), idempotency_key: "again" });
      const routes = ["", "/messages", "/tail", "/context"];
      const get = (route: string, tag: string | null): ReturnType<ServerWorld["call"]> =>
        world.call("GET", `${path}${route}`, undefined, { headers: { "if-none-match": tag ?? "" } });
      for (const [at, step] of [...steps, "tombstone"].entries()) {
        const tags = new Map<string, string | null>();
        for (const route of routes) {
          const answer = await world.ok("GET", `${path}${route}`);
          const tag = answer.headers.get("etag");
          tags.set(route, tag);
          const unchanged = await get(route, tag);
          demand(
            unchanged.status === 304,
            "LOG-3",
            () => `an unchanged ${path}${route} is ${unchanged.status}`,
          );
          demandEqual(unchanged.headers.get("etag"), tag, "LOG-3", "the ETag of what did not change");
        }
        await take(world, path, step, at);
        for (const route of routes) {
          const { status } = await get(route, tags.get(route) ?? null);
          const due = step === "again" ? 304 : 200;
          demand(status === due, "LOG-3", () => `${path}${route} is answered ${status} after ${step}`);
        }
      }
    },
  }),
];

async function take(world: ServerWorld, path: string, step: string, at: number): Promise<void> {
  switch (step) {
    case "append":
      await world.ok("POST", `${path}/messages`, { message: say("more", 1) });
      break;
    case "again":
      await world.ok("POST", `${path}/messages`, { message: say("one", 1), idempotency_key: "again" });
      break;
    case "patch":
      await world.ok("PATCH", `${path}/metadata`, { metadata: { at } });
      break;
    case "configure":
      await world.ok("PUT", path, { token_budget: 100 + at });
      break;
    case "compact":
      await world.ok("POST", `${path}/compact`, { replacement: [say("summary", 1)] });
      break;
    case "reset":
      await world.ok("POST", `${path}/reset`);
      break;
    case "tombstone":
      await world.ok("DELETE", path);
      break;
  }
}

/** A JSON merge patch, as RFC 7396 has it. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result = new Map(Object.entries(asFields(target)));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, merged(result.get(name), value));
  }
  return Object.fromEntries(result);
}

import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { check, type Check } from "../../check.js";
import { demand, demandEqual, show } from "../../violation.js";
import { messagesIn, say, seqsIn, textsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

const SEVERAL = fc.integer({ min: 2, max: 8 });

/** Appends, and reading what was appended. */
export const APPENDS: readonly Check<ServerWorld>[] = [
  check({
    name: "appends-in-turn",
    invariants: ["APP-1", "APP-2", "LOG-1", "CRE-3"],
    mode: "sequence",
    runs: 10,
    arbitrary: fc.record({
      batches: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 }),
      offset: fc.nat({ max: 6 }),
      limit: fc.integer({ min: 1, max: 6 }),
    }),
    run: async (world: ServerWorld, { batches, offset, limit }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const texts: string[] = [];
      for (const [batch, count] of batches.entries()) {
        const added = Array.from({ length: count }, (_, at) => `${batch}-${at}`);
        const messages = added.map((text) => say(text, 7));
        const body = count === 1 ? { message: messages[0] } : { messages };
        const answer = await world.call("POST", `${path}/messages`, body);
        demand(answer.status === 201, "APP-1", () => `an append is answered ${answer.status}`);
        texts.push(...added);
        const { seq, version, token_count: tokens, token_estimate: estimate } = answer.body;
        const expected = [texts.length, texts.length, 7, 7];
        demandEqual(
          [seq, version, tokens, estimate],
          expected,
          "APP-1",
          "seq, version and tokens of the answer",
        );
      }
      const last = texts.length;
      const replay = await world.ok("GET", `${path}/messages?limit=1000`);
      demandEqual(textsIn(replay.body), texts, "APP-2", "the log");
      demandEqual(
        seqsIn(replay.body),
        texts.map((_, at) => at + 1),
        "APP-1",
        "the seqs of the log",
      );
      const tail = await world.ok("GET", `${path}/tail?offset=${offset}&limit=${limit}`);
      const end = Math.max(0, last - offset);
      demandEqual(textsIn(tail.body), texts.slice(Math.max(0, end - limit), end), "LOG-1", "the tail");
      const page = await world.ok("GET", `${path}/messages?from=2&limit=${limit}`);
      demandEqual(textsIn(page.body), texts.slice(1, 1 + limit), "LOG-1", "a page of the replay");
      const record = await world.ok("GET", path);
      demandEqual(
        [record.body["version"], record.body["last_seq"]],
        [last, last],
        "CRE-3",
        "version and last_seq",
      );
      const refused = await world.call("POST", `${path}/messages`, {
        messages: [say("x"), { role: "user" }],
      });
      demand(
        refused.status === 400,
        "APP-2",
        () => `a batch with a wrong message is answered ${refused.status}`,
      );
      const after = await world.ok("GET", path);
      demandEqual(after.body["last_seq"], last, "APP-2", "last_seq after a refused batch");
    },
  }),
  check({
    name: "bodies-come-back",
    invariants: ["APP-7"],
    mode: "sequence",
    runs: 60,
    arbitrary: fc.record({
      extra: fc.dictionary(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 8 }),
          fc.constantFrom("__proto__", "a.b", "$c", "", "id", "constructor"),
        ),
        fc.jsonValue({ maxDepth: 3, stringUnit: "binary" }),
        { maxKeys: 5 },
      ),
      text: fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom("\0", "\ud800", "\udc00x", "\u2028", "\ufeff", "😀"),
      ),
      number: fc.double({ noNaN: true, noDefaultInfinity: true }),
    }),
    run: async (world: ServerWorld, { extra, text, number }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const own = ["seq", "version", "inserted_at", "token_count", "role", "parts"];
      const entries = Object.entries(extra).filter(([key]) => !own.includes(key));
      const message: object = Object.fromEntries([
        ["role", "user"],
        ["parts", [{ type: "text", text, number }]],
        ...entries,
      ]);
      const sent: unknown = JSON.parse(JSON.stringify(message));
      await world.ok("POST", `${path}/messages`, { message });
      const { body } = await world.ok("GET", `${path}/tail`);
      const [found] = messagesIn(body);
      const kept = Object.fromEntries(
        Object.entries(Object(found)).filter(([key]) => !own.slice(0, 4).includes(key)),
      );
      demand(
        isDeepStrictEqual(kept, Object.fromEntries(Object.entries(Object(sent)))),
        "APP-7",
        () => `${show(sent)} came back as ${show(kept)}`,
      );
    },
  }),
  check({
    name: "appends-at-once",
    invariants: ["APP-3", "APP-2"],
    mode: "race",
    runs: 5,
    arbitrary: fc.record({ callers: SEVERAL, each: fc.integer({ min: 2, max: 6 }) }),
    run: async (world: ServerWorld, { callers, each }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const told = new Map<unknown, string>();
      await Promise.all(
        Array.from({ length: callers }, async (_, who) => {
          for (let turn = 0; turn < each; turn++) {
            const text = `${who}-${turn}`;
            const messages = [say(`${text}-a`), say(`${text}-b`)];
            const { body } = await world.ok(
              "POST",
              `${path}/messages`,
              { messages },
              { lane: `caller ${who}` },
            );
            demand(!told.has(body["seq"]), "APP-3", () => `seq ${String(body["seq"])} was told twice`);
            told.set(body["seq"], text);
          }
        }),
      );
      const { body } = await world.ok("GET", `${path}/messages?limit=1000`);
      const texts = textsIn(body);
      demandEqual(texts.length, callers * each * 2, "APP-3", "the number of messages");
      for (const [seq, text] of told) {
        const at = Number(seq);
        demandEqual(
          texts.slice(at - 2, at),
          [`${text}-a`, `${text}-b`],
          "APP-2",
          `what is at seq ${at - 1} and ${at}`,
        );
      }
    },
  }),
  check({
    name: "if-version-races",
    invariants: ["APP-4"],
    mode: "race",
    runs: 10,
    arbitrary: fc.record({ callers: SEVERAL, before: fc.nat({ max: 3 }) }),
    run: async (world: ServerWorld, { callers, before }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      for (let at = 0; at < before; at++)
        await world.ok("POST", `${path}/messages`, { message: say("before") });
      const answers = await Promise.all(
        Array.from({ length: callers }, (_, who) =>
          world.call(
            "POST",
            `${path}/messages`,
            { message: say(`${who}`), if_version: before },
            { lane: `caller ${who}` },
          ),
        ),
      );
      const winners = answers.filter(({ status }) => status === 201);
      demandEqual(winners.length, 1, "APP-4", `the number of winners among ${callers}`);
      for (const { status, body } of answers) {
        if (status === 201) continue;
        demand(status === 409, "APP-4", () => `a loser is answered ${status}`);
        demandEqual(body["version"], before + 1, "APP-4", "the version that a loser is told");
      }
    },
  }),
  check({
    name: "repeated-keys",
    invariants: ["APP-5"],
    mode: "sequence",
    runs: 10,
    arbitrary: fc.record({
      key: fc
        .string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 })
        .filter((key) => key.trim() === key),
      header: fc.boolean(),
      tombstone: fc.boolean(),
    }),
    run: async (world: ServerWorld, { key, header, tombstone }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const append = (text: string, more: object = {}): ReturnType<ServerWorld["call"]> =>
        header
          ? world.call(
              "POST",
              `${path}/messages`,
              { message: say(text), ...more },
              { headers: { "idempotency-key": key } },
            )
          : world.call("POST", `${path}/messages`, { message: say(text), idempotency_key: key, ...more });
      const first = await append("one");
      demand(first.status === 201, "APP-5", () => `the first append is answered ${first.status}`);
      await world.ok("POST", `${path}/messages`, { message: say("another") });
      if (tombstone) await world.ok("DELETE", path);
      const again = await append("one", { if_version: 0 });
      demand(again.status < 300, "APP-5", () => `the repeated append is answered ${again.status}`);
      demandEqual({ ...again.body }, { ...first.body, deduplicated: true }, "APP-5", "the repeated answer");
      const other = await append("two");
      demand(
        other.status === 422,
        "APP-5",
        () => `another content under the key is answered ${other.status}`,
      );
      const { body } = await world.ok("GET", `${path}/tail`);
      demandEqual(textsIn(body), ["one", "another"], "APP-5", "the log");
    },
  }),
  check({
    name: "racing-keys",
    invariants: ["APP-6"],
    mode: "race",
    runs: 8,
    arbitrary: SEVERAL,
    run: async (world: ServerWorld, callers) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const answers = await Promise.all(
        Array.from({ length: callers }, (_, who) =>
          world.ok(
            "POST",
            `${path}/messages`,
            { message: say("one"), idempotency_key: "k" },
            { lane: `caller ${who}` },
          ),
        ),
      );
      const seqs = new Set(answers.map(({ body }) => body["seq"]));
      demandEqual([...seqs], [1], "APP-6", "the seqs that were told");
      const fresh = answers.filter(({ body }) => body["deduplicated"] !== true);
      demandEqual(fresh.length, 1, "APP-6", "how many were told that theirs is the first");
      const { body } = await world.ok("GET", `${path}/tail`);
      demandEqual(textsIn(body), ["one"], "APP-6", "the log");
    },
  }),
];

import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { check, type Check } from "../../check.js";
import { demand, demandEqual, show } from "../../violation.js";
import { asFields } from "../answer.js";
import { expectMessage } from "../forms.js";
import { messagesIn, say, seqsIn, textsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

/** Fields of a message that are the store's own. */
const OWN = ["seq", "version", "inserted_at", "token_count"];

/** Appends, one after the other. */
export const APPENDS: readonly Check<ServerWorld>[] = [
  check({
    name: "appends-in-turn",
    invariants: ["APP-1", "APP-2", "CRE-3", "APP-8"],
    mode: "sequence",
    runs: 10,
    arbitrary: fc.record({
      batches: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 }),
      tokens: fc.constantFrom(0, 7, 1e9),
      context: fc.boolean(),
    }),
    run: async (world: ServerWorld, { batches, tokens: size, context }) => {
      const path = context ? world.context() : world.conversation();
      await world.ok("PUT", path, {});
      const texts: string[] = [];
      for (const [batch, count] of batches.entries()) {
        const added = Array.from({ length: count }, (_, at) => `${batch}-${at}`);
        const messages = added.map((text, at) => say(text, at === count - 1 ? size : 1));
        const body = count === 1 ? { message: messages[0] } : { messages };
        const answer = await world.expect(201, "APP-1", "POST", `${path}/messages`, body);
        texts.push(...added);
        const { seq, version, token_count: tokens, token_estimate: estimate, deduplicated } = answer.body;
        demandEqual([seq, version], [texts.length, texts.length], "APP-1", "seq and version of the answer");
        demandEqual([tokens, estimate], [size, size], "APP-8", "the size that was given");
        demandEqual(deduplicated, undefined, "APP-1", "deduplicated, of a first append");
      }
      const last = texts.length;
      const replay = await world.ok("GET", `${path}/messages?limit=1000`);
      demandEqual(textsIn(replay.body), texts, "APP-2", "the log");
      const numbers = texts.map((_, at) => at + 1);
      demandEqual(seqsIn(replay.body), numbers, "APP-1", "the seqs of the log");
      messagesIn(replay.body).forEach(expectMessage);
      const record = await world.ok("GET", path);
      const { version, last_seq: lastSeq } = record.body;
      demandEqual([version, lastSeq], [last, last], "CRE-3", "version and last_seq");
      await world.expect(400, "APP-2", "POST", `${path}/messages`, {
        messages: [say("x"), { role: "user" }],
      });
      const after = await world.ok("GET", path);
      demandEqual(after.body, record.body, "APP-2", "the record after a refused batch");
    },
  }),
  check({
    name: "bodies-come-back",
    invariants: ["APP-7", "APP-8"],
    mode: "sequence",
    runs: 60,
    arbitrary: fc.record({
      extra: fc.dictionary(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 8 }),
          fc.constantFrom("__proto__", "a.b", "$c", "", "id", "constructor", "toJSON"),
        ),
        fc.jsonValue({ maxDepth: 3, stringUnit: "binary" }),
        { maxKeys: 5 },
      ),
      own: fc.subarray(OWN.slice(0, 3)),
      text: fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom("\0", "\ud800", "\udc00x", "\u2028", "\ufeff", "😀"),
      ),
      number: fc.double({ noNaN: true, noDefaultInfinity: true }),
    }),
    run: async (world: ServerWorld, { extra, own, text, number }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const message: object = Object.fromEntries([
        ["role", "user"],
        ["parts", [{ type: "text", text, number, seq: 5, token_count: "many" }]],
        ...Object.entries(extra).filter(([key]) => ![...OWN, "role", "parts"].includes(key)),
      ]);
      const raw = JSON.stringify({ message }).replace(
        /^\{"message":\{/,
        () => `{"message":{${own.map((field) => `"${field}":"mine",`).join("")}`,
      );
      // As text, because the field __proto__ of a literal is none.
      const sent: unknown = JSON.parse(JSON.stringify(message));
      await world.ok("POST", `${path}/messages`, undefined, { raw });
      const { body } = await world.ok("GET", `${path}/tail`);
      const [found] = messagesIn(body);
      expectMessage(found);
      const kept = Object.fromEntries(Object.entries(asFields(found)).filter(([key]) => !OWN.includes(key)));
      demand(isDeepStrictEqual(kept, sent), "APP-7", () => `${show(sent)} came back as ${show(kept)}`);
    },
  }),
  check({
    name: "if-version-in-turn",
    invariants: ["APP-4"],
    mode: "sequence",
    runs: 8,
    arbitrary: fc.array(
      fc.record({
        off: fc.constantFrom(0, 0, 1, -1, 5),
        count: fc.integer({ min: 1, max: 3 }),
        key: fc.boolean(),
      }),
      { minLength: 2, maxLength: 6 },
    ),
    run: async (world: ServerWorld, steps) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      let version = 0;
      for (const [at, { off, count, key }] of steps.entries()) {
        const asked = Math.max(0, version + off);
        const body = {
          messages: Array.from({ length: count }, () => say(`${at}`)),
          if_version: asked,
          ...(key && { idempotency_key: `k${at}` }),
        };
        const answer = await world.expect(
          asked === version ? 201 : 409,
          "APP-4",
          "POST",
          `${path}/messages`,
          body,
        );
        if (asked === version) version += count;
        demandEqual(answer.body["version"], version, "APP-4", `the version told at if_version ${asked}`);
      }
      const { body } = await world.ok("GET", path);
      demandEqual(body["version"], version, "APP-4", "the version in the end");
    },
  }),
];

import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demandEqual } from "../../violation.js";
import { say, textsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

/** Idempotency keys. */
export const KEYS: readonly Check<ServerWorld>[] = [
  check({
    name: "repeated-keys",
    invariants: ["APP-5"],
    mode: "sequence",
    runs: 15,
    arbitrary: fc.record({
      key: fc
        .string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 })
        .filter((key) => key.trim() === key),
      by: fc.constantFrom("header", "field", "both"),
      count: fc.integer({ min: 1, max: 3 }),
      tombstone: fc.boolean(),
    }),
    run: async (world: ServerWorld, { key, by, count, tombstone }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const append = (text: string, more: object = {}, tokens?: number): ReturnType<ServerWorld["call"]> =>
        world.call(
          "POST",
          `${path}/messages`,
          {
            messages: Array.from({ length: count }, () => say(text, tokens)),
            ...(by !== "header" && { idempotency_key: key }),
            ...more,
          },
          by === "field" ? {} : { headers: { "idempotency-key": key } },
        );
      const first = await append("one");
      demandEqual(
        [first.status, first.body["seq"], first.body["deduplicated"]],
        [201, count, undefined],
        "APP-5",
        "status, seq and deduplicated of the first append",
      );
      await world.ok("POST", `${path}/messages`, { message: say("another") });
      if (tombstone) await world.ok("DELETE", path);
      for (const more of [{}, { if_version: 0 }, { if_version: 99 }]) {
        const again = await append("one", more);
        demandEqual(again.status, 201, "APP-5", "the status of a repeated append");
        demandEqual({ ...again.body }, { ...first.body, deduplicated: true }, "APP-5", "the repeated answer");
      }
      for (const other of [
        await append("two"),
        await append("one", {}, 77),
        await append("two", { if_version: 0 }),
      ]) {
        demandEqual(other.status, 422, "APP-5", "the status of another content under the key");
      }
      const { body } = await world.ok("GET", `${path}/tail`);
      const ones = Array.from({ length: count }, () => "one");
      demandEqual(textsIn(body), [...ones, "another"], "APP-5", "the log");
    },
  }),
  check({
    name: "keys-and-refusals",
    invariants: ["APP-5"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const [path, other] = [world.conversation(), world.conversation("other")];
      await world.ok("PUT", path, {});
      await world.ok("PUT", other, {});
      const keyed = { message: say("one"), idempotency_key: "k" };
      await world.expect(400, "APP-5", "POST", `${path}/messages`, keyed, {
        headers: { "idempotency-key": "another" },
      });
      // What was refused holds no key.
      await world.expect(409, "APP-5", "POST", `${path}/messages`, { ...keyed, if_version: 7 });
      const { body } = await world.expect(201, "APP-5", "POST", `${path}/messages`, keyed);
      demandEqual(body["deduplicated"], undefined, "APP-5", "deduplicated, behind a refusal");
      // Keys belong to one conversation.
      const elsewhere = await world.expect(201, "APP-5", "POST", `${other}/messages`, {
        ...keyed,
        message: say("two"),
      });
      demandEqual(
        elsewhere.body["deduplicated"],
        undefined,
        "APP-5",
        "deduplicated, in another conversation",
      );
    },
  }),
];

import fc from "fast-check";
import { check, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { say, seqsIn, textsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

const COUNT = fc.integer({ min: 1, max: 4 });

/** The end of conversations, and new beginnings. */
export const LIVES: readonly Check<ServerWorld>[] = [
  check({
    name: "tombstones-are-final",
    invariants: ["END-1"],
    mode: "sequence",
    runs: 4,
    arbitrary: COUNT,
    run: async (world: ServerWorld, count) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      const texts = Array.from({ length: count }, (_, at) => `${at}`);
      await world.ok("POST", `${path}/messages`, { messages: texts.map((text) => say(text)) });
      await world.expect(204, "END-1", "DELETE", path);
      const ended = await world.ok("GET", path);
      await world.expect(204, "END-1", "DELETE", path);
      await world.expect(204, "END-1", "DELETE", `${world.conversation()}?purge=false`);
      for (const [method, route, body] of [
        ["POST", "/messages", { message: say("late") }],
        ["POST", "/messages", { message: say("late"), idempotency_key: "late" }],
        ["POST", "/compact", { replacement: [say("late")] }],
        ["POST", "/reset", undefined],
        ["PUT", "", {}],
        ["PUT", "", { token_budget: 5 }],
        ["PATCH", "/metadata", { metadata: { late: true } }],
      ] as const) {
        await world.expect(410, "END-1", method, `${path}${route}`, body);
      }
      await world.expect(410, "END-1", "PUT", world.conversation(), {});
      const record = await world.ok("GET", path);
      demandEqual([record.body["tombstoned"], record.body["last_seq"]], [true, count], "END-1", "the record");
      demandEqual(record.body, ended.body, "END-1", "the record after writes that were refused");
      for (const route of ["/messages", "/tail", "/context"]) {
        const { body } = await world.ok("GET", `${path}${route}`);
        demandEqual(textsIn(body), texts, "END-1", `what ${route} of a tombstone shows`);
      }
    },
  }),
  check({
    name: "purges-erase",
    invariants: ["END-2"],
    mode: "sequence",
    runs: 4,
    arbitrary: fc.record({ count: COUNT, tombstone: fc.boolean() }),
    run: async (world: ServerWorld, { count, tombstone }) => {
      const path = world.context();
      const first = await world.ok("PUT", path, { metadata: { run: world.mark } });
      const append = { message: say("secret"), idempotency_key: "k" };
      for (let at = 0; at < count; at++) {
        await world.ok("POST", `${path}/messages`, { ...append, idempotency_key: `k${at}` });
      }
      if (tombstone) await world.ok("DELETE", path);
      await world.expect(204, "END-2", "DELETE", `${path}?purge=true`);
      await world.expect(204, "END-2", "DELETE", `${path}?purge=true`);
      for (const route of ["", "/messages", "/tail", "/context"]) {
        await world.expect(404, "END-2", "GET", `${path}${route}`);
      }
      await world.expect(404, "END-2", "POST", `${path}/messages`, append);
      const list = await world.ok("GET", `/v1/conversations?metadata.run=${world.mark}`);
      demandEqual(list.body["conversations"], [], "END-2", "what is listed after a purge");
      const again = await world.expect(201, "END-2", "PUT", path, {});
      const { version, last_seq: lastSeq, metadata, tombstoned } = again.body;
      demandEqual(
        [version, lastSeq, metadata, tombstoned],
        [0, 0, {}, false],
        "END-2",
        "the record of a new life",
      );
      const revision = (answer: { headers: Headers }): number =>
        Number(/\d+/.exec(answer.headers.get("etag") ?? "")?.[0]);
      demand(
        revision(again) > revision(first) + count,
        "END-2",
        () => `the revision does not go on: ${revision(again)}`,
      );
      const anew = await world.ok("POST", `${path}/messages`, {
        message: say("anew"),
        idempotency_key: "k0",
      });
      demandEqual(
        [anew.body["seq"], anew.body["deduplicated"]],
        [1, undefined],
        "END-2",
        "the first append of a new life",
      );
      const { body } = await world.ok("GET", `${path}/messages`);
      demandEqual([textsIn(body), seqsIn(body)], [["anew"], [1]], "END-2", "the log of a new life");
    },
  }),
];

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
      for (const time of ["first", "second"]) {
        const { status } = await world.call("DELETE", path);
        demand(status === 204, "END-1", () => `the ${time} DELETE is answered ${status}`);
      }
      for (const [method, route, body] of [
        ["POST", "/messages", { message: say("late") }],
        ["POST", "/compact", { replacement: [say("late")] }],
        ["POST", "/reset", undefined],
        ["PUT", "", { token_budget: 5 }],
        ["PATCH", "/metadata", { metadata: { late: true } }],
      ] as const) {
        const { status } = await world.call(method, `${path}${route}`, body);
        demand(status === 410, "END-1", () => `${method} ${route} on a tombstone is answered ${status}`);
      }
      const record = await world.ok("GET", path);
      demandEqual([record.body["tombstoned"], record.body["last_seq"]], [true, count], "END-1", "the record");
      const log = await world.ok("GET", `${path}/messages`);
      demandEqual(textsIn(log.body), texts, "END-1", "the log of a tombstone");
    },
  }),
  check({
    name: "purges-erase",
    invariants: ["END-2"],
    mode: "sequence",
    runs: 4,
    arbitrary: COUNT,
    run: async (world: ServerWorld, count) => {
      const path = world.context();
      const first = await world.ok("PUT", path, { metadata: { run: world.mark } });
      const append = { message: say("secret"), idempotency_key: "k" };
      for (let at = 0; at < count; at++) {
        await world.ok("POST", `${path}/messages`, { ...append, idempotency_key: `k${at}` });
      }
      const { status } = await world.call("DELETE", `${path}?purge=true`);
      demand(status === 204, "END-2", () => `a purge is answered ${status}`);
      for (const route of ["", "/messages", "/tail", "/context"]) {
        const answer = await world.call("GET", `${path}${route}`);
        demand(
          answer.status === 404,
          "END-2",
          () => `GET ${route} after a purge is answered ${answer.status}`,
        );
      }
      const list = await world.ok("GET", `/v1/conversations?metadata.run=${world.mark}`);
      demandEqual(list.body["conversations"], [], "END-2", "what is listed after a purge");
      const again = await world.call("PUT", path, {});
      demand(again.status === 201, "END-2", () => `a PUT after a purge is answered ${again.status}`);
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

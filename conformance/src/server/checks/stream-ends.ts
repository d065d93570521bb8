import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demandEqual } from "../../violation.js";
import { say } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

/** How streams end, and those that never begin. */
export const STREAM_ENDS: readonly Check<ServerWorld>[] = [
  check({
    name: "ends-of-conversations",
    invariants: ["STR-4", "STR-6"],
    mode: "sequence",
    runs: 3,
    arbitrary: fc.constantFrom("tombstone", "purge", "tombstone before"),
    run: async (world: ServerWorld, how) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, { messages: [say("one"), say("two")] });
      if (how === "tombstone before") await world.ok("DELETE", path);
      const stream = await world.stream(`${path}/stream?cursor=1`);
      const events = await world.events(`${path}/stream?cursor=1`);
      for (const frames of [stream, events]) {
        const { type, version } = await frames.next();
        demandEqual([type, version], ["message", 2], "STR-1", "the frame behind the cursor");
      }
      if (how === "tombstone") await world.ok("DELETE", path);
      if (how === "purge") await world.ok("DELETE", `${path}?purge=true`);
      for (const frames of [stream, events]) {
        const { type, version } = await frames.next("STR-4");
        demandEqual([type, version], ["tombstoned", 0], "STR-4", "the last frame");
      }
      demandEqual(await stream.closed("STR-4"), 1000, "STR-4", "the code that the stream is closed with");
      await events.closed("STR-4");
      if (how === "purge") {
        const { status } = await world.refusedStream(`${path}/stream?cursor=0`, "STR-5");
        demandEqual(status, 404, "STR-5", "the status of a stream of what was purged");
      }
    },
  }),
  check({
    name: "streams-that-are-refused",
    invariants: ["STR-5"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      for (const [stream, status] of [
        [`${path}/stream?cursor=-1`, 400],
        [`${path}/stream?cursor=x`, 400],
        [`${path}/stream?cursor=1.5`, 400],
        [`${path}/stream?include_messages=perhaps`, 400],
        [`${path}/stream?no_such_name=1`, 400],
        [`${world.context()}/stream`, 404],
        [`${world.conversation("missing")}/stream`, 404],
        [`${path}/streams`, 404],
      ] as const) {
        const answer = await world.refusedStream(stream, "STR-5");
        demandEqual(answer.status, status, "STR-5", `the status of a WebSocket at ${stream}`);
        const events = await world.call("GET", stream, undefined, {
          headers: { accept: "text/event-stream" },
        });
        demandEqual(events.status, status, "STR-5", `the status of server-sent events at ${stream}`);
      }
      await world.expect(400, "STR-5", "GET", `${path}/stream`);
    },
  }),
  check({
    name: "clients-that-talk",
    invariants: ["STR-7"],
    mode: "sequence",
    runs: 4,
    arbitrary: fc.oneof(
      fc.constantFrom("hello", "{}", '{"type":"ping"}', "x".repeat(5000)),
      fc.json({ maxDepth: 1 }).filter((text) => !text.includes("pong") && text.length < 4000),
    ),
    run: async (world: ServerWorld, said) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const stream = await world.stream(`${path}/stream`);
      stream.say('{"type":"pong"}');
      await world.ok("POST", `${path}/messages`, { message: say("one") });
      const { type } = await stream.next();
      demandEqual(type, "message", "STR-7", "what a client hears that answered");
      stream.say(said);
      const code = said.length > 4096 ? 1009 : 1008;
      demandEqual(await stream.closed("STR-7"), code, "STR-7", "the code that the stream is closed with");
    },
  }),
];

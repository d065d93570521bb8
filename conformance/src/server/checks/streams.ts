import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { say, textOf } from "../messages.js";
import type { StreamFrame } from "../frames.js";
import type { ServerWorld } from "../server-world.js";

/** Versions of the frames of these types. */
function versions(frames: readonly StreamFrame[], ...types: string[]): (number | undefined)[] {
  return frames.filter(({ type }) => types.includes(type)).map(({ version }) => version);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at);
}

/** Streams: what happens, while it happens. */
export const STREAMS: readonly Check<ServerWorld>[] = [
  check({
    name: "streams-skip-nothing",
    invariants: ["STR-1"],
    mode: "race",
    runs: 8,
    arbitrary: fc
      .record({
        before: fc.nat({ max: 40 }),
        cursor: fc.nat({ max: 40 }),
        after: fc.integer({ min: 1, max: 30 }),
      })
      .filter(({ before, cursor }) => cursor <= before),
    run: async (world: ServerWorld, { before, cursor, after }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const append = (text: string): Promise<unknown> =>
        world.ok("POST", `${path}/messages`, { message: say(text) });
      if (before > 0)
        await world.ok("POST", `${path}/messages`, { messages: range(1, before).map((n) => say(`${n}`)) });
      // Half of what follows is appended while the stream is being opened.
      const racing = Promise.all(range(1, after).map((n) => append(`racing ${n}`)));
      const stream = await world.stream(`${path}/stream?cursor=${cursor}`);
      await racing;
      await append("last");
      const frames = await stream.through(({ version }) => (version ?? 0) >= before + after + 1);
      const all = range(cursor + 1, before + after + 1);
      demandEqual(versions(frames, "message"), all, "STR-1", "the versions of the message frames");
      demandEqual(
        frames.map(({ seq }) => seq),
        all,
        "STR-1",
        "their seqs",
      );
      const log = await world.ok("GET", `${path}/messages?from=${cursor + 1}&limit=1000`);
      const { messages } = log.body;
      demandEqual(
        frames.map(({ message }) => message),
        messages,
        "STR-1",
        "their messages",
      );
    },
  }),
  check({
    name: "streams-of-contexts",
    invariants: ["STR-2", "STR-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.context();
      await world.ok("PUT", path, { token_budget: 100, trigger_ratio: 0.5, policy: { strategy: "manual" } });
      const stream = await world.stream(`${path}/stream?cursor=0`);
      const quiet = await world.stream(`${path}/stream?cursor=0&include_messages=false`);
      const plain = await world.stream(`${world.conversation()}/stream?cursor=0`);
      await world.ok("POST", `${path}/messages`, { message: say("one", 60) });
      const [message, context] = [await stream.next(), await stream.next()];
      demandEqual(
        [message.type, message.version, message.seq, textOf(message["message"])],
        ["message", 1, 1, "one"],
        "STR-2",
        "the first frame",
      );
      const { type, version, used_tokens: used, needs_compaction: due } = context;
      demandEqual([type, version, used, due], ["context", 1, 60, true], "STR-2", "the frame behind it");
      await world.ok("POST", `${path}/compact`, { replacement: [say("summary", 5)] });
      const compaction = await stream.next();
      demandEqual(
        [compaction.type, compaction.version, compaction["range"]],
        ["compaction", 2, { from_seq: 1, to_seq: 1 }],
        "STR-2",
        "the frame of a compaction",
      );
      await world.ok("POST", `${path}/reset`);
      const frames = await stream.through((frame) => frame.type === "context" && frame.version === 3);
      demandEqual(versions(frames, "reset"), [3], "STR-2", "the versions of reset frames");
      await world.ok("POST", `${path}/messages`, { message: say("two", 1) });
      const silent = await quiet.through((frame) => frame.type === "context" && frame.version === 4);
      demand(
        silent.every((frame) => frame.type !== "message"),
        "STR-2",
        () => "a stream without messages has message frames",
      );
      demandEqual(
        versions(silent, "compaction", "reset"),
        [2, 3],
        "STR-2",
        "the marks in a stream without messages",
      );
      const told = await plain.through((frame) => frame.version === 4);
      demand(
        told.every((frame) => frame.type !== "context"),
        "STR-2",
        () => "the stream of a conversation has context frames",
      );
      demandEqual(
        versions(told, "message", "compaction", "reset"),
        [1, 2, 3, 4],
        "STR-1",
        "the events of a conversation",
      );
    },
  }),
  check({
    name: "cursors-ahead",
    invariants: ["STR-3"],
    mode: "sequence",
    runs: 3,
    arbitrary: fc.integer({ min: 1, max: 1000 }),
    run: async (world: ServerWorld, ahead) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, { messages: [say("one"), say("two")] });
      const stream = await world.stream(`${path}/stream?cursor=${2 + ahead}`);
      const { type, expected, actual } = await stream.next();
      demandEqual([type, expected, actual], ["gap", 3 + ahead, 2], "STR-3", "the first frame");
      await world.ok("POST", `${path}/messages`, { message: say("three") });
      const next = await stream.next();
      demandEqual([next.type, next.version], ["message", 3], "STR-3", "the frame behind the gap");
    },
  }),
  check({
    name: "tombstones-end-streams",
    invariants: ["STR-4"],
    mode: "sequence",
    runs: 2,
    arbitrary: fc.boolean(),
    run: async (world: ServerWorld, late) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, { message: say("one") });
      if (late) await world.ok("DELETE", path);
      const stream = await world.stream(`${path}/stream?cursor=0`);
      if (!late) await world.ok("DELETE", path);
      const frames = await stream.through(({ type }) => type === "tombstoned");
      demandEqual(
        frames.map(({ type, version }) => [type, version]),
        [
          ["message", 1],
          ["tombstoned", 0],
        ],
        "STR-4",
        "the frames",
      );
      demandEqual(await stream.closed(), 1000, "STR-4", "the code that the stream is closed with");
    },
  }),
];

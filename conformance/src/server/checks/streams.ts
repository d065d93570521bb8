import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import type { StreamFrame } from "../frames.js";
import { say, textOf } from "../messages.js";
import type { ServerWorld } from "../server-world.js";
import { WindowModel } from "../window-model.js";
import { bodyOf, CONFIG, EACH_STEP, isSame, STEP, type Step } from "./windows.js";

/** What a stream tells of one event, and the state of the window behind it. */
interface Told {
  readonly version: number;
  /** Undefined for a change of the configuration, which has no frame of its own. */
  readonly event: object | undefined;
  readonly state: object;
}

/** Streams: what happens, while it happens. */
export const STREAMS: readonly Check<ServerWorld>[] = [
  check({
    name: "streams-of-contexts",
    invariants: ["STR-2", "STR-1", "STR-6"],
    mode: "sequence",
    runs: 12,
    arbitrary: fc.record({
      config: CONFIG,
      steps: fc.array(STEP, { minLength: 1, maxLength: 6 }),
      cursor: fc.nat({ max: 12 }),
    }),
    run: async (world: ServerWorld, { config, steps, cursor }) => {
      const path = world.context();
      const model = new WindowModel(config);
      const told: Told[] = [];
      await world.ok("PUT", path, bodyOf(config));
      const live = await world.stream(`${path}/stream?cursor=0`, "live");
      const heard: StreamFrame[] = [];
      for (const step of [...steps, ...EACH_STEP]) {
        if (!(await take(world, path, model, step, told))) continue;
        // Whatever happened shows in the state that is told behind it.
        heard.push(
          ...(await live.through(({ type, version }) => type === "context" && version === model.version)),
        );
      }
      expectTold(heard, told, 0);
      const behind = Math.min(cursor, model.version);
      const other = world.conversation();
      const resumed = await world.stream(`${path}/stream?cursor=${behind}`, "resumed");
      const fresh = await world.stream(`${path}/stream`, "fresh");
      const quiet = await world.stream(`${path}/stream?cursor=${behind}&include_messages=false`, "quiet");
      const plain = await world.stream(`${other}/stream?cursor=${behind}`, "plain");
      const events = await world.events(`${path}/stream?cursor=0`, { "last-event-id": String(behind) });
      const before = model.version;
      await take(world, path, model, { do: "append", tokens: [1, 1] }, told);
      const last = ({ type, version }: StreamFrame): boolean =>
        type === "context" && version === model.version;
      expectTold(await resumed.through(last), told, behind);
      expectTold(await fresh.through(last), told, before);
      expectTold(await events.through(last), told, behind, "STR-6");
      const silent = await quiet.through(last);
      demandEqual(
        eventsOf(silent),
        told
          .filter(({ version, event }) => version > behind && event !== undefined && !("seq" in event))
          .map(({ event }) => event),
        "STR-2",
        "the events of a stream without messages",
      );
      const bare = await plain.through(({ version }) => version === model.version);
      demand(
        bare.every(({ type }) => type !== "context"),
        "STR-2",
        () => "the stream of a conversation has context frames",
      );
      demandEqual(eventsOf(bare), eventsBehind(told, behind), "STR-1", "the events of a conversation");
    },
  }),
  check({
    name: "streams-skip-nothing",
    invariants: ["STR-1"],
    mode: "race",
    runs: 8,
    arbitrary: fc.record({
      before: fc.nat({ max: 40 }),
      cursors: fc.array(fc.nat({ max: 40 }), { minLength: 2, maxLength: 4 }),
      after: fc.integer({ min: 1, max: 24 }),
      /** Much of it, and the server cannot hand it all out at once. */
      characters: fc.constantFrom(1, 1, 20_000),
    }),
    run: async (world: ServerWorld, { before, cursors, after, characters }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const text = "x".repeat(characters);
      if (before > 0)
        await world.ok("POST", `${path}/messages`, { messages: range(1, before).map(() => say(text)) });
      // Streams are opened while others append, in twos.
      const racing = Promise.all(
        range(1, after).map((n) =>
          world.ok("POST", `${path}/messages`, { messages: [say(text), say(`racing ${n}`)] }),
        ),
      );
      const streams = await Promise.all(
        cursors.map(async (cursor, at) => {
          const behind = Math.min(cursor, before);
          return { behind, stream: await world.stream(`${path}/stream?cursor=${behind}`, `stream ${at}`) };
        }),
      );
      await racing;
      await world.ok("POST", `${path}/messages`, { message: say("last") });
      const end = before + after * 2 + 1;
      const { messages } = (await world.ok("GET", `${path}/messages?limit=1000`)).body;
      const log: readonly unknown[] = Array.isArray(messages) ? messages : [];
      for (const { behind, stream } of streams) {
        const frames = await stream.through(({ version }) => Number(version) >= end);
        demandEqual(
          frames.map(({ type, version, seq }) => [type, version, seq]),
          range(behind + 1, end).map((at) => ["message", at, at]),
          "STR-1",
          "types, versions and seqs of the frames",
        );
        demandEqual(
          frames.map(({ message }) => message),
          log.slice(behind),
          "STR-1",
          "the messages of the frames",
        );
      }
    },
  }),
  check({
    name: "cursors-ahead",
    invariants: ["STR-3", "STR-6"],
    mode: "sequence",
    runs: 2,
    arbitrary: fc.constantFrom(1, 1000),
    run: async (world: ServerWorld, ahead) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, { messages: [say("one"), say("two")] });
      const cursor = 2 + ahead;
      const streams = [
        await world.stream(`${path}/stream?cursor=${cursor}`),
        await world.events(`${path}/stream?cursor=${cursor}`),
      ];
      for (const stream of streams) {
        const { type, expected, actual } = await stream.next("STR-3");
        demandEqual([type, expected, actual], ["gap", cursor + 1, 2], "STR-3", "the first frame");
      }
      await world.ok("POST", `${path}/messages`, { message: say("three") });
      for (const stream of streams) {
        const { type, version, message } = await stream.next("STR-3");
        demandEqual(
          [type, version, textOf(message)],
          ["message", 3, "three"],
          "STR-3",
          "the frame behind the gap",
        );
      }
    },
  }),
  check({
    name: "streams-without-a-cursor",
    invariants: ["STR-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, { message: say("before") });
      const streams = [await world.stream(`${path}/stream`), await world.events(`${path}/stream`)];
      await world.ok("POST", `${path}/messages`, { messages: [say("two"), say("three")] });
      for (const stream of streams) {
        const frames = [await stream.next(), await stream.next()];
        demandEqual(
          frames.map(({ type, seq }) => [type, seq]),
          [
            ["message", 2],
            ["message", 3],
          ],
          "STR-1",
          "what came since the stream was opened",
        );
      }
    },
  }),
];

/** Does one thing to a context and its model, and notes what streams have to tell. @returns whether it is an event */
async function take(
  world: ServerWorld,
  path: string,
  model: WindowModel,
  step: Step,
  told: Told[],
): Promise<boolean> {
  const note = (event: object | undefined): void => {
    const { version, used, needsCompaction } = model;
    told.push({ version, event, state: { used_tokens: used, needs_compaction: needsCompaction } });
  };
  switch (step.do) {
    case "append":
      await world.ok("POST", `${path}/messages`, { messages: step.tokens.map((tokens) => say("m", tokens)) });
      for (const tokens of step.tokens) {
        model.append(tokens);
        note({ type: "message", version: model.version, seq: model.lastSeq, tokens });
      }
      return true;
    case "compact": {
      if (model.lastSeq === 0) return false;
      const through = Math.max(model.start, model.lastSeq - step.back);
      const replacement = step.tokens.map((tokens) => say("summary", tokens));
      const from = model.firstSeq;
      await world.ok("POST", `${path}/compact`, { replacement, through_seq: through });
      model.compact(step.tokens, through);
      note({ type: "compaction", version: model.version, range: { from_seq: from, to_seq: through } });
      return true;
    }
    case "reset":
      await world.ok("POST", `${path}/reset`);
      model.reset();
      note({ type: "reset", version: model.version });
      return true;
    case "configure":
      // A PUT that changes nothing is no event.
      if (isSame(step.config, model.config)) return false;
      await world.ok("PUT", path, bodyOf(step.config));
      model.configure(step.config);
      note(undefined);
      return true;
  }
}

/** Every event behind a cursor in order, and states only where they are true, the newest one last. */
function expectTold(
  frames: readonly StreamFrame[],
  told: readonly Told[],
  behind: number,
  invariant: "STR-1" | "STR-6" = "STR-1",
): void {
  demandEqual(eventsOf(frames), eventsBehind(told, behind), invariant, `the events behind version ${behind}`);
  for (const { type, version, used_tokens: used, needs_compaction: due } of frames) {
    if (type !== "context") continue;
    const state = told.find((entry) => entry.version === version)?.state;
    demandEqual(
      { used_tokens: used, needs_compaction: due },
      state,
      "STR-2",
      `the state at version ${String(version)}`,
    );
  }
}

function eventsBehind(told: readonly Told[], behind: number): unknown[] {
  return told
    .filter(({ version, event }) => version > behind && event !== undefined)
    .map(({ event }) => event);
}

/** The events that frames tell, without what else they may hold. */
function eventsOf(frames: readonly StreamFrame[]): unknown[] {
  return frames
    .filter(({ type }) => type !== "context")
    .map(({ type, version, seq, range, message }) => {
      if (type === "message") {
        const { token_count: tokens }: { token_count?: unknown } = Object(message);
        return { type, version, seq, tokens };
      }
      return type === "compaction" ? { type, version, range } : { type, version };
    });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at);
}

import fc from "fast-check";
import { check, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import type { Answer } from "../answer.js";
import { say, seqsIn, textsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

/** Callers that race. With fewer than four, two requests seldom meet. */
const CALLERS = fc.integer({ min: 4, max: 12 });
/** Races for each run: the first one opens connections, and those after it begin together. */
const ROUNDS = 4;

/** What comes at the same time. */
export const SERVER_RACES: readonly Check<ServerWorld>[] = [
  check({
    name: "appends-at-once",
    invariants: ["APP-3", "APP-2"],
    mode: "race",
    runs: 5,
    arbitrary: fc.record({ callers: CALLERS, each: fc.integer({ min: 2, max: 6 }) }),
    run: async (world: ServerWorld, { callers, each }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const told = new Map<unknown, string>();
      await together(callers, async (who, lane) => {
        for (let turn = 0; turn < each; turn++) {
          const text = `${who}-${turn}`;
          const messages = [say(`${text}-a`), say(`${text}-b`)];
          const { body } = await world.ok("POST", `${path}/messages`, { messages }, { lane });
          demand(!told.has(body["seq"]), "APP-3", () => `seq ${String(body["seq"])} was told twice`);
          told.set(body["seq"], text);
          // What was acknowledged is read, by everybody.
          const { body: tail } = await world.ok(
            "GET",
            `${path}/messages?from=${String(body["seq"])}&limit=1`,
          );
          demandEqual(textsIn(tail), [`${text}-b`], "APP-3", `what is read at seq ${String(body["seq"])}`);
        }
      });
      const { body } = await world.ok("GET", `${path}/messages?limit=1000`);
      const texts = textsIn(body);
      demandEqual(texts.length, callers * each * 2, "APP-3", "the number of messages");
      demandEqual(
        seqsIn(body),
        texts.map((_, at) => at + 1),
        "APP-3",
        "the seqs",
      );
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
    runs: 5,
    arbitrary: fc.record({
      callers: CALLERS,
      marks: fc.nat({ max: 2 }),
      count: fc.integer({ min: 1, max: 2 }),
    }),
    run: async (world: ServerWorld, { callers, marks, count }) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      for (let at = 0; at < marks; at++) await world.ok("POST", `${path}/reset`);
      for (let round = 0; round < ROUNDS; round++) {
        const version = marks + round * count;
        const answers = await together(callers, (who, lane) =>
          world.call(
            "POST",
            `${path}/messages`,
            { messages: Array.from({ length: count }, () => say(`${round}-${who}`)), if_version: version },
            { lane },
          ),
        );
        expectOneWinner(answers, version + count);
        const { body } = await world.ok("GET", path);
        demandEqual(body["last_seq"], (round + 1) * count, "APP-4", `last_seq after ${round + 1} races`);
      }
    },
  }),
  check({
    name: "racing-keys",
    invariants: ["APP-6"],
    mode: "race",
    runs: 5,
    arbitrary: fc.record({ callers: CALLERS, contents: fc.integer({ min: 1, max: 2 }) }),
    run: async (world: ServerWorld, { callers, contents }) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      for (let round = 0; round < ROUNDS; round++) {
        const answers = await together(callers, (who, lane) =>
          world.call(
            "POST",
            `${path}/messages`,
            { message: say(`${who % contents}`), idempotency_key: `k${round}` },
            { lane },
          ),
        );
        const done = answers.filter(({ status }) => status === 201);
        const refused = answers.filter(({ status }) => status === 422);
        demandEqual(
          [done.length + refused.length, refused.length > 0],
          [callers, contents > 1],
          "APP-6",
          "how many were answered, and whether another content was refused",
        );
        const seqs = new Set(done.map(({ body }) => body["seq"]));
        demandEqual([...seqs], [round + 1], "APP-6", "the seqs that were told");
        const fresh = done.filter(({ body }) => body["deduplicated"] !== true);
        demandEqual(fresh.length, 1, "APP-6", "how many were told that theirs is the first");
      }
      const { body } = await world.ok("GET", path);
      demandEqual(body["last_seq"], ROUNDS, "APP-6", "the number of messages");
    },
  }),
  check({
    name: "compactions-while-appending",
    invariants: ["WIN-4", "APP-3"],
    mode: "race",
    runs: 3,
    arbitrary: CALLERS,
    run: async (world: ServerWorld, callers) => {
      const path = world.context();
      await world.ok("PUT", path, { policy: { strategy: "manual" } });
      await world.ok("POST", `${path}/messages`, { messages: [say("a", 1), say("b", 1)] });
      await together(callers, async (who, lane) => {
        if (who % 2 === 0)
          await world.ok("POST", `${path}/messages`, { message: say(`${who}`, 1) }, { lane });
        else {
          const compaction = { replacement: [say("summary", 1)], through_seq: 2 };
          await world.ok("POST", `${path}/compact`, compaction, { lane });
        }
      });
      const appended = Math.ceil(callers / 2);
      const { body } = await world.ok("GET", `${path}/context`);
      demandEqual(
        seqsIn(body),
        [undefined, ...Array.from({ length: appended }, (_, at) => at + 3)],
        "WIN-4",
        "the window of a summary and all that came since",
      );
      demandEqual(body["used_tokens"], appended + 1, "WIN-2", "used_tokens");
    },
  }),
  check({
    name: "tombstones-while-appending",
    invariants: ["END-1"],
    mode: "race",
    runs: 4,
    arbitrary: CALLERS,
    run: async (world: ServerWorld, callers) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      let over = false;
      const answers = await together(callers, async (who, lane) => {
        if (who === 1) {
          await world.expect(204, "END-1", "DELETE", path, undefined, { lane });
          over = true;
        }
        const late = over;
        const { status } = await world.call("POST", `${path}/messages`, { message: say(`${who}`) }, { lane });
        demand(status === 410 || (status === 201 && !late), "END-1", () => `an append is answered ${status}`);
        return { who, status };
      });
      const { body } = await world.ok("GET", `${path}/messages`);
      const landed = answers.filter(({ status }) => status === 201).map(({ who }) => `${who}`);
      demandEqual(new Set(textsIn(body)), new Set(landed), "END-1", "the log of a tombstone");
    },
  }),
];

/** Calls that begin together, each with a lane of its own. */
function together<T>(callers: number, call: (who: number, lane: string) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: callers }, (_, who) => call(who, `caller ${who}`)));
}

function expectOneWinner(answers: readonly Answer[], version: number): void {
  const winners = answers.filter(({ status }) => status === 201);
  demandEqual(winners.length, 1, "APP-4", `the number of winners among ${answers.length}`);
  for (const { status, body } of answers) {
    demand(status === 201 || status === 409, "APP-4", () => `a loser is answered ${status}`);
    demandEqual(body["version"], version, "APP-4", `the version in an answer ${status}`);
  }
}

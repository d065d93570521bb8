import fc from "fast-check";
import { check, NOTHING, type Check } from "../check.js";
import { commitOn, type Step } from "../commits.js";
import { lockstep } from "../lockstep.js";
import { demand, demandEqual } from "../violation.js";

/** The kit takes a driver at its word only up to here: more would measure memory, not the driver. */
const LARGEST_COMMIT = 16 * 1024 * 1024;
const LARGEST_BATCH = 2000;

/** What the store needs. */
const SMALLEST_LIMIT = 2 * 1024 * 1024;

/** A step that has exactly so many bytes, as {@link DriverLimits} counts them, in about as many messages. */
function filling(token: string, bytes: number, count: number): Step {
  const metadata = `{"text":"${"m".repeat(8000)}"}`;
  const state = `{"token":"${token}","text":"${"s".repeat(4000)}"}`;
  const keys = ["k".repeat(255), "\u4e3d".repeat(255)];
  const marks = [{ kind: "compaction" as const, body: `{"text":"${"\u4e3d".repeat(1000)}"}` }];
  const spent = [metadata, state, ...keys, ...marks.map(({ body }) => body)].reduce(
    (sum, text) => sum + Buffer.byteLength(text),
    0,
  );
  const room = bytes - spent;
  const each = Math.floor(room / count);
  const messages = Array.from({ length: count }, (_, n) => {
    const size = n === 0 ? room - each * (count - 1) : each;
    // Half of the bytes are of letters that have three each.
    const wide = "\u4e3d".repeat(Math.floor(size / 6));
    return `"${wide}${"x".repeat(size - 2 - Buffer.byteLength(wide))}"`;
  });
  return { token, messages, marks, keys, metadata, state };
}

/** What a driver says it can take. */
export const LIMITS: readonly Check[] = [
  check({
    name: "limits-sound",
    invariants: ["LIM-3"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const { limits } = await world.handle();
      const { maxCommitBytes, maxBatch } = limits;
      demand(
        Number.isSafeInteger(maxCommitBytes) && maxCommitBytes >= SMALLEST_LIMIT,
        "LIM-3",
        () =>
          `maxCommitBytes is ${maxCommitBytes}, and should be a whole number of at least ${SMALLEST_LIMIT}`,
      );
      demand(
        Number.isSafeInteger(maxBatch) && maxBatch >= 1,
        "LIM-3",
        () => `maxBatch is ${maxBatch}, and should be a whole number of at least 1`,
      );
    },
  }),
  check({
    name: "limits-empty",
    invariants: ["LIM-4"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const steps = await lockstep(world, { blame: "LIM-4" });
      const id = world.id("c");
      await steps.step(id, {
        token: "t",
        messages: ["1", "2", "3"],
        marks: [{ kind: "config", body: "{}" }],
        keys: ["k"],
      });
      for (const of of [id, world.id("never created")]) {
        await steps.commit([]);
        await steps.heads([]);
        await steps.keys(of, []);
        await steps.keys(of, ["no such key"]);
        await steps.messages(of, 3, 2);
        await steps.messages(of, 4, 9);
        await steps.marks(of, 4, 9);
      }
      await steps.messages(world.id("never created"), 1, 9);
      await steps.marks(world.id("never created"), 0, 9);
      await steps.keys(world.id("never created"), ["k"]);
      await steps.list([`nothing has this label in run ${world.id("")}`], 10);
      await steps.verify();
    },
  }),
  check({
    name: "limits-commit",
    invariants: ["LIM-1"],
    mode: "sequence",
    runs: 2,
    arbitrary: fc.constantFrom(1, 7, 64, 1000),
    run: async (world, count) => {
      const steps = await lockstep(world, { blame: "LIM-1" });
      const bytes = Math.min(steps.next().limits.maxCommitBytes, LARGEST_COMMIT);
      const id = world.id("c");
      await steps.step(id, filling("t", bytes, count));
      demandEqual(steps.model.head(id)?.lastSeq, count, "LIM-1", "the kit's own count");
      await steps.heads([id]);
      await steps.messages(id, 1, count);
      await steps.marks(id, 0, 10);
    },
  }),
  check({
    name: "limits-batch",
    invariants: ["LIM-2"],
    mode: "sequence",
    runs: 1,
    arbitrary: fc.nat(),
    run: async (world, pick) => {
      const steps = await lockstep(world, { blame: "LIM-2" });
      const size = Math.max(1, Math.min(steps.next().limits.maxBatch, LARGEST_BATCH));
      const ids = Array.from({ length: size }, (_, n) => world.id(`c${n}`));
      for (const token of ["first", "second"]) {
        await steps.commit(
          ids.map((id) =>
            commitOn(steps.model.head(id), id, {
              token,
              messages: [`{"n":"${id} ${token}"}`],
              keys: [token],
            }),
          ),
        );
      }
      await steps.heads(ids);
      // Some of a full batch are refused, one way or the other.
      await steps.commit(
        ids.map((id, n) => {
          const held = (n + pick) % 5 === 0 ? "first" : "third";
          return commitOn((n + pick) % 7 === 0 ? undefined : steps.model.head(id), id, {
            token: "third",
            messages: ["3"],
            keys: [held],
          });
        }),
      );
      await steps.heads(ids);
      for (const id of [0, 1, Math.floor(size / 2), size - 1].flatMap((n) => ids[n] ?? []))
        await steps.messages(id, 1, 9);
    },
  }),
];

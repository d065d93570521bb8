import fc from "fast-check";
import { ALIKE } from "../arbitraries.js";
import { check, NOTHING, type Check } from "../check.js";
import { commitOn, type Step } from "../commits.js";
import { Lockstep, lockstep } from "../lockstep.js";
import { ownDatabase } from "../own-database.js";
import type { World } from "../world.js";

/** What could stand between an id and a seq where somebody makes one text of both. */
const JOINTS = [
  "",
  ":",
  "::",
  "/",
  "|",
  "-",
  "_",
  "#",
  ".",
  ",",
  " ",
  "\u2063",
  "\u{1f517}",
  "\\",
  "~",
  "!",
  "%",
  "=",
];

/** A message, a mark and a key that say whose they are. */
function own(id: string, token: string): Step {
  const name = JSON.stringify(id);
  return {
    token,
    messages: [`{"of":${name},"token":"${token}"}`],
    marks: [{ kind: "config", body: `{"of":${name},"token":"${token}"}` }],
    keys: [token],
    metadata: `{"of":${name},"token":"${token}"}`,
  };
}

/** A lockstep over handles of a database of its own, in which ids need no prefix. */
async function apart(
  world: World,
  use: (steps: Lockstep) => Promise<void>,
  blame: "ISO-3" | "ISO-4",
): Promise<void> {
  await ownDatabase(world, async (url) => {
    const handles = [await world.open({ url })];
    try {
      if (world.subject.traits.shared) handles.push(await world.open({ url }));
      await use(new Lockstep(handles, { blame }));
    } finally {
      for (const handle of handles) await handle.close();
    }
  });
}

/** What belongs to one conversation, or one database, stays there. */
export const ISOLATION: readonly Check[] = [
  check({
    name: "ids-alike",
    invariants: ["ISO-3", "ISO-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: fc.nat({ max: ALIKE.length - 1 }),
    run: (world, start) =>
      apart(
        world,
        async (steps) => {
          const ids = [...ALIKE.slice(start), ...ALIKE.slice(0, start)];
          const { maxBatch } = steps.next().limits;
          const size = Math.max(1, Math.min(100, maxBatch));
          const batches = Array.from({ length: Math.ceil(ids.length / size) }, (_, n) =>
            ids.slice(n * size, (n + 1) * size),
          );
          for (const token of ["first", "second"]) {
            for (const batch of batches) {
              await steps.heads(batch);
              await steps.commit(batch.map((id) => commitOn(steps.model.head(id), id, own(id, token))));
            }
          }
          for (const batch of batches) await steps.heads(batch);
          for (const id of ids) {
            await steps.messages(id, 1, 10);
            await steps.keys(id, ["first", "second"]);
          }
          for (const id of ids.filter((_, place) => place % 4 === 0)) await steps.marks(id, 0, 10);
          await steps.list([], 1000);
        },
        "ISO-3",
      ),
  }),
  check({
    name: "neighbours",
    invariants: ["ISO-1", "KEY-2"],
    mode: "sequence",
    runs: 2,
    arbitrary: fc.integer({ min: 11, max: 13 }),
    run: async (world, count) => {
      const steps = await lockstep(world);
      const stem = world.id("a");
      const ids = [stem, ...JOINTS.flatMap((joint) => [`${stem}${joint}1`, `${stem}${joint}1${joint}1`])];
      const keys = ["1", "11", ...JOINTS.slice(1).map((joint) => `1${joint}1`)];
      const messages = (id: string): string[] =>
        Array.from({ length: count }, (_, n) => `{"of":${JSON.stringify(id)},"n":${n}}`);
      const all = [...new Set(ids)];
      for (let from = 0; from < all.length; from += 10) {
        const some = all.slice(from, from + 10);
        await steps.commit(
          some.map((id) => commitOn(undefined, id, { ...own(id, "t"), messages: messages(id), keys })),
        );
      }
      await steps.heads(all);
      for (const id of all) {
        await steps.messages(id, 1, 100);
        await steps.messages(id, 1, 1);
        await steps.marks(id, 0, 10);
        await steps.keys(id, keys);
      }
      // What is done to one is not done to those around it.
      const { head } = await steps.step(stem, { token: "trim", firstSeq: 2, archivedSeq: 1 });
      await steps.prune(stem, head.firstSeq);
      await steps.step(`${stem}1`, { token: "purge", purge: true });
      await steps.verify(all.slice(0, 8));
    },
  }),
  check({
    name: "databases-apart",
    invariants: ["ISO-4"],
    mode: "sequence",
    runs: 2,
    arbitrary: NOTHING,
    run: (world) =>
      apart(world, (one) => apart(world, (other) => twoDatabases(one, other), "ISO-4"), "ISO-4"),
  }),
];

async function twoDatabases(one: Lockstep, other: Lockstep): Promise<void> {
  const ids = ["a", "b", "c"];
  for (const id of ids) await one.step(id, own(id, "one"));
  await other.verify(ids);
  await other.keys("a", ["one"]);
  await other.list([], 10);
  await other.step("a", own("a", "other"));
  await other.step("a", own("a", "one"));
  await other.step("b", { token: "b" });
  await other.step("b", { token: "purge", purge: true });
  await one.step("b", own("b", "more"));
  for (const steps of [one, other]) {
    await steps.verify(ids);
    await steps.list([], 10);
  }
}

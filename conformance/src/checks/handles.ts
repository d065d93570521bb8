import fc from "fast-check";
import { check, NOTHING, type Check } from "../check.js";
import { commitOn } from "../commits.js";
import type { Handle } from "../handle.js";
import { Lockstep } from "../lockstep.js";
import { ownDatabase } from "../own-database.js";
import { demand, demandEqual, Violation } from "../violation.js";
import type { World } from "../world.js";

/** Several conversations with something of everything. */
async function fill(steps: Lockstep, name: string, sizes: readonly number[]): Promise<void> {
  for (const [index, size] of sizes.entries()) {
    const id = `c${index % 3}`;
    await steps.step(id, {
      token: `${name} ${index}`,
      messages: Array.from({ length: size }, (_, n) => `{"n":"${index} ${n}"}`),
      marks: index % 2 === 0 ? [{ kind: "compaction", body: `{"n":${index}}` }] : [],
      keys: size > 0 ? [`${name} ${index}`] : [],
      labels: ["some"],
    });
  }
}

/** How handles open, close, and what they say of themselves. */
export const HANDLES: readonly Check[] = [
  check({
    name: "claims",
    invariants: ["ERR-7"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const handle = await world.handle();
      const { durable, shared, watch } = world.subject.traits;
      demandEqual(
        { durable: handle.traits.durable, shared: handle.traits.shared },
        { durable, shared },
        "ERR-7",
        "what the driver says of itself",
      );
      const present = typeof handle.driver.watch === "function";
      demand(
        present === watch,
        "ERR-7",
        () => `the driver has ${present ? "a" : "no"} watch, and claims ${String(watch)}`,
      );
    },
  }),
  check({
    name: "close-twice",
    invariants: ["ERR-4"],
    mode: "sequence",
    runs: 2,
    arbitrary: NOTHING,
    run: (world) => ownDatabase(world, (url) => closed(world, url)),
  }),
  check({
    name: "second-handle",
    invariants: ["ERR-8"],
    mode: "sequence",
    without: "shared",
    runs: 2,
    arbitrary: fc.boolean(),
    run: async (world, last) => {
      for (const before of [true, false]) {
        await ownDatabase(world, (url) => secondHandle(world, url, { before, last }));
      }
    },
  }),
  check({
    name: "reopen-not-durable",
    invariants: ["DUR-6"],
    mode: "reopen",
    without: "durable",
    runs: 4,
    arbitrary: fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 6 }),
    run: (world, sizes) => ownDatabase(world, (url) => allOrNothing(world, url, sizes)),
  }),
];

async function closed(world: World, url: string): Promise<void> {
  const handle = await world.open({ url, mayFail: true });
  const other = world.subject.traits.shared ? await world.open({ url }) : undefined;
  const commit = commitOn(undefined, "c", { token: "t", messages: ["1"], keys: ["k"] });
  await handle.commit([commit]);
  await quietly(handle, "the first close");
  // Whoever else has the database open does not notice.
  const steps = other && new Lockstep([other], { blame: "ERR-4" });
  steps?.model.commit(commit);
  await steps?.verify();
  await quietly(handle, "the second close");
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    heads: () => handle.heads(["c"]),
    commit: () => handle.commit([commitOn(commit.head, "c", { token: "late", messages: ["2"] })]),
    messages: () => handle.messages("c", 1, 9),
    marks: () => handle.marks("c", 0, 9),
    keys: () => handle.keys("c", ["k"]),
    list: () => handle.list({ limit: 9, labels: [] }),
    prune: () => handle.prune("c", 1),
    ...(handle.driver.watch !== undefined && { watch: () => handle.watch(() => undefined) }),
  };
  for (const [name, call] of Object.entries(calls)) {
    const rejected = await call().then(
      () => false,
      (error: unknown) => {
        if (error instanceof Violation) throw error;
        return true;
      },
    );
    demand(rejected, "ERR-4", () => `${name} was answered although the driver had been closed`);
  }
  await quietly(handle, "the third close");
  if (other === undefined) return;
  await steps?.verify();
  await steps?.step("c", { token: "other", messages: ["2"] });
  await other.close();
}

async function quietly(handle: Handle, what: string): Promise<void> {
  try {
    await handle.close();
  } catch (error) {
    if (error instanceof Violation) throw error;
    throw new Violation("ERR-4", `${what} rejected: ${String(error)}`, { cause: error });
  }
}

/** Opens a database that is open already. Whatever becomes of that, what was told as committed stays. */
async function secondHandle(
  world: World,
  url: string,
  { before, last }: { readonly before: boolean; readonly last: boolean },
): Promise<void> {
  const blame = "ERR-8";
  const first = await world.open({ url });
  const steps = new Lockstep([first], { blame });
  const one = { messages: ["1"], keys: ["k1"] };
  if (before) await steps.step("a", { ...one, token: "before" });
  const second = await opened(world, url);
  if (second === undefined) {
    await steps.step("a", { messages: ["2"], token: "while refused" });
    await steps.verify(["a"]);
    await first.close();
    // What refused the second handle was the first one, which is gone now.
    const later = await opened(world, url);
    demand(later !== undefined, blame, () => "the database cannot be opened although nobody has it open");
    await later.close();
    return;
  }
  if (!before) await steps.step("a", { ...one, token: "after" });
  const [seen] = await second.heads(["a"]);
  // Either one database, and then for everything, or two.
  const together = seen !== undefined;
  const other = together ? steps : new Lockstep([second], { blame });
  const both = together ? new Lockstep([first, second], { blame }) : undefined;
  if (both !== undefined) {
    for (const commit of steps.model.landed("a")) both.model.commit(commit);
    for (let turn = 0; turn < 4; turn++) {
      const stale = both.model.head("a");
      await both.step("a", { token: `turn ${turn}`, messages: [`"${turn}"`] });
      await both.commit([commitOn(stale, "a", { token: `late ${turn}`, messages: [`"late ${turn}"`] })]);
      await both.verify(["a"]);
    }
  } else {
    for (let turn = 0; turn < 2; turn++) {
      await other.step("a", { token: `second ${turn}`, messages: [`"second ${turn}"`] });
      await steps.step("a", { token: `first ${turn}`, messages: [`"first ${turn}"`] });
      await other.verify(["a"]);
      await steps.verify(["a"]);
    }
  }
  for (const handle of last ? [first, second] : [second, first]) await handle.close();
  if (!world.subject.traits.durable) return;
  demand(
    together,
    blame,
    () =>
      "two handles on one durable database committed without knowing of each other: one of them has lost its writes",
  );
  const again = await world.open({ url });
  const kept = new Lockstep([again], { blame });
  for (const commit of both?.model.landed("a") ?? []) kept.model.commit(commit);
  await kept.verify(["a"]);
  await again.close();
}

/** @returns undefined where the driver refuses to open */
async function opened(world: World, url: string): Promise<Handle | undefined> {
  try {
    return await world.open({ url });
  } catch (error) {
    if (error instanceof Violation) throw error;
    return undefined;
  }
}

async function allOrNothing(world: World, url: string, sizes: readonly number[]): Promise<void> {
  const first = await world.open({ url });
  const before = new Lockstep([first]);
  await fill(before, "before", [2, 2, ...sizes]);
  const ids = before.model.ids;
  await first.close();
  const second = await world.open({ url });
  const after = new Lockstep([second], { blame: "DUR-6" });
  const heads: unknown[] = [];
  for (const id of ids) heads.push(...(await second.heads([id])));
  // One head that is there means that everything has to be.
  if (heads.some((head) => head !== undefined)) {
    for (const id of ids) for (const commit of before.model.landed(id)) after.model.commit(commit);
  }
  const keys = ids.flatMap((id) => before.model.keys(id).map(({ key }) => key));
  await after.verify(ids);
  for (const id of ids) await after.keys(id, keys);
  await after.list([], 10);
  await after.list(["some"], 10);
  await fill(after, "after", [1, 2, 1]);
  await after.verify(ids);
  await second.close();
}

import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import type { Head } from "@fastpaca/core";
import { same } from "../answers.js";
import { check, type Check } from "../check.js";
import { audit } from "../crash/audit.js";
import { DriverProcess } from "../crash/driver-process.js";
import { Ledger } from "../crash/ledger.js";
import { Writer, move, type Move } from "../crash/writer.js";
import { Handle } from "../handle.js";
import { Violation, demand, demandEqual, show } from "../violation.js";
import type { World } from "../world.js";

/**
 * How long after the first ones more handles open the database, in turns of the event loop and in milliseconds: each
 * twice as late as the one before, so that, however long opening takes, some look while the first ones are still at
 * it, and are done when those are at work.
 */
const LATE_TURNS = [1, 2, 4, 8, 16, 32];
const LATE_MS = [1, 2, 4, 8, 16, 32];

interface Start {
  /** Handles of this process that open the database at the same moment. */
  readonly handles: number;
  /** Other processes that do. */
  readonly processes: number;
  /** Milliseconds from one process to the next. */
  readonly gap: number;
  readonly script: readonly Move[];
}

/** What a driver does to a database that it finds empty, when it is not the only one. */
export const START: readonly Check[] = [
  check({
    name: "start-at-once",
    invariants: ["DUR-5"],
    mode: "start",
    needs: ["shared"],
    runs: 5,
    arbitrary: fc.noShrink(
      fc.record({
        handles: fc.integer({ min: 2, max: 4 }),
        processes: fc.integer({ min: 2, max: 3 }),
        gap: fc.constantFrom(0, 0, 1, 3, 10),
        script: fc.array(
          move.filter(({ kind }) => kind !== "much"),
          { minLength: 3, maxLength: 6 },
        ),
      }),
    ),
    run: (world, start) => startAtOnce(world, start),
  }),
];

async function startAtOnce(world: World, { handles, processes, gap, script }: Start): Promise<void> {
  const { createDatabase, module, traits } = world.subject;
  // A database that is not durable may well belong to one process.
  const others = module === undefined || !traits.durable ? [] : await startProcesses(module, processes);
  const opened: Handle[] = [];
  const late: Handle[] = [];
  try {
    const database = await createDatabase();
    try {
      const ledger = new Ledger({ lost: "DUR-5", partial: "DUR-5", refused: "DUR-5" });
      // Whoever is ready goes to work, while others are still opening.
      await all([
        ...Array.from({ length: handles }, async (_, n) => {
          const handle = await open(() => world.open({ url: database.url }));
          opened.push(handle);
          await work(world, handle, ledger, `A${n}`, script);
        }),
        ...others.map(async (process, n) => {
          await pause(n * gap);
          await open(() => process.open(database.url));
          const handle = new Handle(process, `P${n + 1}`, world.history, false);
          opened.push(handle);
          await work(world, handle, ledger, `P${n}`, script);
        }),
        ...delays().map(async (delay, n) => {
          await delay;
          const handle = await open(() => world.open({ url: database.url }));
          late.push(handle);
          await commit(handle, [new Writer(`L${n}`, [world.id("common")], ledger, script, false)]);
        }),
      ]);
      await allSeeAll(opened.slice(0, 1), [...opened, ...late], ledger);
      // And once more, on a database that is at work already.
      await all([
        ...opened.map((handle, n) => work(world, handle, ledger, `B${n}`, script)),
        ...Array.from({ length: 2 }, async () => {
          opened.push(await open(() => world.open({ url: database.url })));
        }),
      ]);
      await allSeeAll(opened, late, ledger);
    } finally {
      await Promise.allSettled([...opened, ...late].map((handle) => handle.close()));
      await Promise.all(others.map((process) => process.kill()));
      await database.drop?.();
    }
  } finally {
    await Promise.all(others.map((process) => process.kill()));
  }
}

/** All, or none. */
async function startProcesses(module: string, count: number): Promise<readonly DriverProcess[]> {
  const started = await Promise.allSettled(Array.from({ length: count }, () => DriverProcess.start(module)));
  const processes = started.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const failed = started.find((start) => start.status === "rejected");
  if (failed === undefined) return processes;
  await Promise.all(processes.map((process) => process.kill()));
  throw failed.reason;
}

/** Waits for all, whatever becomes of some. @throws the first finding */
async function all(work: readonly Promise<void>[]): Promise<void> {
  for (const done of await Promise.allSettled(work)) if (done.status === "rejected") throw done.reason;
}

/** @throws Violation where the database cannot be opened */
async function open<T>(opening: () => Promise<T>): Promise<T> {
  try {
    return await opening();
  } catch (error) {
    if (error instanceof Violation) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Violation("DUR-5", `while others opened the database, too, one was refused: ${reason}`, {
      cause: error,
    });
  }
}

/** Commits to a conversation of its own and to one that all commit to. */
async function work(
  world: World,
  handle: Handle,
  ledger: Ledger,
  name: string,
  script: readonly Move[],
): Promise<void> {
  const own = new Writer(name, [world.id(name)], ledger, script);
  const common = new Writer(`${name}c`, [world.id("common")], ledger, script, false);
  for (const _ of script) await commit(handle, [own, common]);
}

/** One commit of each. @throws Violation of starting, for what works once a database is ready */
async function commit(handle: Handle, writers: readonly Writer[]): Promise<void> {
  try {
    for (const writer of writers) await writer.write(handle, () => false);
  } catch (error) {
    if (!(error instanceof Violation) || error.invariant === "ERR-1") throw error;
    throw new Violation("DUR-5", `while others opened the database, too: ${error.message}`, { cause: error });
  }
}

function delays(): readonly Promise<unknown>[] {
  const turns = async (count: number): Promise<void> => {
    for (let passed = 0; passed < count; passed++) await turn();
  };
  return [...LATE_TURNS.map(turns), ...LATE_MS.map((milliseconds) => pause(milliseconds))];
}

/** @throws Violation unless everything is there for the first ones, and the same heads for all */
async function allSeeAll(all: readonly Handle[], others: readonly Handle[], ledger: Ledger): Promise<void> {
  const ids = ledger.ids;
  let first: readonly unknown[] | undefined;
  for (const handle of all) {
    const heads = await audit(handle, ledger, ids);
    first ??= heads;
    demandEqual(heads, first, "DUR-5", `what handle ${handle.lane} sees`);
  }
  for (const handle of others) {
    const heads: readonly unknown[] = await headsOf(handle, ids);
    for (const [n, head] of heads.entries()) {
      const right = same("head", head, first?.[n]);
      demand(right, "DUR-5", () => `handle ${handle.lane} sees ${show(head)}, not ${show(first?.[n])}`);
    }
  }
}

/** In as many calls as the driver needs. */
async function headsOf(handle: Handle, ids: readonly string[]): Promise<readonly (Head | undefined)[]> {
  const size = Math.max(1, handle.limits.maxBatch);
  const slices = Array.from({ length: Math.ceil(ids.length / size) }, (_, n) =>
    handle.heads(ids.slice(n * size, (n + 1) * size)),
  );
  return (await Promise.all(slices)).flat();
}

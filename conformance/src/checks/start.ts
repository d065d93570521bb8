import fc from "fast-check";
import type { Head } from "@fastpaca/core";
import { check, type Check } from "../check.js";
import { audit } from "../crash/audit.js";
import { DriverProcess } from "../crash/driver-process.js";
import { Ledger } from "../crash/ledger.js";
import { Writer, move, type Move } from "../crash/writer.js";
import { Handle } from "../handle.js";
import { Violation, demandEqual } from "../violation.js";
import type { World } from "../world.js";

interface Start {
  /** Handles of this process that open the database at the same moment. */
  readonly handles: number;
  /** Other processes that do. */
  readonly processes: number;
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
        script: fc.array(
          move.filter(({ kind }) => kind !== "much"),
          { minLength: 3, maxLength: 6 },
        ),
      }),
    ),
    run: (world, start) => startAtOnce(world, start),
  }),
];

async function startAtOnce(world: World, { handles, processes, script }: Start): Promise<void> {
  const { createDatabase, module, traits } = world.subject;
  // A database that is not durable may well belong to one process.
  const others = module === undefined || !traits.durable ? [] : await startProcesses(module, processes);
  const opened: Handle[] = [];
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
          await open(() => process.open(database.url));
          const handle = new Handle(process, `P${n + 1}`, world.history, false);
          opened.push(handle);
          await work(world, handle, ledger, `P${n}`, script);
        }),
      ]);
      await allSeeAll(opened, ledger);
      // And once more, on a database that is at work already.
      await all([
        ...opened.map((handle, n) => work(world, handle, ledger, `B${n}`, script)),
        ...Array.from({ length: 2 }, async () => {
          opened.push(await open(() => world.open({ url: database.url })));
        }),
      ]);
      await allSeeAll(opened, ledger);
    } finally {
      await Promise.allSettled(opened.map((handle) => handle.close()));
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
  for (const _ of script) {
    await own.write(handle, () => false);
    await common.write(handle, () => false);
  }
}

/** @throws Violation unless everything is there, and the same for all */
async function allSeeAll(handles: readonly Handle[], ledger: Ledger): Promise<void> {
  const ids = ledger.ids;
  let first: readonly (Head | undefined)[] | undefined;
  for (const handle of handles) {
    const heads = await audit(handle, ledger, ids);
    first ??= heads;
    demandEqual(heads, first, "DUR-5", `what handle ${handle.lane} sees`);
  }
}

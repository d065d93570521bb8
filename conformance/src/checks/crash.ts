import fc from "fast-check";
import { audit, probeKey, resolve } from "../crash/audit.js";
import { check, type Check } from "../check.js";
import { DriverProcess, ProcessEndedError } from "../crash/driver-process.js";
import type { Death } from "../crash/protocol.js";
import { Writer, moves, startingAt, type Move } from "../crash/writer.js";
import { Handle } from "../handle.js";
import { Ledger } from "../crash/ledger.js";
import type { DriverUnderTest } from "../subject.js";
import { Violation } from "../violation.js";
import type { World } from "../world.js";

/** A commit whose outcome stays unknown, although nothing is wrong any more, is handed over this often. */
const RESUBMISSIONS = 20;

const death: fc.Arbitrary<Death> = fc.record({
  when: fc.oneof(
    { weight: 2, arbitrary: fc.constant("invoked" as const) },
    { weight: 2, arbitrary: fc.constant("outside" as const) },
    { weight: 1, arbitrary: fc.constant("answered" as const) },
  ),
  commit: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 30 })),
  later: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1.5, noNaN: true })),
});

/** Right after an acknowledgement, too: whatever the driver still meant to write is not written any more. */
const deaths = fc
  .tuple(fc.array(death, { minLength: 3, maxLength: 3 }), fc.integer({ min: 1, max: 12 }), fc.nat({ max: 3 }))
  .map(([some, commit, at]) => some.toSpliced(at, 0, { when: "answered", commit, later: 0 }));

interface Plan {
  /** One round of each process for each. */
  readonly deaths: readonly Death[];
  readonly moves: readonly Move[];
}

/** Processes that are killed while they commit. */
export const CRASH: readonly Check[] = [
  check({
    name: "crash-killed-process",
    invariants: ["DUR-1", "DUR-2"],
    mode: "crash",
    needs: ["durable"],
    runs: 3,
    // A smaller case dies somewhere else: it is no simpler, and each takes a second.
    arbitrary: fc.noShrink(fc.record({ deaths, moves })),
    run: (world, plan) => crash(world, plan),
  }),
];

/** The module that processes import. @throws Error where the subject names none */
export function moduleOf({ name, module }: DriverUnderTest): string {
  if (module !== undefined) return module;
  throw new Error(
    `the driver ${name} claims to be durable, and processes that open it have to be killed: ` +
      "add `module: import.meta.url` to a module that exports the driver under test by default",
  );
}

async function crash(world: World, plan: Plan): Promise<void> {
  const module = moduleOf(world.subject);
  const ledger = new Ledger({ lost: "DUR-1", partial: "DUR-2", refused: "CAS-7" });
  const crews = Array.from({ length: world.subject.traits.shared ? 2 : 1 }, (_, process) =>
    crew(world, plan.moves, ledger, process),
  );
  const recover = (driver: Handle, round: number): Promise<void> =>
    recovered(driver, ledger, crews.flat(), `round ${round}`);
  for (const [round, order] of plan.deaths.entries()) {
    const processes = await start(world, module, crews.length, round);
    try {
      const handles = processes.map((process, n) => new Handle(process, `P${n + 1}`, world.history, true));
      if (handles[0] !== undefined) await recover(handles[0], round);
      await Promise.all(
        processes.map(async (process, n) => {
          const handle = handles[n];
          if (handle === undefined) return;
          // Not all in the same way at once.
          process.die(plan.deaths[(round + n) % plan.deaths.length] ?? order);
          await Promise.all((crews[n] ?? []).map((writer) => writeUntilKilled(writer, handle)));
          world.history.note(handle.lane, "killed");
        }),
      );
    } finally {
      await Promise.all(processes.map((process) => process.kill()));
    }
  }
  const handle = await opened(world, () => world.open());
  await recover(handle, plan.deaths.length);
  for (const writer of crews.flat()) await writer.write(handle, () => false);
  await audit(handle, ledger);
}

/** The writers of one process: alone, with several conversations in one call, and against other processes. */
function crew(world: World, script: readonly Move[], ledger: Ledger, process: number): readonly Writer[] {
  const own = (name: string): string => world.id(`${process}${name}`);
  const from = (at: number): readonly Move[] => startingAt(script, at);
  const writers = [
    new Writer(`${process}a`, [own("a")], ledger, script),
    new Writer(`${process}b`, [own("b")], ledger, oftenPurged(from(2))),
    new Writer(`${process}c`, [own("c"), own("d"), own("e")], ledger, from(4)),
  ];
  if (world.subject.traits.shared) {
    writers.push(new Writer(`${process}s`, [world.id("s")], ledger, from(1), false));
  }
  return writers;
}

/** So that some process is killed while nothing but the head of a conversation is left. */
function oftenPurged(script: readonly Move[]): readonly Move[] {
  return script.flatMap((move) => [move, { kind: "purge", count: 1, size: 1 }]);
}

async function start(
  world: World,
  module: string,
  count: number,
  round: number,
): Promise<readonly DriverProcess[]> {
  const begun = await Promise.allSettled(Array.from({ length: count }, () => DriverProcess.start(module)));
  const processes = begun.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  try {
    for (const start of begun) if (start.status === "rejected") throw start.reason;
    const open = (): Promise<unknown> => Promise.all(processes.map((process) => process.open(world.url)));
    if (round === 0) await open();
    else await opened(world, open);
    return processes;
  } catch (error) {
    await Promise.all(processes.map((process) => process.kill()));
    throw error;
  }
}

/** @throws Violation where the database cannot be opened after the kill */
async function opened<T>(world: World, open: () => Promise<T>): Promise<T> {
  world.history.note("kit", "open again");
  try {
    return await open();
  } catch (error) {
    if (error instanceof Violation) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Violation("DUR-1", `after a kill the database cannot be opened: ${reason}`, { cause: error });
  }
}

/** Looks at what the kill left, settles what it left open, and looks again. */
async function recovered(
  driver: Handle,
  ledger: Ledger,
  writers: readonly Writer[],
  round: string,
): Promise<void> {
  await quietly(async () => {
    await audit(driver, ledger);
    await Promise.all(
      ledger.ids.map((id) => resolve(ledger, id, (attempt) => resubmitted(driver, ledger, attempt))),
    );
    const ids = ledger.ids;
    const heads = new Map((await audit(driver, ledger, ids)).map((head, n) => [ids[n], head]));
    for (const writer of writers) for (const id of writer.ids) writer.learn(id, heads.get(id));
    await Promise.all(
      writers.flatMap((writer) =>
        writer.ids.map(async (id) => {
          const head = heads.get(id);
          if (head !== undefined && !head.purged) {
            await probeKey(driver, ledger, id, head, `probe of ${id} in ${round}`);
          }
        }),
      ),
    );
  });
}

async function resubmitted(
  driver: Handle,
  ledger: Ledger,
  attempt: Parameters<Ledger["submit"]>[1][number],
): Promise<string> {
  for (let time = 0; time < RESUBMISSIONS; time++) {
    const [outcome] = await ledger.submit(driver, [attempt]);
    if (outcome !== undefined && outcome.status !== "unknown") return outcome.status;
  }
  throw new Violation(
    "ERR-2",
    `a commit is still unknown after ${RESUBMISSIONS} times, although nothing is wrong`,
  );
}

async function writeUntilKilled(writer: Writer, driver: Handle): Promise<void> {
  const ended = (error: unknown): boolean => error instanceof ProcessEndedError;
  await quietly(async () => {
    try {
      for (;;) await writer.write(driver, ended);
    } catch (error) {
      if (!ended(error)) throw error;
    }
  });
}

/** Nothing is wrong here, so that nothing may reject. @throws Violation for whatever does */
async function quietly(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Violation || error instanceof ProcessEndedError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Violation("ERR-2", `a call rejected although nothing was wrong: ${reason}`, { cause: error });
  }
}

import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { check, type Check } from "../check.js";
import { commitOn } from "../commits.js";
import { audit } from "../crash/audit.js";
import { Ledger } from "../crash/ledger.js";
import { Writer, move, moves, startingAt, stepOf, type Move } from "../crash/writer.js";
import type { Handle } from "../handle.js";
import { readPage } from "../listing.js";
import { Lockstep } from "../lockstep.js";
import { Violation, demand, demandEqual } from "../violation.js";
import type { World } from "../world.js";

type Action =
  | { readonly do: "commit"; readonly conversation: number; readonly move: Move }
  | { readonly do: "stale" | "held"; readonly conversation: number }
  | { readonly do: "reopen" };

const REOPENED: Action = { do: "reopen" };
/** More than one run makes conversations. */
const WHOLE_LIST = 1000;

const conversation = fc.nat({ max: 2 });
const committed: fc.Arbitrary<Action> = fc.record({
  do: fc.constant("commit" as const),
  conversation,
  move: fc.oneof(
    { weight: 5, arbitrary: move },
    { weight: 1, arbitrary: fc.constant<Move>({ kind: "purge", count: 1, size: 1 }) },
  ),
});
const refused: fc.Arbitrary<Action> = fc.record({
  do: fc.constantFrom("stale" as const, "held" as const),
  conversation,
});
const action = fc.oneof({ weight: 3, arbitrary: committed }, { weight: 1, arbitrary: refused });

/** Closed and opened anywhere in between, and once for certain when there is something to lose. */
const actions: fc.Arbitrary<readonly Action[]> = fc
  .tuple(
    fc.array(action, { minLength: 3, maxLength: 14 }),
    fc.array(fc.nat({ max: 14 }), { maxLength: 2 }),
    committed,
    fc.array(action, { minLength: 1, maxLength: 4 }),
  )
  .map(([before, places, last, after]): readonly Action[] => {
    const mixed = [...before];
    for (const place of places) mixed.splice(Math.min(place, mixed.length), 0, REOPENED);
    return [...mixed, last, REOPENED, ...after, REOPENED];
  });

/** Closing, while nothing or much is going on, and opening again. */
export const REOPEN: readonly Check[] = [
  check({
    name: "reopen-anywhere",
    invariants: ["DUR-3"],
    mode: "reopen",
    needs: ["durable"],
    runs: 12,
    arbitrary: actions,
    run: async (world, plan) => {
      const session = await Session.open(world);
      for (const [step, what] of plan.entries()) await session.play(what, `s${step}`);
    },
  }),
  check({
    name: "close-while-committing",
    invariants: ["DUR-4", "ERR-1"],
    mode: "race",
    runs: 8,
    arbitrary: fc.record({
      script: moves,
      rounds: fc.integer({ min: 0, max: 3 }),
      writers: fc.integer({ min: 2, max: 6 }),
      turns: fc.nat({ max: 3 }),
    }),
    run: (world, plan) => closeWhileCommitting(world, plan),
  }),
];

/** One handle after the other on one database, compared with what it should show. */
class Session {
  readonly #world: World;
  /** The one that is open. */
  readonly #handles: Handle[];
  readonly #lockstep: Lockstep;
  readonly #ids: readonly string[];
  readonly #label: string;
  #reopened = false;

  private constructor(world: World, handle: Handle) {
    this.#world = world;
    this.#handles = [handle];
    this.#lockstep = new Lockstep(this.#handles);
    this.#ids = ["a", "b", "c"].map((name) => world.id(name));
    this.#label = `run=${world.id("")}`;
  }

  static async open(world: World): Promise<Session> {
    return new Session(world, await world.open());
  }

  async play(action: Action, token: string): Promise<void> {
    if (action.do === "reopen") return this.#reopen();
    const { model } = this.#lockstep;
    const id = this.#ids[action.conversation] ?? "";
    const before = model.head(id);
    // Before the first reopening nothing can be put down to it.
    const options = this.#reopened ? { blame: "DUR-3" as const } : {};
    switch (action.do) {
      case "commit": {
        const labels = [this.#label];
        const { head } = await this.#lockstep.step(
          id,
          { labels, ...stepOf(action.move, before, token) },
          options,
        );
        if (head.firstSeq > 1) await this.#lockstep.prune(id, head.firstSeq);
        return;
      }
      case "stale": {
        const older = model.landed(id).at(-2)?.head;
        await this.#lockstep.commit([commitOn(older, id, { token, messages: ['"stale"'] })], options);
        return;
      }
      case "held":
        return this.#again(id, token, options);
    }
  }

  /** Tries a key that is held. */
  async #again(id: string, token: string, options: { readonly blame?: "DUR-3" }): Promise<void> {
    const { model } = this.#lockstep;
    const ever = model.landed(id).flatMap(({ keys }) => keys.map(({ key }) => key));
    const held = model.keys(id, ever).at(-1);
    if (held === undefined) return;
    const again = commitOn(model.head(id), id, { token, messages: ['"again"'], keys: [held.key] });
    await this.#lockstep.commit([again], options);
  }

  /** Looks at everything, closes, opens, and looks again: also at the rest of a list that was begun before. */
  async #reopen(): Promise<void> {
    const labels = [this.#label];
    await this.#lockstep.verify();
    const whole = await readPage(this.#lockstep.next(), { limit: WHOLE_LIST, labels });
    const begun = await readPage(this.#lockstep.next(), { limit: 1, labels });
    for (const handle of this.#handles.splice(0)) await handle.close();
    this.#handles.push(await reopened(this.#world));
    this.#reopened = true;
    await this.#lockstep.verify(undefined, { blame: "DUR-3" });
    await this.#lockstep.list(labels, WHOLE_LIST, { blame: "DUR-3" });
    for (const id of this.#ids) await this.#again(id, "again", { blame: "DUR-3" });
    const rest =
      begun.next === undefined
        ? []
        : (await readPage(this.#lockstep.next(), { limit: WHOLE_LIST, labels, after: begun.next }, "DUR-3"))
            .ids;
    demandEqual(
      [...begun.ids, ...rest],
      whole.ids,
      "DUR-3",
      "a list whose first page was read before closing and whose rest was read after opening",
    );
  }
}

/** @throws Violation where what was closed cannot be opened */
async function reopened(world: World): Promise<Handle> {
  try {
    return await world.open();
  } catch (error) {
    if (error instanceof Violation) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Violation("DUR-3", `after closing, the database cannot be opened: ${reason}`, { cause: error });
  }
}

interface Closing {
  readonly script: readonly Move[];
  /** Commits of each writer before. */
  readonly rounds: number;
  readonly writers: number;
  /** Of the event loop, from one commit to the next. The closing comes right after the last one. */
  readonly turns: number;
}

async function closeWhileCommitting(
  world: World,
  { script, rounds, writers, turns }: Closing,
): Promise<void> {
  const ledger = new Ledger({ lost: "DUR-4", partial: "DUR-4", refused: "DUR-4" });
  const { durable, shared } = world.subject.traits;
  // It stays open, and sees what the other one leaves behind.
  const witness = shared ? await world.handle() : undefined;
  const handle = await world.open({ mayFail: true });
  const all = Array.from({ length: writers }, (_, n) => {
    const ids = n % 2 === 0 ? [world.id(`${n}a`)] : [world.id(`${n}a`), world.id(`${n}b`)];
    return new Writer(`w${n}`, ids, ledger, startingAt(script, n));
  });
  for (let round = 0; round < rounds; round++) {
    await Promise.all(all.map((writer) => writer.write(handle, () => false)));
  }
  let answered = 0;
  const findings: unknown[] = [];
  const commit = async (writer: Writer): Promise<void> => {
    const attempts = writer.next();
    try {
      const outcomes = await ledger.submit(handle, attempts);
      const odd = outcomes.find(({ status }) => status !== "committed");
      demand(odd === undefined, "DUR-4", () => `a commit that was running at the close was ${odd?.status}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const what = `close() was called, and a commit that was running rejected: ${reason}`;
      findings.push(error instanceof Violation ? error : new Violation("DUR-4", what, { cause: error }));
    } finally {
      answered += 1;
    }
  };
  const running: Promise<void>[] = [];
  for (const [n, writer] of all.entries()) {
    for (let passed = 0; n > 0 && passed < turns; passed++) await turn();
    running.push(commit(writer));
  }
  await handle.close();
  // What was answered before the close is heard of a little later.
  await turn();
  await turn();
  const missing = running.length - answered;
  await Promise.all(running);
  if (findings.length > 0) throw findings[0];
  demand(
    missing === 0,
    "DUR-4",
    () => `close() was done while ${missing} calls of commit were still running`,
  );
  if (witness !== undefined) await audit(witness, ledger);
  if (durable) await audit(await world.open(), ledger);
}

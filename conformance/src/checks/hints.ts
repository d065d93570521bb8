import fc from "fast-check";
import type { Head } from "@fastpaca/core";
import { check, type Check } from "../check.js";
import { commitOn } from "../commits.js";
import { stepOf, type Move } from "../crash/writer.js";
import type { Handle } from "../handle.js";
import { Violation, demand, show } from "../violation.js";
import type { World } from "../world.js";

/** Hints may be lost: it commits this often before it gives up, and waits longer from time to time. */
const COMMITS = 20;
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 500;

interface Plan {
  /** What is committed to each conversation; the conversations of one call go together. */
  readonly calls: readonly (readonly Move[])[];
}

const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.constantFrom(
    "append" as const,
    "keyed" as const,
    "mark" as const,
    "metadata" as const,
    "purge" as const,
  ),
  count: fc.integer({ min: 1, max: 3 }),
  size: fc.integer({ min: 1, max: 50 }),
});

const plan: fc.Arbitrary<Plan> = fc.record({
  calls: fc.array(fc.array(move, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
});

/** Hints may be lost, late or doubled; but they come, and they end. */
export const HINTS: readonly Check[] = [
  check({
    name: "watch-hears-commits",
    invariants: ["WCH-1"],
    mode: "race",
    needs: ["watch", "shared"],
    runs: 6,
    arbitrary: fc.noShrink(plan),
    run: async (world, { calls }) => {
      const handles = await world.handles(2);
      const watches = await Promise.all(handles.map((handle) => Watch.start(handle)));
      try {
        for (const [n, handle] of handles.entries()) {
          for (const [call, moves] of calls.entries()) {
            const ids = moves.map((_, place) => world.id(`${n}.${call}.${place}`));
            await new Talk(handle, ids, moves).until(watches);
          }
        }
      } finally {
        await Promise.all(watches.map((watch) => watch.end()));
      }
    },
  }),
  check({
    name: "watch-ends",
    invariants: ["WCH-2", "WCH-1"],
    mode: "race",
    needs: ["watch", "shared"],
    runs: 6,
    arbitrary: fc.noShrink(fc.record({ plan, running: fc.boolean(), twice: fc.boolean() })),
    run: (world, { plan: { calls }, running, twice }) => endOne(world, calls, running, twice),
  }),
];

async function endOne(world: World, calls: Plan["calls"], running: boolean, twice: boolean): Promise<void> {
  const handles = await world.handles(2);
  const started: Watch[] = [];
  try {
    // Two on each handle, because they may have something in common.
    for (const handle of [...handles, ...handles]) started.push(await Watch.start(handle));
    const [ended, ...others] = started;
    // Not the one whose watch is ended, which would hear nothing of it.
    const [, handle] = handles;
    if (ended === undefined || handle === undefined) return;
    const talk = (name: string, by: Handle, moves: readonly Move[]): Talk =>
      new Talk(
        by,
        moves.map((_, place) => world.id(`${name}.${place}`)),
        moves,
      );
    for (const [call, moves] of calls.entries()) await talk(`before.${call}`, handle, moves).until(started);
    // It ends while hints are on their way to it.
    const meanwhile = talk("meanwhile", handle, calls[0] ?? []);
    if (!running) await meanwhile.commit();
    const [heard] = await Promise.all([
      ended.end().then(() => ended.calls),
      running ? meanwhile.commit() : undefined,
    ]);
    await meanwhile.until(others, "WCH-2");
    if (twice) await ended.end();
    for (const [n, by] of handles.entries()) {
      for (const [call, moves] of calls.entries()) {
        await talk(`after.${n}.${call}`, by, moves).until(others, "WCH-2");
      }
    }
    demand(
      ended.calls === heard,
      "WCH-2",
      () => `a watch that was ended heard of ${show(ended.latest)} afterwards`,
    );
  } finally {
    await Promise.all(started.map((watch) => watch.end()));
  }
}

/** What a watch has heard. */
class Watch {
  readonly #heard = new Set<string>();
  #waiting: (() => void)[] = [];
  #end: (() => Promise<void>) | undefined;
  #wrong: unknown;
  calls = 0;
  latest: unknown;
  readonly lane: string;

  private constructor(lane: string) {
    this.lane = lane;
  }

  static async start(handle: Handle): Promise<Watch> {
    const watch = new Watch(handle.lane);
    const end: unknown = await handle.watch((ids) => watch.#hear(ids));
    if (typeof end !== "function")
      throw new Violation("WCH-2", `watch resolved to ${show(end)}, which cannot be called`);
    watch.#end = () => handle.endWatch((): unknown => Reflect.apply(end, undefined, []));
    return watch;
  }

  /** @throws Violation if what it heard was no list of ids */
  has(ids: readonly string[]): boolean {
    if (this.#wrong !== undefined) {
      throw new Violation("WCH-1", `a watch heard ${show(this.#wrong)}, which is no list of ids`);
    }
    return ids.every((id) => this.#heard.has(id));
  }

  /** Waits for the next hint, but not for long. */
  async next(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#waiting.push(resolve);
    await promise;
    clearTimeout(timer);
  }

  async end(): Promise<void> {
    await this.#end?.();
  }

  #hear(ids: unknown): void {
    this.calls += 1;
    this.latest = ids;
    if (Array.isArray(ids) && ids.every((id) => typeof id === "string")) {
      for (const id of ids) this.#heard.add(id);
    } else {
      this.#wrong = ids;
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Commits to some conversations in one call, until all watches have heard of all of them. */
class Talk {
  readonly #handle: Handle;
  readonly #ids: readonly string[];
  readonly #moves: readonly Move[];
  readonly #heads = new Map<string, Head>();
  #commits = 0;

  constructor(handle: Handle, ids: readonly string[], moves: readonly Move[]) {
    this.#handle = handle;
    this.#ids = ids;
    this.#moves = moves;
  }

  /** Watches of the handle that commits are left out. @throws Violation if one hears of none of so many commits */
  async until(watches: readonly Watch[], blame: "WCH-1" | "WCH-2" = "WCH-1"): Promise<void> {
    // Whoever committed knows, and need not be told.
    const others = watches.filter(({ lane }) => lane !== this.#handle.lane);
    let wait = FIRST_WAIT_MS;
    for (let time = 0; time < COMMITS; time++) {
      await this.commit();
      const end = performance.now() + wait;
      for (let left = wait; left > 0; left = end - performance.now()) {
        const deaf = others.find((watch) => !watch.has(this.#ids));
        if (deaf === undefined) return;
        await deaf.next(left);
      }
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
    const deaf = others.find((watch) => !watch.has(this.#ids));
    demand(
      deaf === undefined,
      blame,
      () =>
        `a watch of handle ${deaf?.lane} has not heard of ${show(this.#ids, 100)}, to which handle ` +
        `${this.#handle.lane} committed ${COMMITS} times`,
    );
  }

  async commit(): Promise<void> {
    const time = (this.#commits += 1);
    const commits = this.#ids.map((id, n) => {
      const before = this.#heads.get(id);
      const move = this.#moves[n] ?? { kind: "append", count: 1, size: 1 };
      return commitOn(before, id, stepOf(move, before, `${id}.${time}`));
    });
    const outcomes = await this.#handle.commit(commits);
    for (const [n, { id, head }] of commits.entries()) {
      demand(
        outcomes[n]?.status === "committed",
        "CAS-1",
        () => `a commit on the stored revision was ${show(outcomes[n])}`,
      );
      this.#heads.set(id, head);
    }
  }
}

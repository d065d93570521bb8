/** One history, played to a store and to the model at once. */
import { createStore, type Driver, type Estimator, type Mark, type Store } from "@fastpaca/core";
import type { Parameters } from "fast-check";
import { expect } from "vitest";
import { askModel, askStore, isRead, type Call, type Outcome } from "./calls.js";
import { FULL_PACE, type Pace } from "./http/backends.js";
import { idOf, Resolver, type Intent } from "./intents.js";
import { Model, type Surface } from "./model.js";

/** Simple enough to be worked out in one's head; takes no part in what is tested. */
export const estimate: Estimator = ({ role, parts }) => role.length + 3 * parts.length;

const SURFACES: readonly Surface[] = ["contexts", "conversations"];

export interface Setup {
  readonly driver: Driver;
  /** One for each store over the driver. */
  readonly drivers: readonly Driver[];
  readonly cacheBytes?: number;
}

export class Runner implements AsyncDisposable {
  readonly #model = new Model(estimate);
  readonly #resolver = new Resolver(this.#model);
  readonly #driver: Driver;
  readonly #stores: readonly Store[];
  readonly #ids = new Set<string>();
  readonly #trace: string[] = [];
  /** The latest revision seen of each conversation. */
  readonly #revisions = new Map<string, number>();
  #now = Date.UTC(2026, 0, 1);
  #steps = 0;

  constructor({ driver, drivers, cacheBytes }: Setup) {
    this.#driver = driver;
    const clock = (): number => this.#now;
    this.#stores = drivers.map((driver) =>
      createStore({
        driver,
        clock,
        estimator: estimate,
        cacheBytes,
        onError: (error) => {
          throw error;
        },
      }),
    );
  }

  /** One call after the other; after each, all that can be read of its conversation is compared. */
  async playInTurn(intents: readonly Intent[]): Promise<void> {
    for (const intent of intents) {
      const store = this.#next();
      const call = this.#resolver.resolve(intent);
      const expected = askModel(this.#model, call);
      this.#same(await askStore(store, call), expected, call);
      await this.#compare(call.id, true);
    }
  }

  /**
   * All calls of a burst at once, to one store. Writes of one conversation are done in the order in which they were
   * called; a read sees what some of them have done, from the first on, and at least what was done before the burst.
   */
  async playInBursts(bursts: readonly (readonly Intent[])[]): Promise<void> {
    for (const burst of bursts) {
      const store = this.#next();
      const calls = this.#foretell(burst);
      const outcomes = await Promise.all(calls.map(({ call }) => askStore(store, call)));
      for (const [at, { call, allowed }] of calls.entries()) {
        const outcome = outcomes[at];
        const met = allowed.find((expected) => JSON.stringify(expected) === JSON.stringify(outcome));
        this.#same(outcome, met ?? allowed.at(-1), call);
      }
      for (const id of new Set(burst.map(({ target }) => idOf(target)))) await this.#compare(id, false);
    }
  }

  /** The calls of a burst, each with the outcomes that it may have; the model has done all of them afterwards. */
  #foretell(burst: readonly Intent[]): { call: Call; allowed: Outcome[] }[] {
    const reads = burst
      .filter(isRead)
      .map((intent) => ({ call: this.#resolver.resolve(intent), allowed: [] as Outcome[] }));
    const look = (): void => {
      for (const { call, allowed } of reads) allowed.push(askModel(this.#model, call));
    };
    look();
    const writes = burst
      .filter((intent) => !isRead(intent))
      .map((intent) => {
        const call = this.#resolver.resolve(intent);
        const allowed = [askModel(this.#model, call)];
        look();
        return { call, allowed };
      });
    // Reads among the writes: before some, behind others.
    return writes.flatMap((write, at) => [...reads.filter((_, i) => i % writes.length === at), write]);
  }

  /** Compares all conversations, and what the driver holds of them. */
  async finish(): Promise<void> {
    for (const id of this.#ids) {
      await this.#compare(id, false);
      const held = askModel(this.#model, { id, op: "get", surface: "conversations", input: undefined });
      const marks = await this.#driver.marks(id, 0, Number.MAX_SAFE_INTEGER);
      if ("error" in held) {
        expect(marks, "marks of a conversation that is gone").toEqual([]);
      } else {
        expect(marks.filter(({ kind }) => kind === "compaction").map(rangeOf)).toEqual(
          this.#model.ranges(id),
        );
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores) await store.close();
  }

  #next(): Store {
    const store = this.#stores[this.#steps % this.#stores.length];
    if (store === undefined) throw new Error("no store");
    this.#steps += 1;
    this.#now += 1 + (this.#steps % 3) * 500;
    this.#model.now = this.#now;
    return store;
  }

  async #compare(id: string, eachCommit: boolean): Promise<void> {
    const store = this.#next();
    for (const surface of SURFACES) {
      const record: Call = { id, op: "get", surface, input: undefined };
      this.#same(await askStore(store, record), askModel(this.#model, record), record);
    }
    const context: Call = { id, op: "context", input: {} };
    this.#same(await askStore(store, context), askModel(this.#model, context), context);
    const log: Call = { id, op: "replay", surface: "conversations", input: { limit: 1000 } };
    this.#same(await askStore(store, log), askModel(this.#model, log), log);
    // Parts of the log, which a cache may answer otherwise than all of it.
    const tail: Call = { id, op: "tail", surface: "conversations", input: { offset: 1, limit: 3 } };
    this.#same(await askStore(store, tail), askModel(this.#model, tail), tail);
    const start: Call = { id, op: "replay", surface: "conversations", input: { limit: 4 } };
    this.#same(await askStore(store, start), askModel(this.#model, start), start);
    await this.#compareRevision(store, id, eachCommit);
  }

  /** In turn, each write that changes something is one commit; in a burst, one commit may hold several. */
  async #compareRevision(store: Store, id: string, eachCommit: boolean): Promise<void> {
    const [head] = await this.#driver.heads([id]);
    const revision = head?.revision ?? 0;
    const before = this.#revisions.get(id) ?? 0;
    this.#revisions.set(id, revision);
    const most = this.#model.revision(id);
    if (eachCommit) expect(revision, this.#story("revision")).toBe(most);
    expect(revision, this.#story("revision")).toBeLessThanOrEqual(most);
    expect(revision, this.#story("revision")).toBeGreaterThanOrEqual(before);
    if (head !== undefined && !head.purged) {
      expect((await store.conversations.get(id)).revision).toBe(revision);
    }
  }

  #same(actual: Outcome | undefined, expected: Outcome | undefined, call: Call): void {
    this.#ids.add(call.id);
    const line = `${JSON.stringify(call)} → ${expected !== undefined && "error" in expected ? expected.error : "ok"}`;
    if (this.#trace.at(-1) !== line) this.#trace.push(line);
    expect(actual, this.#story("the store and the model differ")).toEqual(expected);
  }

  #story(problem: string): string {
    const calls = this.#trace.filter(
      (line) => !/^\{"id":"[^"]*","op":"(get|tail|replay|context)".*→ ok$/.test(line),
    );
    return `${problem} after\n${[...calls, this.#trace.at(-1)].join("\n")}\n`;
  }
}

function rangeOf({ version, body }: Mark): { version: number; range: unknown } {
  // Bodies of compactions are written by the store as objects with a range; a body without one fails the comparison.
  const { range } = JSON.parse(body) as { range?: unknown };
  return { version, range };
}

/** Longest that one property may take, in milliseconds, shrinking included; what is found until then is reported. */
const PROPERTY_TIMEOUT = 90_000;

/**
 * How a property is run: a seed and a path that were printed by a failure are taken from the environment.
 * @param numRuns at full pace
 */
export function parameters(
  numRuns: number,
  { histories, patience }: Pace = FULL_PACE,
): Pick<
  Parameters,
  "numRuns" | "timeout" | "interruptAfterTimeLimit" | "markInterruptAsFailure" | "seed" | "path"
> {
  const { FASTPACA_SEED: seed, FASTPACA_PATH: path, FASTPACA_RUNS: factor } = process.env;
  return {
    numRuns: Math.ceil(numRuns * histories * Number(factor ?? 1)),
    timeout: patience,
    interruptAfterTimeLimit: PROPERTY_TIMEOUT,
    markInterruptAsFailure: true,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}

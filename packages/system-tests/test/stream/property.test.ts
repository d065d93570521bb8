import { FastpacaError, type Store } from "@fastpaca/core";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parameters } from "../runner.js";
import { Subscriber } from "./subscriber.js";
import { soon, turns, World, type WorldOptions } from "./world.js";

const ID = "c";
/** More than a feed keeps of the newest events, by number and by size. */
const MANY = 600;
const LARGE = 900_000;

type Step =
  | { readonly do: "append"; readonly count: number; readonly large: boolean }
  | { readonly do: "compact" | "reset" | "patch" | "tombstone" | "purge" | "create" | "poll" }
  | { readonly do: "configure"; readonly budget: number; readonly limit: number }
  | { readonly do: "trim"; readonly share: number }
  | {
      readonly do: "subscribe";
      readonly context: boolean;
      readonly messages: boolean;
      readonly from: "now" | "start" | "before" | "end" | "beyond";
      readonly back: number;
    }
  | { readonly do: "read" | "hurry" | "leave" | "return"; readonly who: number };

interface Turn {
  readonly step: Step;
  /** Which store is asked. */
  readonly by: number;
  /** Turns of the event loop until the next one; undefined: until this one is done. */
  readonly wait: number | undefined;
}

type Kind = "events" | "lives" | "trims";

function steps(kinds: readonly Kind[]): fc.Arbitrary<Step> {
  const who = fc.nat(7);
  const common: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant("append"),
        count: fc.integer({ min: 1, max: 4 }),
        large: fc.constant(false),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ do: "append", count: MANY, large: false }) },
    { weight: 1, arbitrary: fc.constant({ do: "append", count: 3, large: true }) },
    { weight: 5, arbitrary: fc.constantFrom({ do: "compact" }, { do: "reset" }) },
    { weight: 3, arbitrary: fc.constantFrom({ do: "patch" }, { do: "poll" }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("configure"),
        budget: fc.integer({ min: 1, max: 20 }),
        limit: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("subscribe"),
        context: fc.boolean(),
        messages: fc.boolean(),
        from: fc.constantFrom("now", "start", "before", "end", "beyond"),
        back: fc.integer({ min: 1, max: 40 }),
      }),
    },
    { weight: 10, arbitrary: fc.record({ do: fc.constant("read"), who }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("hurry"), who }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("leave"), who }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("return"), who }) },
  ];
  const lives: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        { do: "purge" },
        { do: "tombstone" },
        { do: "create" },
        { do: "create" },
        { do: "create" },
      ),
    },
  ];
  const trims: fc.WeightedArbitrary<Step>[] = [
    { weight: 4, arbitrary: fc.record({ do: fc.constant("trim"), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  ];
  return fc.oneof(
    ...common,
    ...(kinds.includes("lives") ? lives : []),
    ...(kinds.includes("trims") ? trims : []),
  );
}

function turnsOf(kinds: readonly Kind[]): fc.Arbitrary<Turn[]> {
  const turn = fc.record({
    step: steps(kinds),
    by: fc.nat(1),
    wait: fc.option(fc.nat(6), { nil: undefined }),
  });
  return fc.array(turn, { minLength: 5, maxLength: 60, size: "max" });
}

/** What happens to one conversation, and to those who watch it. */
class Play {
  readonly #world: World;
  readonly #running = new Set<Promise<void>>();
  readonly #subscribers: Subscriber[] = [];
  /** How each of them subscribes. */
  readonly #ways: (Step & { do: "subscribe" })[] = [];
  #count = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async begin(): Promise<void> {
    await this.#world.store(0).contexts.put(ID, { policy: { strategy: "last_n", config: { limit: 4 } } });
  }

  async take({ step, by, wait }: Turn): Promise<void> {
    const store = this.#world.store(by);
    // Which life a stream belongs to would else be a matter of luck.
    const alone = step.do === "purge" || step.do === "create" || step.do === "subscribe" || step.do === "return";
    if (alone) await this.#idle();
    const doing = this.#do(step, store);
    if (wait === undefined || alone) await doing;
    else {
      this.#running.add(doing);
      void doing.finally(() => this.#running.delete(doing)).catch(() => undefined);
      await turns(wait);
    }
  }

  /** Everybody hears of everything, without another word. */
  async finish(): Promise<void> {
    await this.#idle();
    for (const subscriber of this.#subscribers) subscriber.hurry();
    for (let round = 0; round < 200; round++) {
      for (const subscriber of this.#subscribers) subscriber.expectWell();
      if (this.#subscribers.every(({ checker }) => checker.complete)) break;
      this.#world.poll();
      await turns(10);
    }
    // What comes now would be too much.
    this.#world.poll();
    await turns(10);
    for (const subscriber of this.#subscribers) {
      subscriber.expectWell();
      await subscriber.checker.finish();
      subscriber.close();
    }
    const { looks } = this.#world;
    this.#world.poll();
    await turns(20);
    expect(this.#world.looks, "nobody looks at what nobody watches").toBe(looks);
  }

  async #idle(): Promise<void> {
    await soon(Promise.all(this.#running), "what was asked for");
  }

  async #do(step: Step, store: Store): Promise<void> {
    try {
      await this.#ask(step, store);
    } catch (error) {
      // Others may have been there before: it is what the store answers then.
      const refused = error instanceof FastpacaError && error.status < 500;
      if (!refused) throw error;
    }
  }

  async #ask(step: Step, store: Store): Promise<unknown> {
    const { contexts, conversations } = store;
    switch (step.do) {
      case "append":
        return conversations.append(ID, { messages: Array.from({ length: step.count }, () => this.#message(step.large)) });
      case "compact":
        return contexts.compact(ID, { replacement: [this.#message(false)] });
      case "reset":
        return contexts.reset(ID);
      case "patch":
        return conversations.patchMetadata(ID, { metadata: { n: (this.#count += 1) } });
      case "configure":
        return contexts.put(ID, {
          token_budget: step.budget,
          policy: { strategy: "last_n", config: { limit: step.limit } },
        });
      case "tombstone":
        return conversations.remove(ID);
      case "purge":
        return conversations.remove(ID, { purge: true });
      case "create":
        return this.#count++ % 2 === 0 ? contexts.put(ID) : conversations.put(ID);
      case "poll":
        return this.#world.poll();
      case "trim":
        return this.#trim(store, step.share);
      case "subscribe":
        return this.#subscribe(step, store, this.#cursor(step));
      default:
        return this.#visit(step, store);
    }
  }

  /** Up to the oldest message that the window still holds, at most. */
  async #trim(store: Store, share: number): Promise<void> {
    const [head] = await this.#world.database.heads([ID]);
    const { text } = await store.contexts.context(ID);
    const window: { segments: { type: string; from_seq: number }[] } = JSON.parse(text);
    const live = window.segments.find(({ type }) => type === "live");
    if (head === undefined || live === undefined) return;
    await this.#world.trim(ID, head.firstSeq + Math.round(share * (live.from_seq - head.firstSeq)));
  }

  #message(large: boolean): { role: string; parts: { type: string; text: string }[]; token_count: number } {
    this.#count += 1;
    const text = large ? `${this.#count}`.padEnd(LARGE, "x") : `${this.#count}`;
    return { role: "user", parts: [{ type: "text", text }], token_count: 1 };
  }

  #cursor({ from, back }: Step & { do: "subscribe" }): number | undefined {
    const { version } = this.#world.record.life(ID);
    switch (from) {
      case "now":
        return undefined;
      case "start":
        return 0;
      case "before":
        return Math.max(0, version - back);
      case "end":
        return version;
      case "beyond":
        return version + back;
    }
  }

  async #subscribe(way: Step & { do: "subscribe" }, store: Store, cursor: number | undefined): Promise<void> {
    const { context, messages } = way;
    const log = context ? store.contexts : store.conversations;
    const least = this.#world.record.life(ID).version;
    const subscription = await log.subscribe(ID, {
      ...(cursor !== undefined && { cursor }),
      include_messages: messages,
    });
    const life = this.#world.record.life(ID);
    const opened = [least, life.version] as const;
    this.#subscribers.push(new Subscriber(subscription, life, { cursor, opened, context, messages }));
    this.#ways.push(way);
  }

  async #visit(step: Step & { who: number }, store: Store): Promise<void> {
    const at = step.who % Math.max(1, this.#subscribers.length);
    const subscriber = this.#subscribers[at];
    const way = this.#ways[at];
    if (subscriber === undefined || way === undefined) return;
    subscriber.expectWell();
    if (step.do === "read") return subscriber.read();
    if (step.do === "hurry") return subscriber.hurry();
    subscriber.close();
    this.#subscribers.splice(at, 1);
    this.#ways.splice(at, 1);
    const { checker } = subscriber;
    await checker.expectStates();
    if (step.do === "return" && !checker.ended) await this.#subscribe(way, store, checker.cursor);
  }
}

interface Setting {
  readonly name: string;
  readonly stores: number;
  readonly kinds: readonly Kind[];
  readonly slow: boolean;
  readonly runs: number;
}

const SETTINGS: readonly Setting[] = [
  { name: "one store, in one life", stores: 1, kinds: ["events"], slow: false, runs: 100 },
  { name: "one store, over a slow database", stores: 1, kinds: ["events"], slow: true, runs: 100 },
  { name: "one store, through lives", stores: 1, kinds: ["events", "lives"], slow: true, runs: 100 },
  { name: "two stores, in one life", stores: 2, kinds: ["events"], slow: true, runs: 100 },
  { name: "two stores, through lives", stores: 2, kinds: ["events", "lives"], slow: true, runs: 100 },
  { name: "two stores, trimmed", stores: 2, kinds: ["events", "trims"], slow: true, runs: 100 },
  { name: "two stores, through lives and trimmed", stores: 2, kinds: ["events", "lives", "trims"], slow: true, runs: 100 },
];

describe("what subscribers are told is the log behind their cursors", { timeout: 120_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each(SETTINGS)("of $name", async ({ stores, kinds, slow, runs }) => {
    const options: fc.Arbitrary<WorldOptions> = fc.record({
      stores: fc.constant(stores),
      cacheBytes: fc.constantFrom(undefined, 0),
      delays: slow ? fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1 }) : fc.constant([]),
      hints: fc.array(fc.constantFrom("prompt", "late", "lost", "doubled"), { minLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(options, turnsOf(kinds), async (options, turns) => {
        await using world = new World(options);
        const play = new Play(world);
        await play.begin();
        for (const turn of turns) await play.take(turn);
        await play.finish();
      }),
      { ...parameters(runs), timeout: 10_000 },
    );
  });
});

import { FastpacaError, type Store } from "@fastpaca/core";
import { expect } from "vitest";
import type { Step, Turn } from "./steps.js";
import { Subscriber } from "./subscriber.js";
import { soon, turns, type World } from "./world.js";

const ID = "c";
/** Three of these are more than a feed keeps. */
const LARGE = 900_000;

/** What happens to one conversation, and to those who watch it. */
export class Play {
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
    const alone =
      step.do === "purge" || step.do === "create" || step.do === "subscribe" || step.do === "return";
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
    for (let round = 0; round < 2000; round++) {
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
    // What is under way comes to its end.
    let looks = -1;
    while (looks !== this.#world.looks) {
      ({ looks } = this.#world);
      await turns(100);
    }
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
        return conversations.append(ID, {
          messages: Array.from({ length: step.count }, () => this.#message(step.large)),
        });
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
      case "read":
      case "hurry":
      case "leave":
      case "return":
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

import type { Frame, Subscription } from "@fastpaca/core";
import { expect } from "vitest";
import { Checker, type Expected } from "./checker.js";
import type { Life, StreamFrame } from "./log-record.js";

/** Somebody who reads a subscription of a store as fast or as slowly as a test likes, and is held to the log. */
export class Subscriber {
  readonly checker: Checker;
  readonly #subscription: Subscription;
  #reading = false;
  #failure: { readonly error: unknown } | undefined;
  #closed = false;
  #fast = false;

  constructor(subscription: Subscription, life: Life, expected: Expected) {
    this.#subscription = subscription;
    this.checker = new Checker(life, expected);
  }

  /** Asks once, unless an answer is awaited already. */
  read(): void {
    if (this.#reading || this.#closed || this.#failure !== undefined) return;
    this.#reading = true;
    this.#read().catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  /** Goes on asking from now on. */
  hurry(): void {
    this.#fast = true;
    this.read();
  }

  /** @throws what was wrong with anything that was read so far */
  expectWell(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  close(): void {
    this.#closed = true;
    this.#subscription.close();
  }

  async #read(): Promise<void> {
    const frames = await this.#subscription.next();
    this.#reading = false;
    if (this.#closed) return;
    const { ended } = this.checker;
    expect(frames.length === 0, "nothing more is told exactly behind the tombstone").toBe(ended);
    for (const frame of frames) this.checker.take(parse(frame));
    if (this.#fast && !ended) this.read();
  }
}

function parse({ type, json }: Frame): StreamFrame {
  const frame: StreamFrame = JSON.parse(json);
  expect(frame.type).toBe(type);
  return frame;
}

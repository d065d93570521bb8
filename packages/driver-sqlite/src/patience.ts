import { setTimeout as sleep } from "node:timers/promises";
import { isBusy } from "./failure.js";

/** Longest that anything waits for another connection's lock, in milliseconds: less than callers wait for an answer. */
export const PATIENCE = 4_000;
/** Longest pause between two tries, in milliseconds. */
const LONGEST_PAUSE = 10;

/**
 * Tries until no other connection is in the way, without blocking the thread in between.
 *
 * @param deadline on the clock of `performance.now`
 * @throws what the last try threw, "busy" when the deadline passed
 */
export async function whenFree<T>(deadline: number, body: () => T | Promise<T>): Promise<T> {
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    try {
      return await body();
    } catch (error) {
      if (!isBusy(error) || performance.now() + pause > deadline) throw error;
    }
    // Processes that wait for each other must not try in step.
    await sleep(pause * (0.5 + Math.random()));
  }
}

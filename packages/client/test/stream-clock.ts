import type { Clock } from "../src/pacing.js";

export interface StreamClock extends Clock {
  /** The pauses between attempts, which nobody has to wait for. */
  readonly pauses: number[];
  /** Watches for silence that go on now. */
  readonly watches: () => number;
  /** How often it was looked at. */
  readonly looks: () => number;
  /** Lets so many milliseconds pass. */
  advance(ms: number): void;
}

/** The least that is a watch for silence, and no pause. */
const WATCH = 60_000;

/** A clock on which pauses are over at once, unless they are `held`, and silence lasts until the test says so. */
export function streamClock({ random = 0.5, held = false } = {}): StreamClock {
  const pauses: number[] = [];
  const watches = new Map<() => void, number>();
  let now = Date.UTC(2025, 0, 1);
  let looks = 0;
  return {
    pauses,
    watches: () => watches.size,
    looks: () => looks,
    now: () => {
      looks++;
      return now;
    },
    random: () => random,
    sleep: (ms, signal) =>
      new Promise<void>((resolve, reject) => {
        signal?.throwIfAborted();
        const stop = () => {
          watches.delete(ring);
          reject(signal?.reason);
        };
        const ring = () => {
          watches.delete(ring);
          signal?.removeEventListener("abort", stop);
          resolve();
        };
        signal?.addEventListener("abort", stop, { once: true });
        if (ms >= WATCH) {
          watches.set(ring, now + ms);
          return;
        }
        pauses.push(ms);
        if (held) return;
        now += ms;
        setImmediate(ring);
      }),
    advance(ms) {
      now += ms;
      for (const [ring, at] of watches) if (at <= now) ring();
    },
  };
}

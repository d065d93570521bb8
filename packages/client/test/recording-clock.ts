import type { Clock } from "../src/pacing.js";

export interface RecordingClock extends Clock {
  readonly pauses: number[];
}

/** A clock that nobody has to wait for: pauses are written down, and moved over at once. */
export function recordingClock({ random = 0.5, now = Date.UTC(2025, 0, 1) } = {}): RecordingClock {
  const pauses: number[] = [];
  return {
    pauses,
    now: () => now,
    random: () => random,
    sleep: async (ms) => {
      pauses.push(ms);
      now += ms;
    },
  };
}

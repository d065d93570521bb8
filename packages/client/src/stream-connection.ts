import type { Clock } from "./pacing.js";
import type { StreamEvent } from "./stream-events.js";

/** One connection that a stream of events comes over. */
export interface StreamConnection {
  /**
   * The next event, as the server sent it. Signs of life and frames of unknown type are not among them.
   *
   * Undefined where this side ended the connection, because more had arrived than was taken: what is missing has to be
   * fetched over a new one.
   *
   * @throws FastpacaError why the connection is lost, once all that had arrived before was taken
   */
  next(): Promise<StreamEvent | undefined>;
  /** Ends the connection at once, and whatever waits for it. May be called again. */
  close(): void;
}

/** What every connection needs, whatever it runs over. */
export interface ConnectionOptions {
  /** The call, for errors. */
  readonly name: string;
  /** Milliseconds in which it must have been opened. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Milliseconds without anything after which a peer is given up; it pings every 30 seconds. */
const LONGEST_SILENCE = 75_000;

/**
 * Calls `onSilence` once nothing was heard for {@link LONGEST_SILENCE}, and at most once.
 *
 * @param heardAt when something was heard last, as the clock shows it
 * @param signal ends the watching
 */
export function watchSilence(
  clock: Clock,
  heardAt: () => number,
  signal: AbortSignal,
  onSilence: () => void,
): void {
  const watch = async () => {
    // One timer for all frames: it looks only when it rings. Never longer than the limit, in case the clock is set back.
    let rest = LONGEST_SILENCE;
    while (rest > 0) {
      await clock.sleep(rest, signal);
      rest = Math.min(LONGEST_SILENCE, heardAt() + LONGEST_SILENCE - clock.now());
    }
    onSilence();
  };
  watch().catch(() => {
    // The connection was closed, so nobody watches any more.
  });
}

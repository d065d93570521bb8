/** Time and chance, so that tests can replace them. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason as soon as that is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** At least 0, less than 1. */
  random(): number;
}

/** The real ones. */
export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms);
      signal?.addEventListener("abort", stop, { once: true });
    }),
};

/** Longest pause before the first retry; it doubles with each further one. In milliseconds. */
const FIRST_PAUSE = 200;
/** Longest pause that is chosen here. In milliseconds. */
export const LONGEST_PAUSE = 10_000;
/** Longest pause that a server is granted. In milliseconds. */
const LONGEST_RETRY_AFTER = 30_000;

/**
 * Milliseconds to wait before a retry: exponential backoff with full jitter, on top of what the server asked for.
 * Without the jitter, all clients that a server sent away would come back together.
 *
 * @param retry 1 for the first
 * @param random at least 0, less than 1
 */
export function pauseBefore(retry: number, retryAfterMs: number | undefined, random: number): number {
  const jitter = random * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (retry - 1));
  return Math.min(retryAfterMs ?? 0, LONGEST_RETRY_AFTER) + jitter;
}

/** What a `Retry-After` header asks for, seconds or an HTTP date; undefined where it is neither. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d+(\.\d+)?$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

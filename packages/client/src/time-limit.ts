import { FastpacaError, invalidArgument } from "./errors.js";

/** @throws FastpacaError `invalid_request` unless `value` is a time that timers can measure */
export function checkMilliseconds(name: string, value: number): void {
  // Timers of more than 31 bits fire at once.
  if (!(value > 0 && value < 2 ** 31)) {
    throw invalidArgument(`${name} must be a number of milliseconds, more than 0 and less than 2³¹`);
  }
}

/** Ends an attempt whose time is up. */
class AttemptTimeout extends Error {}

/**
 * What `work` resolves to, unless the time is up or the caller's signal is aborted before; then it rejects at once,
 * even where `work` does not listen to the signal that it is given.
 */
export async function withinTime<T>(
  limitMs: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason), { once: true });
  });
  const follow = () => controller.abort(outer?.reason);
  const timer = setTimeout(() => controller.abort(new AttemptTimeout()), limitMs);
  outer?.addEventListener("abort", follow, { once: true });
  try {
    return await Promise.race([work(controller.signal), interrupted]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", follow);
  }
}

/** What it means that an attempt ended without an answer: `timeout` or `network`. */
export function withoutAnswer(name: string, baseUrl: string, limitMs: number, cause: unknown): FastpacaError {
  if (cause instanceof AttemptTimeout) {
    return new FastpacaError("timeout", `${name}: no complete answer within ${Math.round(limitMs)} ms`);
  }
  const message = `${name}: no complete answer from ${baseUrl}: ${describe(cause)}`;
  return new FastpacaError("network", message, { cause });
}

/** `fetch` says "fetch failed", and why only in the cause. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!(error.cause instanceof Error)) return error.message;
  const { cause } = error;
  return cause.message || ("code" in cause ? String(cause.code) : error.message);
}

import type { Report } from "../report/report.js";

/** Signals that end a run in order. A second one ends it at once. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Ended {
  readonly report?: Report | undefined;
  /** What a driver threw outside of any call. */
  readonly stray?: unknown;
}

/**
 * Plays, and stops in order when a signal comes or an error is thrown that nobody catches: what is running comes to
 * its end, its database is dropped.
 */
export async function interruptible(
  play: (signal: AbortSignal) => Promise<Report>,
  onSignal: () => void,
): Promise<Ended> {
  const controller = new AbortController();
  let stray: { readonly error: unknown } | undefined;
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    onSignal();
    process.stderr.write("conformance: closing; once more to stop at once\n");
  };
  const strayError = (error: unknown): void => {
    stray ??= { error };
    controller.abort();
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  process.on("uncaughtException", strayError);
  try {
    const report = await play(controller.signal);
    return stray === undefined ? { report } : { report, stray: stray.error };
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
    process.off("uncaughtException", strayError);
  }
}

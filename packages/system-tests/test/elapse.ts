import { vi } from "vitest";

/** Lets faked time pass, and what happens in it. */
export async function elapse(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    await vi.advanceTimersByTimeAsync(250);
    await new Promise(setImmediate);
  }
}

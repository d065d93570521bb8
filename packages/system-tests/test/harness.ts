/** What the tests of single promises share: a store that ends with its test, a few messages, the fate of a call. */
import { createStore, FastpacaError, type Driver, type Store, type StoreOptions } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import { onTestFinished } from "vitest";

export const ID = "c";
export const hello = { role: "user", parts: [{ type: "text", text: "hello" }], token_count: 1 };
export const summary = [{ role: "system", parts: [{ type: "text", text: "summary" }], token_count: 1 }];

export function open(options: Partial<StoreOptions> = {}): { store: Store; driver: Driver } {
  const driver = options.driver ?? openMemory();
  const store = createStore({ estimator: () => 1, ...options, driver });
  onTestFinished(() => store.close());
  return { store, driver };
}

/** A message that says which of many it is. */
export function numbered(n: number): typeof hello {
  return { ...hello, parts: [{ type: "text", text: String(n) }] };
}

/** `"done"`, or the code it was refused with. */
export async function fate(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (error instanceof FastpacaError) return error.code;
    throw error;
  }
}

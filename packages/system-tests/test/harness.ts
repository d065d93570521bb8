/** What the tests of single promises share: a store that ends with its test, a few messages, the fate of a call. */
import { createStore, FastpacaError, type Driver, type Store, type StoreOptions } from "@fastpaca/core";
import { onTestFinished } from "vitest";
import type { Backend } from "./http/backends.js";
import { sharedDatabase, type SharedDatabase } from "./shared-database.js";

export const ID = "c";
export const hello = { role: "user", parts: [{ type: "text", text: "hello" }], token_count: 1 };
export const summary = [{ role: "system", parts: [{ type: "text", text: "summary" }], token_count: 1 }];

/** What a test over a database may take, in milliseconds, on a busy machine. */
export const TIMEOUT = 60_000;

/** A store that is closed when the test is over. */
export function storeOver(driver: Driver, options: Options = {}): Store {
  const store = createStore({ estimator: () => 1, ...options, driver });
  onTestFinished(() => store.close());
  return store;
}

type Options = Omit<StoreOptions, "driver">;

/** Stores for the tests of one `describe`, all over one database: each test has a part of it that is empty. */
export class Stores {
  readonly database: SharedDatabase;

  constructor(backend: Backend) {
    this.database = sharedDatabase(backend);
  }

  async open(options?: Options): Promise<{ store: Store; driver: Driver }> {
    const driver = await this.database.driver();
    return { store: storeOver(driver, options), driver };
  }

  /** Two stores that have the same part of the database, each over a driver of its own. */
  async pair(): Promise<[Store, Store]> {
    const [here, there] = await this.database.drivers(2);
    return [storeOver(here), storeOver(there)];
  }
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

import type { Driver } from "@fastpaca/core";
import memory from "@fastpaca/driver-memory";

/** A database that the server is tested over: each test opens an empty one of its own. */
export interface Backend {
  readonly name: string;
  open(): Promise<{ readonly driver: Driver; close(): Promise<void> }>;
}

/** Every HTTP test runs over each of these. */
export const BACKENDS: readonly Backend[] = [
  {
    name: "memory",
    open: async () => {
      const driver = await memory.open("memory:");
      return { driver, close: () => driver.close() };
    },
  },
];

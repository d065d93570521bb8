import type { Driver } from "@fastpaca/core";
import { afterAll } from "vitest";
import { shared, within } from "./drivers.js";
import type { Backend, TestDatabase } from "./http/backends.js";

/** One database for many tests, each of which has a part of it that is empty: opening a database takes its time. */
export class SharedDatabase {
  readonly #backend: Backend;
  #database: Promise<TestDatabase> | undefined;
  readonly #handles: Promise<Driver>[] = [];
  #parts = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** An empty part, as one store has it. */
  async driver(): Promise<Driver> {
    const [driver] = await this.drivers(1);
    return driver;
  }

  /**
   * An empty part, as each of several stores has it: over a driver of its own, as in processes of their own. A database
   * that only one process may open is passed off as shared.
   */
  async drivers(count: 1): Promise<[Driver]>;
  async drivers(count: 2): Promise<[Driver, Driver]>;
  async drivers(count: number): Promise<Driver[]> {
    const prefix = `${(this.#parts += 1)}:`;
    const first = within(await this.#handle(0), prefix);
    if (count === 1) return [first];
    if (!first.traits.shared) return Array.from({ length: count }, () => shared(first));
    const others = Array.from({ length: count - 1 }, async (_, at) =>
      within(await this.#handle(at + 1), prefix),
    );
    return [first, ...(await Promise.all(others))];
  }

  async close(): Promise<void> {
    const database = await this.#database;
    try {
      const handles = await Promise.allSettled(this.#handles);
      for (const handle of handles) if (handle.status === "fulfilled") await handle.value.close();
    } finally {
      await database?.drop();
    }
  }

  #handle(at: number): Promise<Driver> {
    this.#database ??= this.#backend.createDatabase();
    return (this.#handles[at] ??= this.#database.then((database) => database.open()));
  }
}

/** A database for the tests of the `describe` that this is called in; gone with the last of them. */
export function sharedDatabase(backend: Backend): SharedDatabase {
  const database = new SharedDatabase(backend);
  afterAll(() => database.close());
  return database;
}

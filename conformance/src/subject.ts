import type { Driver } from "@fastpaca/core";

/** What a driver's author claims. The kit holds the driver to it in both directions. */
export interface ClaimedTraits {
  /** What was reported as committed survives the end of the process, however it ended. */
  readonly durable: boolean;
  /** Several processes may open the same database at once. */
  readonly shared: boolean;
  /** The driver has a `watch`, and its hints come. */
  readonly watch: boolean;
}

/** A database of its own for a test: empty when it is handed over. */
export interface TestDatabase {
  /** What the driver opens. With a host and a port in it, the kit puts a proxy of its own in front. */
  readonly url: string;
  /** Removes it. The kit calls this when every handle is closed. */
  readonly drop?: () => Promise<void>;
}

/** All that the author of a driver writes: what it is called, what it claims, where it lives. */
export interface DriverUnderTest {
  readonly name: string;
  readonly traits: ClaimedTraits;
  readonly createDatabase: () => Promise<TestDatabase>;
  readonly open: (url: string) => Promise<Driver>;
  /**
   * `import.meta.url` of the module whose default export this is: processes that the kit starts and kills import it.
   * The command fills it in. Not called for unless the driver is durable.
   */
  readonly module?: string;
}

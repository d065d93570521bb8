/** When a process kills itself, at a point that nobody outside could hit. */
export interface Death {
  /**
   * `invoked`: while the driver is at work on a commit. `answered`: right after its answer went out. `outside`: the
   * parent kills the process after an answer, wherever it is.
   */
  readonly when: "invoked" | "answered" | "outside";
  /** Of which commit, counted from the order: 1 or more. */
  readonly commit: number;
  /** How much later, in lengths of a commit so far. */
  readonly later: number;
}

/** What the parent asks of a process that has the driver. */
export type Request =
  | { readonly type: "open"; readonly url: string }
  | {
      readonly type: "call";
      readonly number: number;
      readonly method: string;
      readonly args: readonly unknown[];
    }
  | { readonly type: "die"; readonly death: Death };

export interface Failed {
  readonly message: string;
  /** Set where the driver said that the database is unavailable. */
  readonly unavailable: boolean;
}

/** What the process says. `ready`: the module is imported. */
export type Reply =
  | { readonly type: "ready" }
  | { readonly type: "broken"; readonly failed: Failed }
  | { readonly type: "opened"; readonly driver: Description }
  | { readonly type: "refused"; readonly failed: Failed }
  | { readonly type: "answer"; readonly number: number; readonly result: unknown }
  | { readonly type: "rejection"; readonly number: number; readonly failed: Failed };

/** The parts of a driver that are no calls. */
export interface Description {
  readonly name: string;
  readonly traits: { readonly durable: boolean; readonly shared: boolean };
  readonly limits: { readonly maxCommitBytes: number; readonly maxBatch: number };
}

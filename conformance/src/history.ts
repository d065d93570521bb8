import type { CommitOutcome } from "@fastpaca/core";

/** One call of a driver as it was seen from outside. */
export interface Call {
  /** The handle that was called: A, B, C … */
  readonly lane: string;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Place of the call among all calls and answers of the history. */
  readonly invoked: number;
  /** Place of the answer; undefined while there is none. */
  answered?: number;
  result?: unknown;
  /** What it rejected with. */
  error?: unknown;
}

/** Something that happened between the calls: a handle closed, a process killed, a connection cut. */
export interface Note {
  readonly lane: string;
  readonly at: number;
  readonly text: string;
}

/**
 * What happened to one database in one run, in the order in which it was seen. Places are numbers of one counter, so
 * that an answer with a smaller place than another call really came before it.
 */
export class History {
  readonly calls: Call[] = [];
  readonly notes: Note[] = [];
  #places = 0;

  note(lane: string, text: string): void {
    this.notes.push({ lane, at: this.#places++, text });
  }

  async record<T>(
    lane: string,
    method: string,
    args: readonly unknown[],
    call: () => Promise<T>,
  ): Promise<T> {
    const entry: Call = { lane, method, args, invoked: this.#places++ };
    this.calls.push(entry);
    try {
      const result = await call();
      entry.result = result;
      return result;
    } catch (error) {
      entry.error = error;
      throw error;
    } finally {
      entry.answered = this.#places++;
    }
  }

  clear(): void {
    this.calls.length = 0;
    this.notes.length = 0;
  }
}

/** Whether an answer says that the commit is in the log. */
export function landed(outcome: CommitOutcome | undefined): boolean {
  return outcome?.status === "committed";
}

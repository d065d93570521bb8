import { DriverUnavailableError, type CommitOutcome, type DriverOpenOptions } from "@fastpaca/core";
import { Worker } from "node:worker_threads";
import type { Answers, Flat, Request } from "./wire.js";

/** The compiled module, also where this one is run from its source. */
const WORKER = new URL("../dist/worker.js", import.meta.url);
/** Longest that the worker may take to finish what it does when it is told to, in milliseconds. */
const LAST_CALL = 10_000;

type Ask<Kind extends Request["kind"]> = Omit<Extract<Request, { kind: Kind }>, "call">;

/** What arrives. An answer has the type that its call waits for; nothing tells the compiler which one that is. */
type Received =
  | { readonly call: number; readonly answer: never }
  | { readonly call: number; readonly failure: Error };

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
  /** Settles the call when the worker ended without an answer. */
  readonly lose: () => void;
}

/** The worker thread as seen from outside: calls and their answers. */
export class Thread {
  /** Settles when the database is open, or cannot be opened. */
  readonly opened: Promise<void>;
  readonly #file: string;
  readonly #worker: Worker;
  readonly #log: DriverOpenOptions["log"];
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #calls = 0;
  #crash: Error | undefined;
  #ended = false;

  constructor(file: string, log: DriverOpenOptions["log"]) {
    this.#file = file;
    this.#log = log;
    // Flags of this process, such as --input-type, are not meant for the module that runs there.
    this.#worker = new Worker(WORKER, { workerData: file, name: "fastpaca-sqlite", execArgv: [] });
    this.opened = new Promise((resolve, reject) => {
      this.#waiting.set(0, { resolve, reject, lose: () => reject(this.#gone()) });
    });
    this.#worker.on("message", (received: Received) => this.#settle(received));
    this.#worker.on("error", (error) => {
      this.#crash = error instanceof Error ? error : new Error(String(error));
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#lose();
        resolve();
      });
    });
  }

  /** @throws DriverUnavailableError when the worker has ended */
  refuseEnded(): void {
    if (this.#ended) throw this.#gone();
  }

  /** Rejects with a {@link DriverUnavailableError} whatever goes wrong: of reads, nothing is left behind. */
  call<Kind extends Exclude<Request["kind"], "commit">>(
    ask: Ask<Kind> & { kind: Kind },
  ): Promise<Answers[Kind]> {
    return new Promise((resolve, reject) => {
      this.#post(ask, { resolve, reject, lose: () => reject(this.#gone()) });
    });
  }

  /** @returns `undefined` when all of them were committed */
  commit(batch: Flat, count: number): Promise<CommitOutcome[] | undefined> {
    return new Promise((resolve, reject) => {
      const lose = (): void => resolve(Array.from({ length: count }, () => ({ status: "unknown" })));
      this.#post({ kind: "commit", batch }, { resolve, reject, lose });
    });
  }

  /** Lets the worker finish what it was asked, and ends it. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const finished = this.call<"close">({ kind: "close" }).catch((error: unknown) => {
      this.#log?.("warn", `closing the database did not go well: ${String(error)}`);
    });
    const patience = setTimeout(() => void this.#worker.terminate(), LAST_CALL);
    await finished;
    await this.#exited;
    clearTimeout(patience);
  }

  /** Ends the worker, whatever it does. */
  async end(): Promise<void> {
    await this.#worker.terminate();
    await this.#exited;
  }

  #post(ask: object, waiting: Waiting): void {
    if (this.#ended) {
      waiting.reject(this.#gone());
      return;
    }
    const call = ++this.#calls;
    this.#waiting.set(call, waiting);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
    this.#worker.postMessage({ ...ask, call });
  }

  #settle(received: Received): void {
    const waiting = this.#waiting.get(received.call);
    this.#waiting.delete(received.call);
    if ("answer" in received) {
      waiting?.resolve(received.answer);
    } else {
      const { message, cause } = received.failure;
      if (waiting === undefined) this.#log?.("warn", message);
      else waiting.reject(new DriverUnavailableError(message, { cause }));
    }
  }

  #lose(): void {
    this.#ended = true;
    for (const { lose } of this.#waiting.values()) lose();
    this.#waiting.clear();
  }

  #gone(): DriverUnavailableError {
    const why = this.#crash === undefined ? "" : ` (${this.#crash.message})`;
    const name = JSON.stringify(this.#file);
    const message = `the thread that works on the database file ${name} has ended${why}: restart the process`;
    return new DriverUnavailableError(message, { cause: this.#crash });
  }
}

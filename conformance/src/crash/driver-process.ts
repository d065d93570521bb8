import { fork, type ChildProcess } from "node:child_process";
import {
  DriverUnavailableError,
  type Commit,
  type CommitOutcome,
  type Driver,
  type Head,
  type KeyRecord,
  type ListPage,
  type ListQuery,
  type Mark,
  type StoredMessage,
} from "@fastpaca/core";
import { Violation } from "../violation.js";
import type { Death, Description, Failed, Reply, Request } from "./protocol.js";

/** Milliseconds for a process to start and import the driver's module, and again to open the database. */
const START_DEADLINE_MS = 30_000;
/** Characters kept of what the process writes to standard error. */
const KEPT_ERROR_OUTPUT = 4000;

/** Next to this file, and of the same language: the kit runs from its source, too. */
const CHILD = new URL(import.meta.url.endsWith(".ts") ? "./child.ts" : "./child.js", import.meta.url);

/** The process that has the driver is gone; nobody knows what became of the call. */
export class ProcessEndedError extends Error {
  override readonly name = "ProcessEndedError";
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A driver in a process of its own, which can be killed. What it answered was heard by this process: whatever was lost
 * in between was not acknowledged.
 */
export class DriverProcess implements Driver {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  /** Resolves when the process is gone and everything that it said has been heard. */
  readonly ended: Promise<void>;
  #driver: Description = {
    name: "",
    traits: { durable: true, shared: false },
    limits: { maxCommitBytes: 0, maxBatch: 0 },
  };
  #calls = 0;
  #over = false;
  #errorOutput = "";
  #death: Death | undefined;
  /** Commits that were answered since the order to die. */
  #answered = 0;
  readonly #lengths: number[] = [];

  private constructor(module: string) {
    // Whoever debugs the kit has the port already.
    const execArgv = process.execArgv.filter((argument) => !argument.startsWith("--inspect"));
    this.#child = fork(CHILD, [module], {
      execArgv,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errorOutput = (this.#errorOutput + chunk.toString()).slice(-KEPT_ERROR_OUTPUT);
    });
    this.#child.on("message", (reply: Reply) => this.#hear(reply));
    const gone = Promise.withResolvers<string>();
    const unheard = Promise.withResolvers<void>();
    this.#child.once("exit", (code, signal) => gone.resolve(signal ?? `code ${code}`));
    this.#child.once("disconnect", unheard.resolve);
    this.#child.once("error", (error) => {
      this.#end(new Error("a process could not be started", { cause: error }));
      gone.resolve("no start");
      unheard.resolve();
    });
    this.ended = Promise.all([gone.promise, unheard.promise]).then(([how]) => {
      const output = this.#errorOutput === "" ? "" : `: ${this.#errorOutput.trim()}`;
      this.#end(
        how === "SIGKILL"
          ? new ProcessEndedError("the process was killed")
          : new Error(`the process of the driver ended by itself with ${how}${output}`),
      );
    });
    // Whoever waits for these hears of it; nobody has to.
    this.#ready.promise.catch(() => undefined);
    this.#opened.promise.catch(() => undefined);
  }

  /**
   * Starts a process that has imported a driver's module.
   *
   * @throws Error where the module cannot be imported there
   */
  static async start(module: string): Promise<DriverProcess> {
    const started = new DriverProcess(module);
    try {
      await started.#within(started.#ready.promise, "import the driver's module");
      return started;
    } catch (error) {
      await started.kill();
      throw error;
    }
  }

  /** @throws what the driver's open rejected with */
  async open(url: string): Promise<void> {
    this.#say({ type: "open", url });
    await this.#within(this.#opened.promise, "open the database");
  }

  /** Has the process die at a certain point, be it by its own hand. */
  die(death: Death): void {
    this.#answered = 0;
    this.#death = death;
    if (death.when !== "outside") this.#say({ type: "die", death });
  }

  /** Ends the process as hard as can be, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  get name(): string {
    return this.#driver.name;
  }

  get traits(): Driver["traits"] {
    return this.#driver.traits;
  }

  get limits(): Driver["limits"] {
    return this.#driver.limits;
  }

  heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    return this.#call("heads", [ids]);
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    const started = performance.now();
    const outcomes = await this.#call<CommitOutcome[]>("commit", [commits]);
    this.#lengths.push(performance.now() - started);
    if (this.#lengths.length > 16) this.#lengths.shift();
    this.#answered += 1;
    if (this.#death?.when === "outside" && this.#death.commit === this.#answered) {
      this.#killLater(this.#death.later);
    }
    return outcomes;
  }

  messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    return this.#call("messages", [id, from, to]);
  }

  marks(id: string, after: number, limit: number): Promise<Mark[]> {
    return this.#call("marks", [id, after, limit]);
  }

  keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    return this.#call("keys", [id, keys]);
  }

  list(query: ListQuery): Promise<ListPage> {
    return this.#call("list", [query]);
  }

  prune(id: string, below: number): Promise<void> {
    return this.#call("prune", [id, below]);
  }

  /** Closes the driver; the process stays until it is killed. */
  close(): Promise<void> {
    return this.#call("close", []);
  }

  #killLater(later: number): void {
    const usual = this.#lengths.toSorted((a, b) => a - b)[Math.floor(this.#lengths.length / 2)] ?? 1;
    const end = performance.now() + later * usual;
    const wait = (): void => {
      if (performance.now() >= end) this.#child.kill("SIGKILL");
      else setImmediate(wait);
    };
    wait();
  }

  #call<T>(method: string, args: readonly unknown[]): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#over) {
      reject(new ProcessEndedError(`${method} was asked of a process that is gone`));
      return promise;
    }
    const number = (this.#calls += 1);
    this.#waiting.set(number, {
      // What comes back is for the checks to judge, as with any driver that was written without types.
      resolve: (result) => void Reflect.apply(resolve, undefined, [result]),
      reject,
    });
    this.#say({ type: "call", number, method, args });
    return promise;
  }

  #say(request: Request): void {
    // A process that is gone says so by itself.
    if (this.#child.connected) this.#child.send(request, () => undefined);
  }

  #hear(reply: Reply): void {
    switch (reply.type) {
      case "ready":
        this.#ready.resolve();
        break;
      case "broken":
        this.#ready.reject(new Error(`the driver's module cannot be imported: ${reply.failed.message}`));
        break;
      case "opened":
        this.#driver = reply.driver;
        this.#opened.resolve();
        break;
      case "refused":
        this.#opened.reject(errorOf(reply.failed));
        break;
      case "answer":
        this.#take(reply.number)?.resolve(reply.result);
        break;
      case "rejection":
        this.#take(reply.number)?.reject(errorOf(reply.failed));
        break;
    }
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    return waiting;
  }

  #end(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#ready.reject(error);
    this.#opened.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async #within(promise: Promise<void>, what: string): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Violation("ERR-1", `a process did not ${what} within ${START_DEADLINE_MS / 1000} s`));
    }, START_DEADLINE_MS);
    try {
      await Promise.race([promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function errorOf({ message, unavailable }: Failed): Error {
  return unavailable ? new DriverUnavailableError(message) : new Error(message);
}

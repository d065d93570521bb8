import { within } from "./deadline.js";
import { Handle } from "./handle.js";
import { History } from "./history.js";
import type { DriverUnderTest, TestDatabase } from "./subject.js";
import { Violation } from "./violation.js";

const LANES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/** Milliseconds for opening, closing and dropping. */
const SETTLE_DEADLINE_MS = 30_000;

/** Worlds so far. */
let count = 0;

/**
 * One database and what is done to it. A check's runs share it, because making one is slow on a real server: each run
 * has ids of its own ({@link World.id}), and one that fails takes the world with it.
 */
export class World {
  readonly subject: DriverUnderTest;
  readonly database: TestDatabase;
  readonly history = new History();
  readonly #kept: Handle[] = [];
  readonly #opened: Handle[] = [];
  readonly #number = (count += 1);
  #run = 0;
  #lane = 0;

  private constructor(subject: DriverUnderTest, database: TestDatabase) {
    this.subject = subject;
    this.database = database;
  }

  static async create(subject: DriverUnderTest): Promise<World> {
    return new World(subject, await settled(subject.createDatabase(), "createDatabase"));
  }

  get url(): string {
    return this.database.url;
  }

  /** Names nothing else, in this database or another one: every run of a check has a prefix of its own. */
  id(name: string): string {
    return `${this.#number}.${this.#run}/${name}`;
  }

  /** Starts a run: a history of its own, ids of its own. */
  begin(): void {
    this.history.clear();
    this.#run += 1;
    this.#lane = this.#kept.length;
  }

  /** Ends a run: closes what it opened beyond the handles that are kept. */
  async end(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((handle) => this.#close(handle)));
  }

  /** The first `count` handles of this database, kept from run to run. Nothing closes them but the world's end. */
  async handles(count: number): Promise<readonly Handle[]> {
    while (this.#kept.length < count) {
      const lane = LANES[this.#kept.length] ?? "?";
      this.#kept.push(await this.#open(lane, this.url, false));
    }
    this.#lane = Math.max(this.#lane, this.#kept.length);
    return this.#kept.slice(0, count);
  }

  /** The first of {@link handles}. */
  async handle(): Promise<Handle> {
    const [first] = await this.handles(1);
    if (first === undefined) throw new Error("there is no handle");
    return first;
  }

  /** Opens one more handle, closed at the end of the run if the check has not done so. */
  async open(options: { readonly mayFail?: boolean; readonly url?: string } = {}): Promise<Handle> {
    const lane = LANES[this.#lane++ % LANES.length] ?? "?";
    const handle = await this.#open(lane, options.url ?? this.url, options.mayFail === true);
    this.#opened.push(handle);
    return handle;
  }

  /** Closes everything and drops the database, also when the driver no longer behaves. */
  async dispose(): Promise<void> {
    const handles = [...this.#kept.splice(0), ...this.#opened.splice(0)];
    await Promise.allSettled(handles.map((handle) => this.#close(handle)));
    if (this.database.drop !== undefined) await settled(this.database.drop(), "drop");
  }

  async #open(lane: string, url: string, mayFail: boolean): Promise<Handle> {
    this.history.note(lane, "open");
    return new Handle(await settled(this.subject.open(url), "open"), lane, this.history, mayFail);
  }

  async #close(handle: Handle): Promise<void> {
    if (!handle.closed) await settled(handle.close(), "close");
  }
}

/** What the subject does outside of a driver's calls. @throws Violation where it takes too long */
export function settled<T>(promise: Promise<T>, what: string): Promise<T> {
  return within(
    promise,
    SETTLE_DEADLINE_MS,
    () => new Violation("ERR-1", `${what} was not done within ${SETTLE_DEADLINE_MS / 1000} s`),
  );
}

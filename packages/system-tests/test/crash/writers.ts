import { expect } from "vitest";
import { Client, type Answer, type Appended, type Refusal } from "../http/client.js";
import { bodyOf, type Entry, type Ledger } from "./ledger.js";

/** What a caller may be told while a server or a database goes away: nothing, or that it may try again. */
const PASSING = ["unavailable", "outcome_unknown"];

/**
 * Tries an entry's append once, and notes what is said.
 * @returns whether it was acknowledged
 */
export async function attempt(client: Client, entry: Entry): Promise<boolean> {
  let answer: Answer;
  try {
    answer = await client.post(`${entry.path}/messages`, bodyOf(entry));
  } catch (error) {
    // The connection broke: nobody knows.
    if (!(error instanceof Error)) throw error;
    return false;
  }
  if (answer.status === 503) {
    expect(PASSING).toContain(answer.json<Refusal>().error);
    return false;
  }
  expect(answer.status, answer.text).toBe(201);
  const { seq } = answer.json<Appended>();
  entry.lastSeq = seq;
  return true;
}

export interface Load {
  readonly urls: readonly string[];
  readonly paths: readonly string[];
  readonly writers: number;
  /** A name that no other load on this ledger has. */
  readonly name: string;
}

/** Writers that append one thing after the other, each to every conversation in turn, until they are stopped. */
export class Writers {
  readonly #ledger: Ledger;
  readonly #running: Promise<unknown>;
  readonly #goals: { readonly count: number; readonly reached: () => void }[] = [];
  #stopped = false;
  #acknowledged = 0;

  constructor(ledger: Ledger, load: Load) {
    this.#ledger = ledger;
    const writers = Array.from({ length: load.writers }, (_, who) => this.#write(load, who));
    this.#running = Promise.all(writers);
  }

  /** Resolves when so many appends more were acknowledged. */
  async acknowledge(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#goals.push({ count: this.#acknowledged + count, reached: resolve });
    await Promise.race([promise, this.#running]);
  }

  /** Resolves when the last answers are there. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #write({ urls, paths, name }: Load, who: number): Promise<void> {
    const client = new Client(urls[who % urls.length] ?? "");
    try {
      for (let turn = 0; !this.#stopped; turn++) {
        const path = paths[(who + turn) % paths.length] ?? "";
        // Now and then several at once, which must stay together.
        const count = turn % 5 === 4 ? 3 : 1;
        const texts = Array.from({ length: count }, (_, at) => `${name}-${who}-${turn}-${at}`);
        if (await attempt(client, this.#ledger.enter(path, texts))) this.#count();
        else if (!this.#stopped) await pause();
      }
    } finally {
      client.close();
    }
  }

  #count(): void {
    this.#acknowledged += 1;
    for (const { count, reached } of this.#goals) if (this.#acknowledged >= count) reached();
  }
}

/** What a caller waits that was told to try again. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** Tries what is open until it is acknowledged: keys make sure that nothing lands twice. */
export async function finish(ledger: Ledger, url: string): Promise<void> {
  const client = new Client(url);
  const deadline = performance.now() + 60_000;
  try {
    for (const entry of ledger.open) {
      while (!(await attempt(client, entry))) {
        if (performance.now() > deadline) throw new Error(`${entry.key} is refused again and again`);
        await pause();
      }
    }
  } finally {
    client.close();
  }
}

/** Makes the conversations that are written to. */
export async function create(url: string, paths: readonly string[]): Promise<void> {
  const client = new Client(url);
  try {
    for (const path of paths) expect((await client.put(path)).status).toBeLessThan(300);
  } finally {
    client.close();
  }
}

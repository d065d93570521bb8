import { expect } from "vitest";
import { Client, type Message } from "../http/client.js";
import { expectDense, readLog } from "../http/history.js";

/** One append: what it carries, and what its caller was told. */
export interface Entry {
  readonly path: string;
  readonly key: string;
  readonly texts: readonly string[];
  /** Seq of the last message; undefined while nobody has said that it is there. */
  lastSeq: number | undefined;
}

/** Every append that somebody tried, whatever became of it. */
export class Ledger {
  readonly #entries: Entry[] = [];

  get acknowledged(): number {
    return this.#entries.filter(({ lastSeq }) => lastSeq !== undefined).length;
  }

  get open(): readonly Entry[] {
    return this.#entries.filter(({ lastSeq }) => lastSeq === undefined);
  }

  /** Notes an append before it is sent. */
  enter(path: string, texts: readonly string[]): Entry {
    const entry: Entry = { path, key: `key-${this.#entries.length}`, texts, lastSeq: undefined };
    this.#entries.push(entry);
    return entry;
  }

  /**
   * Holds the logs against the entries: what was acknowledged is there once and in its place, everything else is there
   * once and whole, or not at all.
   */
  async audit(url: string, paths: readonly string[]): Promise<void> {
    const client = new Client(url);
    try {
      for (const path of paths) {
        const log = await readLog(client, path);
        expectDense(log);
        this.#expectLog(path, log.map(textOf));
      }
    } finally {
      client.close();
    }
  }

  #expectLog(path: string, log: readonly string[]): void {
    const places = new Map<string, number>();
    for (const [at, text] of log.entries()) {
      expect(places.has(text), `${text} is twice in ${path}`).toBe(false);
      places.set(text, at + 1);
    }
    let accounted = 0;
    for (const { key, texts, lastSeq, ...entry } of this.#entries) {
      if (entry.path !== path) continue;
      const seqs = texts.flatMap((text) => places.get(text) ?? []);
      if (lastSeq === undefined && seqs.length === 0) continue;
      const end = lastSeq ?? seqs.at(-1) ?? 0;
      expect(seqs, `${key} in ${path}`).toEqual(texts.map((_, at) => end - texts.length + 1 + at));
      accounted += seqs.length;
    }
    expect(accounted, `messages of ${path} that somebody sent`).toBe(log.length);
  }
}

/** The text that a writer put into a message. */
export function textOf({ parts }: Message): string {
  return parts[0]?.text ?? "";
}

/** The body of an entry's append. */
export function bodyOf({ texts, key }: Entry): unknown {
  const messages = texts.map((text) => ({ role: "user", parts: [{ type: "text", text }] }));
  return messages.length === 1
    ? { message: messages[0], idempotency_key: key }
    : { messages, idempotency_key: key };
}

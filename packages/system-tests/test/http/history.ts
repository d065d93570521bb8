import { expect } from "vitest";
import type { Answer, Client, Log, Message, Window } from "./client.js";

const PAGE = 1000;

/** The whole log, page by page. */
export async function readLog(client: Client, path: string): Promise<Message[]> {
  const log: Message[] = [];
  for (;;) {
    const answer = await client.get(`${path}/messages?from=${log.length + 1}&limit=${PAGE}`);
    expect(answer.status).toBe(200);
    const { messages } = answer.json<Log>();
    log.push(...messages);
    if (messages.length < PAGE) return log;
  }
}

/** The seqs are 1, 2, 3 … and the versions ascend. */
export function expectDense(messages: readonly Message[]): void {
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, at) => at + 1));
  for (const [at, { version = 0 }] of messages.entries()) {
    expect(version).toBeGreaterThan(messages[at - 1]?.version ?? 0);
  }
}

/**
 * Reads a log without marks in turn by replay, by tail and as a window, until told to stop, and afterwards holds
 * every answer against the log that came to be: each must have been the log's state after some version.
 */
export class Reader {
  readonly #client: Client;
  readonly #path: string;
  readonly #known: () => number;
  readonly #seen: {
    readonly kind: "replay" | "tail" | "window";
    readonly answer: Answer;
    readonly atLeast: number;
  }[] = [];

  /** @param known a seq that was acknowledged: what is read after that must show it */
  constructor(client: Client, path: string, known: () => number) {
    this.#client = client;
    this.#path = path;
    this.#known = known;
  }

  get reads(): number {
    return this.#seen.length;
  }

  async readWhile(running: () => boolean): Promise<void> {
    const routes = [
      ["replay", "messages?limit=1000"],
      ["tail", "tail?limit=50"],
      ["window", "context"],
    ] as const;
    do {
      for (const [kind, route] of routes) {
        const atLeast = this.#known();
        const answer = await this.#client.get(`${this.#path}/${route}`);
        expect(answer.status).toBe(200);
        this.#seen.push({ kind, answer, atLeast });
      }
    } while (running());
  }

  expectPrefixesOf(log: readonly Message[]): void {
    let before = 0;
    let revision = 0;
    for (const { kind, answer, atLeast } of this.#seen) {
      const { messages, version } = answer.json<Log>();
      const from = kind === "tail" ? Math.max(0, version - 50) : 0;
      const end = kind === "replay" ? Math.min(version, PAGE) : version;
      expect(messages, `${kind} at version ${version}`).toEqual(log.slice(from, end));
      expect(version, "a read that began after an acknowledgement shows it").toBeGreaterThanOrEqual(
        kind === "replay" ? Math.min(atLeast, PAGE) : atLeast,
      );
      if (kind !== "replay" || version < PAGE) {
        expect(version, "one reader never sees the log shrink").toBeGreaterThanOrEqual(before);
        before = version;
      }
      expect(answer.revision, "the ETag never goes back").toBeGreaterThanOrEqual(revision);
      revision = answer.revision;
      if (kind === "window") expectWindow(answer.json<Window>(), log);
    }
  }
}

/** A window over a log of messages that count one token each, under a policy that drops none of them. */
function expectWindow({ messages, used_tokens, segments, version }: Window, log: readonly Message[]): void {
  expect(used_tokens).toBe(messages.length);
  expect(segments).toEqual(version === 0 ? [] : [{ type: "live", from_seq: 1, to_seq: version }]);
  expect(version).toBeLessThanOrEqual(log.length);
}

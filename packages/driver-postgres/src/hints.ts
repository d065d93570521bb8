import type { Audience } from "./audience.js";
import type { Connections, Statement } from "./connections.js";

/** Pause between two notifications, in milliseconds: hints of all commits in between travel together. */
const PAUSE = 10;
/** Postgres takes less than 8000 bytes. */
const MAX_PAYLOAD = 7_900;
/** Ids that wait. More are dropped: hints may get lost. */
const MAX_WAITING = 10_000;

const NOTIFY: Statement = {
  text: "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload",
  name: "fastpaca_notify",
};

/** Tells other processes which conversations changed, after the commits and many at a time. */
export class HintOutbox {
  readonly #connections: Connections;
  readonly #channel: string;
  readonly #sender: string;
  readonly #audience: Audience;
  readonly #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #closed = false;

  /** @param sender marks hints, so that their sender knows them as its own */
  constructor(connections: Connections, channel: string, sender: string, audience: Audience) {
    this.#connections = connections;
    this.#channel = channel;
    this.#sender = sender;
    this.#audience = audience;
  }

  add(ids: Iterable<string>): void {
    if (this.#audience.isAway) return;
    for (const id of ids) if (this.#waiting.size < MAX_WAITING) this.#waiting.add(id);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#closed || this.#sending !== undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#flush(), PAUSE);
  }

  /** Sends what waits, and waits for it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sending;
    this.#flush();
    await this.#sending;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const payloads = this.#payloads();
    this.#waiting.clear();
    const quoted = payloads.map((payload) => `"${payload.replaceAll(/["\\]/g, "\\$&")}"`);
    this.#sending = this.#send(`{${quoted.join(",")}}`)
      // What cannot be sent is lost, as hints may be: whoever cannot reach the database hears of it by its commits.
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        this.#sending = undefined;
        if (this.#waiting.size > 0) this.#schedule();
      });
  }

  async #send(payloads: string): Promise<void> {
    if (await this.#audience.look()) await this.#connections.run(NOTIFY, [this.#channel, payloads]);
  }

  #payloads(): string[] {
    const payloads: string[] = [];
    let payload = this.#sender;
    let bytes = payload.length;
    for (const id of this.#waiting) {
      const more = 1 + Buffer.byteLength(id);
      if (bytes + more > MAX_PAYLOAD) {
        payloads.push(payload);
        payload = this.#sender;
        bytes = payload.length;
      }
      payload += `\n${id}`;
      bytes += more;
    }
    return [...payloads, payload];
  }
}

/** Sender and ids of a payload. */
export function parseHint(payload: string): { sender: string; ids: string[] } {
  const [sender = "", ...ids] = payload.split("\n");
  return { sender, ids };
}

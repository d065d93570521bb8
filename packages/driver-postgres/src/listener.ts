import { listenerName } from "./audience.js";
import { within } from "./deadline.js";
import { describe } from "./errors.js";
import { parseHint } from "./hints.js";
import type { PostgresClient } from "./pool.js";

/** Wait before another connection is tried, in milliseconds, doubled each time up to the longest. */
const FIRST_WAIT = 100;
const LONGEST_WAIT = 10_000;
/** Longest wait for the answer to `LISTEN`, in milliseconds. */
const LISTEN_DEADLINE = 4_000;

export interface ListenerParts {
  /** Opens a connection for nothing but listening; `release(true)` ends it. */
  readonly connect: () => Promise<PostgresClient>;
  readonly channel: string;
  /** Whose hints are no news. */
  readonly self: string;
  readonly onChange: (ids: readonly string[]) => void;
  readonly log: (level: "info" | "warn" | "error", message: string) => void;
}

/** Listens for hints on a connection of its own, which it opens again whenever it breaks. */
export class Listener {
  readonly #parts: ListenerParts;
  #client: PostgresClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wait = FIRST_WAIT;
  #trying: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
  }

  /** Resolves after the first attempt, whatever became of it: it goes on trying. */
  start(): Promise<void> {
    this.#trying = this.#listen();
    return this.#trying;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#trying;
    this.#client?.release(true);
    this.#client = undefined;
  }

  async #listen(): Promise<void> {
    const { connect, channel, self, onChange } = this.#parts;
    let client: PostgresClient | undefined;
    try {
      client = await connect();
      const opened = client;
      client.on("end", () => this.#lost(opened, "the connection ended"));
      client.on("error", (error) => this.#lost(opened, describe(error)));
      client.on("notification", (message) => {
        if (this.#client !== opened || message.channel !== channel) return;
        const { sender, ids } = parseHint(message.payload ?? "");
        if (sender !== self) onChange(ids);
      });
      this.#client = client;
      await within(
        client.query({
          text: `SET application_name = '${listenerName(channel, self)}'; LISTEN "${channel}"`,
        }),
        LISTEN_DEADLINE,
      );
      this.#wait = FIRST_WAIT;
    } catch (error) {
      if (client === undefined) this.#again(describe(error));
      else this.#lost(client, describe(error));
    }
  }

  /** A connection tells its end more than once. */
  #lost(client: PostgresClient, why: string): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.release(true);
    this.#again(why);
  }

  #again(why: string): void {
    if (this.#stopped) return;
    this.#parts.log("warn", `hints of other processes are late until listening works again: ${why}`);
    this.#timer = setTimeout(() => {
      this.#trying = this.#listen();
    }, this.#wait);
    this.#timer.unref();
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }
}

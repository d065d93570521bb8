import { statement, type Connections } from "./connections.js";

/** How long an answer holds, in milliseconds: a newcomer waits at most this long for its first hint. */
export const LOOK_AGAIN = 1_000;

/** Longest name that Postgres keeps of an application is 63 bytes; a channel and a handle have 38 together. */
const LISTENERS = statement(
  `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, $1) ` +
    `AND application_name <> $2 LIMIT 1`,
);

/** Whether anybody else listens: their connections show it by their application names, to all users. */
export class Audience {
  readonly #connections: Connections;
  readonly #channel: string;
  readonly #self: string;
  #present = true;
  #until = 0;

  constructor(connections: Connections, channel: string, self: string) {
    this.#connections = connections;
    this.#channel = channel;
    this.#self = self;
  }

  /** True when it was seen a moment ago that nobody else listens. */
  get isAway(): boolean {
    return !this.#present && performance.now() < this.#until;
  }

  async look(): Promise<boolean> {
    if (performance.now() >= this.#until) {
      const own = listenerName(this.#channel, this.#self);
      this.#present = (await this.#connections.run(LISTENERS, [this.#channel, own])).length > 0;
      this.#until = performance.now() + LOOK_AGAIN;
    }
    return this.#present;
  }
}

/** The application name of a connection that listens. */
export function listenerName(channel: string, self: string): string {
  return `${channel}_${self}`;
}

import { createHash } from "node:crypto";
import { within } from "./deadline.js";
import { afterSending, beforeSending, UnansweredError } from "./errors.js";
import type { PostgresClient, PostgresPool, PostgresQuery } from "./pool.js";
import type { TextRow } from "./rows.js";

/** Longest wait for a connection, in milliseconds: shorter than what a store waits for a call. */
export const CONNECT_DEADLINE = 4_000;
/** Longest that one statement of a migration may take, in milliseconds: another process may be migrating. */
const SESSION_DEADLINE = 60_000;

/** A statement with the name under which connections keep it prepared. */
export interface Statement {
  readonly text: string;
  readonly name: string;
}

/** Named after its text: two drivers may share a pool. */
export function statement(text: string): Statement {
  return { text, name: `fastpaca_${createHash("sha256").update(text).digest("hex").slice(0, 16)}` };
}

/** Columns stay the text that they come as: who asked knows better what they are. */
const types: NonNullable<PostgresQuery["types"]> = { getTypeParser: () => (value) => value };

/** Runs single statements on the connections of a pool, each with a deadline, and says what a failure means. */
export class Connections {
  readonly #pool: PostgresPool;
  readonly #prepare: boolean;
  readonly #deadline: number;
  readonly #heard = new WeakSet<PostgresClient>();

  /**
   * @param prepare keep statements prepared
   * @param deadline longest that one statement may take, in milliseconds
   */
  constructor(pool: PostgresPool, prepare: boolean, deadline: number) {
    this.#pool = pool;
    this.#prepare = prepare;
    this.#deadline = deadline;
  }

  /**
   * Runs one statement.
   * @throws RefusedError when Postgres answered that it did not do it, {@link UnansweredError} when no answer came, and
   *   another DriverUnavailableError when it was not sent
   */
  async run({ text, name }: Statement, values: readonly (Buffer | string)[]): Promise<TextRow[]> {
    const query = { text, values: [...values], rowMode: "array" as const, types };
    const client = await this.connect();
    return this.#send(client, this.#prepare ? { ...query, name } : query);
  }

  /** Runs a statement that is planned anew each time, for the values that it has. */
  async runOnce(text: string, values: readonly (Buffer | string)[]): Promise<TextRow[]> {
    const client = await this.connect();
    return this.#send(client, { text, values: [...values], rowMode: "array", types });
  }

  /** Runs statements on one connection, which is given back if they succeed and ended if not. */
  async session<T>(body: (query: (text: string) => Promise<unknown[]>) => Promise<T>): Promise<T> {
    const client = await this.connect();
    let failed = true;
    try {
      const result = await body(async (text) => {
        const { rows } = await within(client.query({ text, rowMode: "array" }), SESSION_DEADLINE);
        return rows;
      });
      failed = false;
      return result;
    } finally {
      client.release(failed);
    }
  }

  /** A connection of the pool. Whoever takes it releases it. */
  async connect(): Promise<PostgresClient> {
    const connecting = this.#pool.connect();
    try {
      const client = await within(connecting, CONNECT_DEADLINE);
      if (!this.#heard.has(client)) {
        this.#heard.add(client);
        // The statement that runs is told, too; without a listener it would end the process.
        client.on("error", () => undefined);
      }
      return client;
    } catch (error) {
      connecting.then(
        (client) => client.release(),
        () => undefined,
      );
      throw beforeSending(error);
    }
  }

  #send(client: PostgresClient, query: PostgresQuery): Promise<TextRow[]> {
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        client.release(true);
        reject(new UnansweredError(`Postgres did not answer within ${this.#deadline} ms`));
      }, this.#deadline);
      client.query(query).then(
        ({ rows }) => {
          if (late) return;
          clearTimeout(timer);
          client.release();
          // Rows are arrays of text: that is what `rowMode` and `types` ask for.
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion
          resolve(rows as TextRow[]);
        },
        (error: unknown) => {
          if (late) return;
          clearTimeout(timer);
          const meaning = afterSending(error);
          client.release(meaning instanceof UnansweredError);
          reject(meaning);
        },
      );
    });
  }
}

import { createHash } from "node:crypto";
import { within } from "./deadline.js";
import { afterSending, beforeSending, mayBeRepeated, UnansweredError } from "./errors.js";
import type { PostgresClient, PostgresPool, PostgresQuery } from "./pool.js";
import type { TextRow } from "./rows.js";

/** Longest wait for a connection, in milliseconds: shorter than what a store waits for a call. */
export const CONNECT_DEADLINE = 4_000;
/** Longest that one statement of a migration may take, in milliseconds: another process may be migrating. */
const SESSION_DEADLINE = 60_000;
/** For this many milliseconds a statement that came in another one's way is sent again. */
const REPEAT_FOR = 4_000;
/** For this many milliseconds the server may go on with a statement whose connection was ended: as long as TCP tries. */
const LEFT_FOR = 15 * 60_000;

/** Connections whose errors are listened to, by this driver or another one over the same pool. */
const LISTENED = new WeakSet<PostgresClient>();

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

export interface ConnectionsOptions {
  /** Keep statements prepared. */
  readonly prepare: boolean;
  /** Longest that one statement may take, in milliseconds. */
  readonly deadline: number;
  /** Connections of the pool. */
  readonly size: number;
}

/** Runs single statements on the connections of a pool, each with a deadline, and says what a failure means. */
export class Connections {
  readonly #pool: PostgresPool;
  readonly #options: ConnectionsOptions;
  readonly #heard = new WeakSet<PostgresClient>();
  /** Connections that wait for an answer. */
  readonly #running = new Set<PostgresClient>();
  /** Connections that were ended, and whose statements the server may still be at. */
  #left: Left[] = [];

  constructor(pool: PostgresPool, options: ConnectionsOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /**
   * Runs one statement; again where it was rolled back because it came in the way of another one.
   * @throws RefusedError when Postgres answered that it did not do it, {@link UnansweredError} when no answer came, and
   *   another DriverUnavailableError when it was not sent
   */
  run({ text, name }: Statement, values: readonly (Buffer | string)[]): Promise<TextRow[]> {
    const query = asked(text, values);
    return this.#repeat(this.#options.prepare ? { ...query, name } : query);
  }

  /** As {@link run}; the statement is planned anew each time, for the values that it has. */
  runOnce(text: string, values: readonly (Buffer | string)[]): Promise<TextRow[]> {
    return this.#repeat(asked(text, values));
  }

  /** Runs a transaction on one connection, which is given back if it succeeds and ended if not. */
  async session<T>(body: (query: (text: string) => Promise<unknown[]>) => Promise<T>): Promise<T> {
    const client = await this.connect();
    let failed = true;
    try {
      const query = async (text: string): Promise<unknown[]> => {
        const { rows } = await within(client.query({ text, rowMode: "array" }), SESSION_DEADLINE);
        return rows;
      };
      await query("BEGIN");
      await query(`SET LOCAL statement_timeout = ${SESSION_DEADLINE}`);
      await query(`SET LOCAL lock_timeout = ${SESSION_DEADLINE}`);
      const result = await body(query);
      await query("COMMIT");
      failed = false;
      return result;
    } finally {
      client.release(failed);
    }
  }

  /**
   * A connection of the pool, to a server that takes writes. Whoever takes it releases it.
   * @throws DriverUnavailableError
   */
  async connect(): Promise<PostgresClient> {
    const connecting = this.#pool.connect();
    let client: PostgresClient;
    try {
      client = await within(connecting, CONNECT_DEADLINE);
    } catch (error) {
      connecting.then(
        (late) => late.release(),
        () => undefined,
      );
      throw beforeSending(error);
    }
    if (this.#heard.has(client)) return client;
    if (!LISTENED.has(client)) {
      // The statement that runs is told, too; without a listener it would end the process.
      client.on("error", () => undefined);
      LISTENED.add(client);
    }
    try {
      await this.#greet(client);
    } catch (error) {
      client.release(true);
      throw beforeSending(error);
    }
    this.#heard.add(client);
    return client;
  }

  /** Ends the connections whose statements were given up and have kept their place. */
  close(): void {
    for (const client of this.#running) this.#giveBack(client, true);
  }

  async #repeat(query: PostgresQuery): Promise<TextRow[]> {
    const started = performance.now();
    for (;;) {
      try {
        return await this.#send(await this.connect(), query);
      } catch (error) {
        if (!mayBeRepeated(error) || performance.now() - started > REPEAT_FOR) throw error;
      }
    }
  }

  #send(client: PostgresClient, query: PostgresQuery): Promise<TextRow[]> {
    const { deadline } = this.#options;
    this.#running.add(client);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        if (this.#mayLeave(client)) this.#giveBack(client, true);
        reject(new UnansweredError(`Postgres did not answer within ${deadline} ms`));
      }, deadline);
      client.query(query).then(
        ({ rows }) => {
          clearTimeout(timer);
          this.#giveBack(client, false);
          // Rows are arrays of text: that is what `rowMode` and `types` ask for.
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion
          resolve(rows as TextRow[]);
        },
        (error: unknown) => {
          clearTimeout(timer);
          const meaning = afterSending(error);
          this.#giveBack(client, meaning instanceof UnansweredError);
          reject(meaning);
        },
      );
    });
  }

  #giveBack(client: PostgresClient, end: boolean): void {
    if (this.#running.delete(client)) client.release(end);
  }

  /**
   * Whether a connection may be ended whose statement has no answer. The server goes on with it: as many may be left
   * there as the pool has, so that it never serves more than twice as many. The next ones keep their place in the pool
   * until they are answered.
   */
  #mayLeave({ processID }: PostgresClient): boolean {
    const now = performance.now();
    this.#left = this.#left.filter(({ at }) => now - at < LEFT_FOR);
    if (this.#left.length >= this.#options.size) return false;
    this.#left.push({ at: now, session: processID ?? undefined });
    return true;
  }

  /** Asks a new connection for what has to be known of its server. @throws where that takes no writes */
  async #greet(client: PostgresClient): Promise<void> {
    const ask = async (text: string, values: string[] = []): Promise<unknown[]> => {
      const { rows } = await within(client.query(asked(text, values)), CONNECT_DEADLINE);
      return rows;
    };
    // The address may lead to a server that was demoted, whose reads are of the past.
    const [told] = await ask("SELECT current_setting($1), pg_backend_pid()", ["transaction_read_only"]);
    if (!Array.isArray(told)) throw new Error("it tells nothing of itself");
    if (!/^\d+$/.test(String(told[1])))
      throw new Error("it answers in binary: make the pool without binary: true");
    if (told[0] === "on") throw new Error("it takes no writes: it is a standby, or read-only");
    // Behind a pooler, sessions have other numbers than here.
    if (this.#left.length === 0 || told[1] !== String(client.processID)) return;
    const sessions = this.#left.flatMap(({ session }) => session ?? []);
    const rows = await ask(
      "SELECT pid FROM pg_stat_activity WHERE pid = ANY($1::int[]) AND state <> 'idle'",
      [`{${sessions.join()}}`],
    );
    const busy = new Set(rows.map((row) => (Array.isArray(row) ? Number(row[0]) : undefined)));
    this.#left = this.#left.filter(
      ({ session }) => session === undefined || busy.has(session) || !sessions.includes(session),
    );
  }
}

function asked(text: string, values: readonly (Buffer | string)[]): PostgresQuery {
  return { text, values: [...values], rowMode: "array", types };
}

interface Left {
  /** On the clock of `performance.now`. */
  readonly at: number;
  readonly session: number | undefined;
}

import { randomBytes } from "node:crypto";
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
import { Audience } from "./audience.js";
import { textArray } from "./binary-array.js";
import { batchOf, outcomesOf } from "./batch.js";
import { commitStatement, type CommitParts } from "./commit-statement.js";
import { statement, type Connections, type Statement } from "./connections.js";
import { Eraser } from "./eraser.js";
import { isDuplicate, isLocked, UnansweredError } from "./errors.js";
import { HintOutbox } from "./hints.js";
import { Listener } from "./listener.js";
import type { PostgresClient } from "./pool.js";
import { pruner, type Prune } from "./prune.js";
import { listStatement, lockedStatement, readStatements, type ReadStatements } from "./read-statements.js";
import { headOfText, keyOf, markOf, messageOf } from "./rows.js";
import { singleOf, singleStatement } from "./single-statement.js";
import type { Tables } from "./tables.js";

/** For this many milliseconds keys are looked up after one was held. */
const LOOK_UP_FOR = 1_000;

export interface PostgresDriverParts {
  readonly connections: Connections;
  readonly tables: Tables;
  /** Opens a connection for nothing but listening. */
  readonly connectListener: (() => Promise<PostgresClient>) | undefined;
  /** Ends what the driver opened. */
  readonly release: () => Promise<void>;
  readonly log: (level: "info" | "warn" | "error", message: string) => void;
}

/** Conversations in the tables of one place of a Postgres database. */
export class PostgresDriver implements Driver {
  readonly name = "postgres";
  readonly traits = { durable: true, shared: true };
  readonly limits = { maxCommitBytes: 64 * 1024 * 1024, maxBatch: 500 };
  readonly watch?: (onChange: (ids: readonly string[]) => void) => Promise<() => Promise<void>>;
  readonly #parts: PostgresDriverParts;
  readonly #connections: Connections;
  readonly #tables: Tables;
  readonly #reads: ReadStatements;
  readonly #prune: Prune;
  readonly #commits = new Map<number, Statement>();
  readonly #single: Statement;
  readonly #keyedSingle: Statement;
  readonly #locked: Statement;
  readonly #self = randomBytes(6).toString("hex");
  readonly #hints: HintOutbox;
  readonly #eraser: Eraser;
  readonly #listeners = new Set<Listener>();
  readonly #running = new Set<Promise<unknown>>();
  /** On the clock of `performance.now`. */
  #lookUpUntil = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: PostgresDriverParts) {
    this.#parts = parts;
    this.#connections = parts.connections;
    this.#tables = parts.tables;
    this.#reads = readStatements(parts.tables);
    this.#single = statement(singleStatement(parts.tables, false));
    this.#keyedSingle = statement(singleStatement(parts.tables, true));
    this.#locked = statement(lockedStatement(parts.tables));
    this.#prune = pruner(parts.connections, parts.tables);
    const { connectListener } = parts;
    if (connectListener !== undefined) this.watch = (onChange) => this.#watch(connectListener, onChange);
    const { channel } = parts.tables;
    const audience = new Audience(parts.connections, channel, this.#self);
    this.#hints = new HintOutbox(parts.connections, channel, this.#self, audience);
    this.#eraser = new Eraser(parts.connections, parts.tables, parts.log);
    this.#eraser.wake();
  }

  heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    return this.#call(async () => {
      if (ids.length === 0) return [];
      const rows = await this.#connections.run(this.#reads.heads, [textArray(ids)]);
      const heads: (Head | undefined)[] = ids.map(() => undefined);
      for (const [place, ...columns] of rows) heads[Number(place) - 1] = headOfText(columns);
      return heads;
    });
  }

  commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    return this.#call(async () => {
      if (commits.length === 0) return [];
      let outcomes: CommitOutcome[];
      try {
        outcomes = await this.#applyUnlocked(commits);
      } catch (error) {
        if (!(error instanceof UnansweredError)) throw error;
        this.#parts.log("warn", `the outcome of ${commits.length} commits is unknown: ${error.message}`);
        outcomes = commits.map(() => ({ status: "unknown" }));
      }
      const mayHaveLanded = (_: Commit, index: number): boolean =>
        outcomes[index]?.status === "committed" || outcomes[index]?.status === "unknown";
      this.#hints.add(commits.filter(mayHaveLanded).map(({ id }) => id));
      // Whatever became of it: one in conflict may be in conflict with itself, handed over before without an answer.
      if (commits.some(({ head }) => head.purged)) this.#eraser.wake();
      return outcomes;
    });
  }

  messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    return this.#call(async () => {
      const last = Math.min(to, Number.MAX_SAFE_INTEGER);
      const rows = await this.#connections.run(this.#reads.messages, [id, String(from), String(last)]);
      return rows.map(messageOf);
    });
  }

  marks(id: string, after: number, limit: number): Promise<Mark[]> {
    return this.#call(async () => {
      const rows = await this.#connections.run(this.#reads.marks, [id, String(after), String(limit)]);
      return rows.map(markOf);
    });
  }

  keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    return this.#call(async () => {
      const rows = await this.#connections.run(this.#reads.keys, [id, textArray(keys)]);
      return rows.map(keyOf);
    });
  }

  list({ limit, labels, after }: ListQuery): Promise<ListPage> {
    return this.#call(async () => {
      const values: (Buffer | string)[] = [String(limit + 1)];
      if (after !== undefined) values.push(String(after.updatedAt), after.id);
      if (labels.length > 0) values.push(textArray(labels));
      const text = listStatement(this.#tables, after !== undefined, labels.length > 0);
      const rows = await this.#connections.runOnce(text, values);
      const heads = rows.slice(0, limit).map(headOfText);
      const last = heads.at(-1);
      if (last === undefined || rows.length <= limit) return { heads };
      return { heads, next: { updatedAt: last.updatedAt, id: last.id } };
    });
  }

  prune(id: string, below: number): Promise<void> {
    return this.#call(() => this.#prune(id, below));
  }

  #watch(
    connect: () => Promise<PostgresClient>,
    onChange: (ids: readonly string[]) => void,
  ): Promise<() => Promise<void>> {
    return this.#call(async () => {
      const { log } = this.#parts;
      const listener = new Listener({
        connect,
        channel: this.#tables.channel,
        self: this.#self,
        onChange,
        log,
      });
      this.#listeners.add(listener);
      await listener.start();
      return async () => {
        this.#listeners.delete(listener);
        await listener.stop();
      };
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running);
    await Promise.all([...this.#listeners].map((listener) => listener.stop()));
    await Promise.all([this.#hints.close(), this.#eraser.close()]);
    this.#connections.close();
    await this.#parts.release();
  }

  async #call<T>(body: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new DriverUnavailableError("the driver is closed");
    const running = body();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * What somebody else keeps locked must not hold up the commits that share a statement with it: those are sent again
   * without it. Its own outcome is unknown: who holds the lock may be the same commit, handed over before.
   * @throws RefusedError where it was alone
   */
  async #applyUnlocked(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    try {
      return await this.#apply(commits);
    } catch (error) {
      if (!isLocked(error) || commits.length === 1) throw error;
      const rows = await this.#connections.run(this.#locked, [textArray(commits.map(({ id }) => id))]);
      const locked = new Set(rows.map(([id]) => id));
      const free = commits.filter(({ id }) => !locked.has(id));
      const outcomes = free.length === 0 ? [] : await this.#apply(free);
      const byId = new Map(free.map(({ id }, index) => [id, outcomes[index]]));
      return commits.map(({ id }) => byId.get(id) ?? { status: "unknown" });
    }
  }

  /**
   * Looks keys up beforehand only where some were held a moment ago: hardly any ever is, so that finding it out from
   * the failure of the insert is cheaper. Where clients repeat themselves, each failure would be a line in Postgres' log.
   */
  async #apply(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    const keyed = commits.some(({ keys }) => keys.length > 0);
    if (!keyed || performance.now() >= this.#lookUpUntil) {
      try {
        return await this.#send(commits, false);
      } catch (error) {
        if (!keyed || !isDuplicate(error)) throw error;
        this.#lookUpUntil = performance.now() + LOOK_UP_FOR;
      }
    }
    return this.#send(commits, true);
  }

  /** @throws RefusedError for a key that is held and was not looked up; nothing was applied then */
  async #send(commits: readonly Commit[], lookup: boolean): Promise<CommitOutcome[]> {
    const single = lookup ? undefined : singleOf(commits);
    if (single !== undefined) {
      const rows = await this.#connections.run(
        single.keyed ? this.#keyedSingle : this.#single,
        single.values,
      );
      if (rows.length > 0) return [{ status: "committed" }];
      // Nothing was applied. Why not, the other statement tells, or applies it.
    }
    const batch = batchOf(commits);
    const statement = this.#commitStatement({ ...batch.parts, lookup });
    return outcomesOf(batch, await this.#connections.run(statement, batch.values));
  }

  #commitStatement(parts: CommitParts): Statement {
    const { keys, lookup, marks, purges } = parts;
    const kind = Number(keys) + 2 * Number(marks) + 4 * Number(purges) + 8 * Number(lookup);
    const known = this.#commits.get(kind);
    if (known !== undefined) return known;
    const made = statement(commitStatement(this.#tables, parts));
    this.#commits.set(kind, made);
    return made;
  }
}

import { DEFAULT_PLACE, type Place } from "./tables.js";
import type { PostgresPool } from "./pool.js";

/** How a Postgres database is opened. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`, with the options of `pg` for TLS and the ones below as its query. */
  readonly url?: string;
  /**
   * A pool of your own instead: `close()` leaves it open. Listening takes one of its connections for good, unless it has
   * only one; other processes' changes are then polled for.
   */
  readonly pool?: PostgresPool;
  /** The Postgres schema that holds the tables. Default `public`. In a URL: `schema`. */
  readonly schema?: string;
  /** What the names of all tables start with. Default `fastpaca_`. In a URL: `table_prefix`. */
  readonly tablePrefix?: string;
  /** Create and update the tables. Default true. When false, tables of another version are refused. In a URL: `migrate`. */
  readonly migrate?: boolean;
  /** Keep statements prepared on the server. Default true; false behind a pooler that does not. In a URL: `prepare`. */
  readonly prepare?: boolean;
  /**
   * Most connections, 1 to 1000, beside the one that listens. While Postgres leaves statements unanswered, it may serve
   * twice as many. Default 8. In a URL: `pool_size`.
   */
  readonly poolSize?: number;
  /**
   * Longest wait for the answer to a statement, in milliseconds. Postgres ends it itself a tenth earlier, unless the
   * pool is yours. Default 10000. In a URL: `statement_timeout_ms`.
   */
  readonly statementTimeoutMs?: number;
  /** Is told what an operator should know. */
  readonly log?: (level: "info" | "warn" | "error", message: string) => void;
}

/** Options with their defaults; where the connections come from is told apart. */
export interface Settings {
  readonly source: { readonly url: string } | { readonly pool: PostgresPool };
  readonly place: Place;
  readonly migrate: boolean;
  readonly prepare: boolean;
  readonly poolSize: number;
  readonly statementTimeoutMs: number;
  readonly log: NonNullable<PostgresOptions["log"]>;
}

/** Parameters of a URL that `pg` understands. */
const OF_PG = new Set([
  "application_name",
  "host",
  "options",
  "password",
  "port",
  "sslcert",
  "sslkey",
  "sslmode",
  "sslnegotiation",
  "sslrootcert",
  "uselibpqcompat",
  "user",
]);
const OWN = ["schema", "table_prefix", "migrate", "prepare", "pool_size", "statement_timeout_ms"];

/** @throws TypeError, which never shows the URL, when an option is unknown or out of range */
export function settingsOf(options: PostgresOptions): Settings {
  const { url, pool } = options;
  if ((url === undefined) === (pool === undefined)) throw new TypeError("give either a url or a pool");
  const parsed = url === undefined ? undefined : splitUrl(url);
  const own = parsed?.own ?? new Map<string, string>();
  const source = parsed === undefined ? undefined : { url: parsed.rest };
  return {
    source: source ?? { pool: pool ?? never() },
    place: {
      schema: options.schema ?? own.get("schema") ?? DEFAULT_PLACE.schema,
      prefix: options.tablePrefix ?? own.get("table_prefix") ?? DEFAULT_PLACE.prefix,
    },
    migrate: options.migrate ?? flag(own, "migrate"),
    prepare: options.prepare ?? flag(own, "prepare"),
    poolSize: integer("pool_size", options.poolSize ?? own.get("pool_size") ?? 8, 1000),
    statementTimeoutMs: integer(
      "statement_timeout_ms",
      options.statementTimeoutMs ?? own.get("statement_timeout_ms") ?? 10_000,
      3_600_000,
    ),
    log: options.log ?? (() => undefined),
  };
}

/** Where options put the tables: for those who migrate with their own tools. @throws TypeError as for opening */
export function placeOf(options: PostgresOptions): Place {
  return settingsOf(options).place;
}

function splitUrl(url: string): { rest: string; own: Map<string, string> } {
  if (!/^postgres(ql)?:\/\//i.test(url)) throw new TypeError("a Postgres URL starts with postgres://");
  if (url.includes("#")) throw new TypeError("the Postgres URL holds a #: write it as %23");
  const question = url.indexOf("?");
  const base = question === -1 ? url : url.slice(0, question);
  const path = base.replace(/^[^:]*:\/\/[^/]*/, "");
  if (path.includes("@"))
    throw new TypeError("the path of the Postgres URL holds an @: write / in a password as %2F");
  const own = new Map<string, string>();
  const rest = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(question === -1 ? "" : url.slice(question + 1))) {
    if (OWN.includes(name)) own.set(name, value);
    else if (OF_PG.has(name)) rest.append(name, value);
    else throw new TypeError(unknown(name));
  }
  const query = rest.toString();
  return { rest: query === "" ? base : `${base}?${query}`, own };
}

/** What is no word may be the rest of a password with a question mark in it. */
function unknown(name: string): string {
  const shown = /^[A-Za-z_]{1,40}$/.test(name) ? JSON.stringify(name) : "(write ? in a password as %3F)";
  return `the Postgres URL has an unknown option ${shown}; known are ${[...OWN, ...OF_PG].join(", ")}`;
}

function flag(own: ReadonlyMap<string, string>, name: string): boolean {
  const value = own.get(name) ?? "true";
  if (value !== "true" && value !== "false") throw new TypeError(`${name} is true or false`);
  return value === "true";
}

function integer(name: string, value: string | number, max: number): number {
  const number = typeof value === "number" ? value : /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isInteger(number) && number >= 1 && number <= max) return number;
  throw new TypeError(`${name} is a whole number from 1 to ${max}`);
}

function never(): never {
  throw new TypeError("give either a url or a pool");
}

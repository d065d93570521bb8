import { createHash } from "node:crypto";

/** Where the tables are. */
export interface Place {
  /** The Postgres schema that holds them. */
  readonly schema: string;
  /** What all their names start with. */
  readonly prefix: string;
}

/** Quoted, schema-qualified names, ready for SQL. */
export interface Tables {
  readonly place: Place;
  readonly schema: string;
  readonly heads: string;
  readonly messages: string;
  readonly marks: string;
  readonly keys: string;
  readonly erased: string;
  readonly logs: string;
  readonly migrations: string;
  /** An index may not name its schema: it is where its table is. */
  readonly index: (name: string) => string;
  /** What hints are sent on: channels belong to the database, not to a schema. */
  readonly channel: string;
}

export const DEFAULT_PLACE: Place = { schema: "public", prefix: "fastpaca_" };

/** Longest name that Postgres keeps whole, in bytes. */
const MAX_NAME = 63;
/** Of what is appended to a prefix. */
const LONGEST_SUFFIX = "heads_by_recency".length;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @throws when a name is none that Postgres keeps as it is */
export function tablesIn({ schema, prefix }: Place): Tables {
  check("schema", schema, MAX_NAME);
  if (prefix !== "") check("table prefix", prefix, MAX_NAME - LONGEST_SUFFIX);
  const quoted = (name: string): string => `"${schema}"."${prefix}${name}"`;
  const digest = createHash("sha256").update(`${schema}.${prefix}`).digest("hex");
  return {
    place: { schema, prefix },
    schema: `"${schema}"`,
    heads: quoted("heads"),
    messages: quoted("messages"),
    marks: quoted("marks"),
    keys: quoted("keys"),
    erased: quoted("erased"),
    logs: quoted("logs"),
    migrations: quoted("migrations"),
    index: (name) => `"${prefix}${name}"`,
    channel: `fastpaca_${digest.slice(0, 16)}`,
  };
}

function check(what: string, name: string, max: number): void {
  if (NAME.test(name) && name.length <= max) return;
  throw new TypeError(
    `the ${what} ${JSON.stringify(name)} is not usable: letters, digits and underscores, not starting with a digit, at most ${max}`,
  );
}

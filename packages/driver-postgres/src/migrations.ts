import { tablesIn, type Place } from "./tables.js";

/** One step of the schema. */
export interface Migration {
  /** 1, 2, 3 … */
  readonly version: number;
  readonly sql: string;
}

/** Every step of the schema so far, ascending: what a driver of this version needs. */
export function migrations(place: Place): readonly Migration[] {
  return [{ version: 1, sql: first(place) }];
}

/**
 * All as one script, for those who apply it with their own tools: it records the versions, so that the driver finds
 * them. For an empty place.
 */
export function migrationSql(place: Place): string {
  const { schema } = place;
  const steps = migrations(place).map(({ version, sql }) => `${sql}\n${record(place, version)}`);
  const creation = schema === "public" ? "" : `CREATE SCHEMA IF NOT EXISTS ${tablesIn(place).schema};\n`;
  return `BEGIN;\n${creation}${ledger(place)}\n${steps.join("\n")}\nCOMMIT;\n`;
}

/** Creates the table that tells which steps were applied. */
export function ledger(place: Place): string {
  const { migrations } = tablesIn(place);
  return `CREATE TABLE IF NOT EXISTS ${migrations} (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());`;
}

/** Notes that a step was applied. */
export function record(place: Place, version: number): string {
  return `INSERT INTO ${tablesIn(place).migrations} (version) VALUES (${version});`;
}

/**
 * Heads leave half of each page free and are indexed by nothing that an append changes, so that a new version of a
 * row goes beside the old one and no index is touched. That is why recency is indexed by the minute only, and why
 * TOAST leaves rows alone up to a page: state would be compressed anew with every append.
 */
function first(place: Place): string {
  const { heads, messages, marks, keys, erased, logs, index } = tablesIn(place);
  return `CREATE SEQUENCE ${logs} AS bigint;
CREATE TABLE ${heads} (
  log bigint NOT NULL,
  revision bigint NOT NULL,
  life bigint NOT NULL,
  version bigint NOT NULL,
  last_seq bigint NOT NULL,
  first_seq bigint NOT NULL,
  archived_seq bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  updated_minute bigint NOT NULL,
  tombstoned boolean NOT NULL,
  purged boolean NOT NULL,
  id text COLLATE "C" PRIMARY KEY,
  labels text[] COLLATE "C" NOT NULL,
  metadata text NOT NULL,
  state text NOT NULL
) WITH (fillfactor = 50, toast_tuple_target = 8160);
CREATE INDEX ${index("heads_by_recency")} ON ${heads} (updated_minute) WHERE NOT purged;
CREATE INDEX ${index("heads_by_label")} ON ${heads} USING gin (labels) WHERE NOT purged AND labels <> '{}';
CREATE TABLE ${messages} (
  log bigint NOT NULL,
  seq bigint NOT NULL,
  version bigint NOT NULL,
  tokens bigint NOT NULL,
  inserted_at bigint NOT NULL,
  body json NOT NULL,
  PRIMARY KEY (log, seq)
);
CREATE TABLE ${marks} (
  log bigint NOT NULL,
  version bigint NOT NULL,
  at bigint NOT NULL,
  kind text NOT NULL,
  body json NOT NULL,
  PRIMARY KEY (log, version)
);
CREATE TABLE ${keys} (
  log bigint NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  version bigint NOT NULL,
  tokens bigint NOT NULL,
  key text COLLATE "C" NOT NULL,
  hash text NOT NULL,
  PRIMARY KEY (log, key)
);
CREATE TABLE ${erased} (log bigint PRIMARY KEY);`;
}

import path from "node:path";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Driver, DriverLimits } from "@fastpaca/core";
import type { Trait } from "../catalogue.js";
import { within } from "../deadline.js";
import { addressOf } from "../fault/address.js";
import type { DriverUnderTest, TestDatabase } from "../subject.js";
import { SubjectError } from "./usage-error.js";

/** Milliseconds that the first createDatabase, open, close and drop may take together. */
const PROBE_DEADLINE_MS = 60_000;

/** Imports the file and takes its default export. @throws SubjectError, which says what is wrong with it */
export async function loadSubject(file: string): Promise<DriverUnderTest> {
  const absolute = path.resolve(file);
  if (!existsSync(absolute)) throw new SubjectError(`there is no file ${file}`);
  const url = pathToFileURL(absolute).href;
  let loaded: unknown;
  try {
    loaded = await import(url);
  } catch (error) {
    throw new SubjectError(`${file} cannot be loaded: ${hint(error)}`, { cause: error });
  }
  return checkSubject(record(loaded)["default"], file, url);
}

/** Whether a value is what a driver's author should write. @throws SubjectError naming the field that is wrong */
function checkSubject(value: unknown, file: string, url: string): DriverUnderTest {
  const wrong = (what: string): SubjectError => new SubjectError(`${file}: ${what}`);
  if (value === undefined)
    throw wrong("has no default export; it should export { name, traits, createDatabase, open }");
  if (typeof value !== "object" || value === null)
    throw wrong(`the default export is ${typeName(value)}, not an object`);
  const { name, traits, createDatabase, open } = record(value);
  if (typeof name !== "string" || name === "") throw wrong(`name should be a text, and is ${typeName(name)}`);
  if (typeof traits !== "object" || traits === null) {
    throw wrong("traits should be { durable, shared, watch }, each true or false");
  }
  const claimed = record(traits);
  const [durable, shared, watch] = (["durable", "shared", "watch"] as const).map((trait) => {
    const claim = claimed[trait];
    if (typeof claim !== "boolean")
      throw wrong(`traits.${trait} should be true or false, and is ${typeName(claim)}`);
    return claim;
  });
  const unknown = Object.keys(claimed).filter((trait) => !["durable", "shared", "watch"].includes(trait));
  if (unknown.length > 0) throw wrong(`there is no trait ${unknown.join(", ")}`);
  if (typeof createDatabase !== "function")
    throw wrong(`createDatabase should be a function, and is ${typeName(createDatabase)}`);
  if (typeof open !== "function") throw wrong(`open should be a function, and is ${typeName(open)}`);
  return {
    name,
    traits: { durable: durable === true, shared: shared === true, watch: watch === true },
    createDatabase: async () => {
      let made: unknown;
      try {
        made = await createDatabase.call(value);
      } catch (error) {
        throw new SubjectError(`createDatabase failed: ${reason(error)}`, { cause: error });
      }
      return checkDatabase(made, wrong);
    },
    open: async (databaseUrl) => open.call(value, databaseUrl),
    module: url,
  };
}

function checkDatabase(made: unknown, wrong: (what: string) => SubjectError): TestDatabase {
  const { url, drop } = record(made);
  if (typeof url !== "string")
    throw wrong(`createDatabase should resolve to { url }, and url is ${typeName(url)}`);
  if (drop === undefined) return { url };
  if (typeof drop !== "function")
    throw wrong(`createDatabase's drop should be a function, and is ${typeName(drop)}`);
  return {
    url,
    drop: async () => {
      try {
        await drop.call(made);
      } catch (error) {
        throw new SubjectError(`drop failed: ${reason(error)}`, { cause: error });
      }
    },
  };
}

const METHODS = ["heads", "commit", "messages", "marks", "keys", "list", "prune", "close"] as const;

/** What one look at the driver shows. */
export interface Probe {
  readonly limits: DriverLimits;
  readonly traits: ReadonlySet<Trait>;
}

/** Opens one database and closes it again. @throws SubjectError that says which of the two steps failed, and how */
export async function probe(subject: DriverUnderTest, file: string): Promise<Probe> {
  const database = await deadline("createDatabase", subject.createDatabase());
  try {
    const driver = await deadline("open", subject.open(database.url)).catch((error: unknown) => {
      if (error instanceof SubjectError) throw error;
      throw new SubjectError(`open failed on an empty database: ${reason(error)}`, { cause: error });
    });
    const limits = checkDriver(driver, file);
    await deadline("close", driver.close()).catch((error: unknown) => {
      if (error instanceof SubjectError) throw error;
      throw new SubjectError(`close failed, right after open: ${reason(error)}`, { cause: error });
    });
    const traits = new Set<Trait>(
      (["durable", "shared", "watch"] as const).filter((trait) => subject.traits[trait]),
    );
    if (addressOf(database.url) !== undefined) traits.add("network");
    return { limits, traits };
  } finally {
    if (database.drop !== undefined) await deadline("drop", database.drop());
  }
}

function checkDriver(driver: Driver, file: string): DriverLimits {
  const wrong = (what: string): SubjectError =>
    new SubjectError(`${file}: open should resolve to a Driver, but ${what}`);
  const fields = record(driver);
  if (typeof driver !== "object" || driver === null) throw wrong(`it resolved to ${typeName(driver)}`);
  for (const method of METHODS) {
    if (typeof fields[method] !== "function") throw wrong(`its ${method} is ${typeName(fields[method])}`);
  }
  const { maxCommitBytes, maxBatch } = record(fields["limits"]);
  if (typeof maxCommitBytes !== "number" || typeof maxBatch !== "number") {
    throw wrong("its limits should be { maxCommitBytes, maxBatch }, both numbers");
  }
  return { maxCommitBytes, maxBatch };
}

function deadline<T>(what: string, promise: Promise<T>): Promise<T> {
  return within(
    promise,
    PROBE_DEADLINE_MS,
    () => new SubjectError(`${what} was not done within ${PROBE_DEADLINE_MS / 1000} s`),
  );
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(fieldsOf(value)) : {};
}

/** Fields of an object, those of its class too. */
function* fieldsOf(value: object): Generator<[string, unknown]> {
  for (const name of [
    "default",
    "name",
    "traits",
    "createDatabase",
    "open",
    "url",
    "drop",
    "limits",
    ...METHODS,
  ]) {
    if (name in value) yield [name, Reflect.get(value, name)];
  }
  yield* Object.entries(value);
}

function typeName(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (value === "") return "empty";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

function hint(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ERR_UNKNOWN_FILE_EXTENSION") {
    return `Node ${process.version} does not run TypeScript by itself; use 22.18 or newer, or JavaScript`;
  }
  return reason(error);
}

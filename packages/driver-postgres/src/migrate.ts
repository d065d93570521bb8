import { DriverUnavailableError } from "@fastpaca/core";
import type { Connections } from "./connections.js";
import { codeOf, describe } from "./errors.js";
import { ledger, migrations, record } from "./migrations.js";
import { tablesIn, type Place } from "./tables.js";

/** Key of the lock that keeps processes from migrating at the same time; any number that others do not use. */
const LOCK = 4_027_431_614;

/** Brings the tables to the version that this driver needs. @throws when they are newer, or may not be changed */
export async function applyMigrations(connections: Connections, place: Place): Promise<void> {
  const found = await storedVersion(connections, place);
  if (!isBehind(found, place)) return;
  await connections
    .session(async (query) => {
      // Until the end of the transaction: it works behind a transaction pooler, and goes with the connection.
      await query(`SELECT pg_advisory_xact_lock(${LOCK})`);
      const { schema } = tablesIn(place);
      const [exists] = await query(`SELECT FROM pg_namespace WHERE nspname = '${place.schema}'`);
      // Asked first, since creating what exists needs the right to create, too.
      if (exists === undefined) await query(`CREATE SCHEMA ${schema}`);
      await query(ledger(place));
      const version = versionIn(await query(versionSql(place)));
      if (isBehind(version, place)) {
        for (const { version: step, sql } of migrations(place)) {
          if (step > version) await query(`${sql}\n${record(place, step)}`);
        }
      }
    })
    .catch((error: unknown) => {
      throw explained(error, place);
    });
}

/** @throws when the tables are not of the version that this driver needs */
export async function checkVersion(connections: Connections, place: Place): Promise<void> {
  const found = await storedVersion(connections, place);
  if (!isBehind(found, place)) return;
  throw new Error(
    `the Fastpaca tables in ${where(place)} ${found === 0 ? "do not exist" : `have version ${found}`}, ` +
      `this driver needs version ${newest(place)}: migrate them`,
  );
}

/** 0 where there is none yet. */
async function storedVersion(connections: Connections, place: Place): Promise<number> {
  try {
    const [row] = await connections.runOnce("SELECT to_regclass($1)::text", [tablesIn(place).migrations]);
    if (row?.[0] === null || row === undefined) return 0;
    return versionIn(await connections.runOnce(versionSql(place), []));
  } catch (error) {
    throw explained(error, place);
  }
}

function versionSql(place: Place): string {
  return `SELECT coalesce(max(version), 0) FROM ${tablesIn(place).migrations}`;
}

function versionIn(rows: readonly unknown[]): number {
  const [row] = rows;
  return Number(Array.isArray(row) ? row[0] : 0);
}

function newest(place: Place): number {
  return migrations(place).at(-1)?.version ?? 0;
}

function isBehind(version: number, place: Place): boolean {
  if (version > newest(place)) {
    throw new Error(
      `the Fastpaca tables in ${where(place)} have version ${version}, newer than this driver, which knows ` +
        `version ${newest(place)}: update the driver`,
    );
  }
  return version < newest(place);
}

function explained(error: unknown, place: Place): Error {
  if (codeOf(error) === "42501") {
    return new Error(
      `the database user may not use or create the Fastpaca tables in ${where(place)}: grant it CREATE there, or ` +
        `migrate as another user and grant it the tables and the sequence (${describe(error)})`,
      { cause: error },
    );
  }
  if (error instanceof DriverUnavailableError || codeOf(error) === undefined)
    return error instanceof Error ? error : new Error(String(error));
  return new DriverUnavailableError(`migrating the Fastpaca tables failed: ${describe(error)}`, {
    cause: error,
  });
}

function where({ schema, prefix }: Place): string {
  return `schema "${schema}" (prefix "${prefix}")`;
}

import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Driver, DriverModule, DriverOpenOptions } from "@fastpaca/core";
import { SettingsError, type Settings } from "./settings.js";

/** Loaded when they are chosen: a database's client library is not small. */
const BUILT_IN: Readonly<Record<string, () => Promise<{ default: DriverModule }>>> = {
  memory: () => import("@fastpaca/driver-memory"),
  sqlite: () => import("@fastpaca/driver-sqlite"),
  postgres: () => import("@fastpaca/driver-postgres"),
  postgresql: () => import("@fastpaca/driver-postgres"),
  mongodb: () => import("@fastpaca/driver-mongo"),
  "mongodb+srv": () => import("@fastpaca/driver-mongo"),
};

export type StoreSettings = Pick<Settings, "store" | "dataDir" | "driver">;

/** The URL of the store: as set, or a file in the data directory. */
export function storeUrl({ store, dataDir }: StoreSettings): string {
  if (store !== "") return store;
  // A path is no URL: in one, these two begin what follows it.
  return `sqlite:${encodeURI(path.join(dataDir, "fastpaca.db")).replace(/[?#]/g, encodeURIComponent)}`;
}

/**
 * Opens the store that the settings name.
 * @throws SettingsError when no driver knows the scheme, a package is missing, or the database cannot be opened; none
 * of them shows a password
 */
export async function openDriver(settings: StoreSettings, options: DriverOpenOptions): Promise<Driver> {
  const url = storeUrl(settings);
  const driver = await chooseDriver(settings);
  try {
    if (settings.store === "") await mkdir(settings.dataDir, { recursive: true });
    return await driver.open(url, options);
  } catch (cause) {
    throw explainOpening(url, cause);
  }
}

/** Why a store cannot be opened, without its password. */
export function explainOpening(url: string, cause: unknown): SettingsError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SettingsError(withoutPassword(`cannot open the store ${url}: ${reason}`, url), { cause });
}

/** The driver of the store's scheme. @throws SettingsError */
export async function chooseDriver(settings: StoreSettings): Promise<DriverModule> {
  const foreign = settings.driver === "" ? undefined : await loadForeign(settings.driver);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(storeUrl(settings))?.[1]?.toLowerCase();
  if (scheme !== undefined && foreign?.schemes.includes(scheme) === true) return foreign;
  const load = scheme === undefined || !Object.hasOwn(BUILT_IN, scheme) ? undefined : BUILT_IN[scheme];
  if (load !== undefined) return loaded(`${scheme}:`, load);
  const known = [...(foreign?.schemes ?? []), ...Object.keys(BUILT_IN)].map((name) => `${name}:`).join(", ");
  const problem = scheme === undefined ? "is not a URL" : `has an unknown scheme, ${scheme}:`;
  throw new SettingsError(`the store ${problem}; known are ${known}. --driver brings in another driver`);
}

async function loaded(scheme: string, load: () => Promise<{ default: DriverModule }>): Promise<DriverModule> {
  try {
    return (await load()).default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const wanted = "Fastpaca needs Node.js 22.13 or later";
    throw new SettingsError(
      `the driver of ${scheme} cannot be loaded: ${reason} (${wanted}, this is ${process.version})`,
      {
        cause,
      },
    );
  }
}

/** @param name of a package that can be found from the working directory, or the path of a file */
async function loadForeign(name: string): Promise<DriverModule> {
  const isPath = /^\.{0,2}[/\\]/.test(name) || path.isAbsolute(name);
  let file: string;
  try {
    file = isPath ? path.resolve(name) : createRequire(path.resolve("package.json")).resolve(name);
  } catch (cause) {
    throw new SettingsError(`the driver ${name} is not installed here: npm install ${name}`, { cause });
  }
  let exported: unknown;
  try {
    const module: { default?: unknown } = await import(pathToFileURL(file).href);
    exported = module.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError(`the driver ${name} cannot be loaded: ${reason}`, { cause });
  }
  if (isDriverModule(exported)) return exported;
  throw new SettingsError(`the driver ${name} has no default export with name, schemes and open`);
}

function isDriverModule(value: unknown): value is DriverModule {
  if (typeof value !== "object" || value === null) return false;
  return (
    "name" in value &&
    typeof value.name === "string" &&
    "schemes" in value &&
    Array.isArray(value.schemes) &&
    "open" in value &&
    typeof value.open === "function"
  );
}

/** The text without the passwords that a URL holds, in whatever form they are in the text. */
export function withoutPassword(text: string, url: string): string {
  const { userinfo, parameters } = partsOf(url);
  const password = userinfo.slice(userOf(userinfo).length + 1);
  const pieces = password.split("@").map((_, at, all) => all.slice(0, at + 1).join("@"));
  const forms = [...pieces, ...parameters].flatMap((secret) => {
    const plain = decoded(secret);
    const encoded = encodeURIComponent(plain.toWellFormed());
    return [secret, plain, encoded, new URL(`x://:${encoded}@x`).password];
  });
  // The longest first: what is in another one must not break it up.
  const secrets = [...new Set(forms)].filter(Boolean).toSorted((a, b) => b.length - a.length);
  // Where the URL stands, the place tells; elsewhere, what is short is a part of other words, too.
  return text
    .split(url)
    .map((rest) =>
      secrets.reduce((shown, secret) => {
        const quoted = secret.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
        return shown.replace(new RegExp(secret.length < 4 ? `(?<!\\w)${quoted}(?!\\w)` : quoted, "g"), "***");
      }, rest),
    )
    .join(shownUrl(url));
}

/** Parameters whose values are nobody's business, as the drivers' client libraries call theirs. */
const SECRET_PARAMETER = /pass|pwd|secret|token|authMechanismProperties/i;

/** A URL without its passwords; nothing of what is none. */
function shownUrl(url: string): string {
  const { scheme, userinfo, rest } = partsOf(url);
  if (scheme === "") return "***";
  const user = userOf(userinfo);
  const shown = userinfo.length > user.length + 1 ? `${user}:***@` : userinfo === "" ? "" : `${userinfo}@`;
  const safe = rest.replace(PARAMETER, (parameter, mark: string, name: string) =>
    SECRET_PARAMETER.test(decoded(name)) ? `${mark}${name}=***` : parameter,
  );
  return `${scheme}${shown}${safe}`;
}

const PARAMETER = /([?&#])([^=&#]*)=([^&#]*)/g;

/** Hosts and their ports, where a colon is no password's. */
const HOSTS = /^[^:@]*(:\d+)?(,[^:@,]*(:\d+)?)*$/;

/** The only `@`, if any, is in a parameter. */
const NO_USER = /^[^@]*$|^[^@?]*\?[^@=]*=/;

/**
 * Takes a URL apart so that whatever may be a password is told from the rest, also where it is written wrongly: client
 * libraries do not agree on where a password ends, and what nobody can read is what is printed.
 */
function partsOf(url: string): { scheme: string; userinfo: string; rest: string; parameters: string[] } {
  const [, scheme = "", behind = ""] = /^([a-z][a-z0-9+.-]*:\/*)(.*)$/is.exec(url) ?? [];
  const [authority = ""] = /^[^/?#]*/.exec(behind) ?? [];
  const end = HOSTS.test(authority) && NO_USER.test(behind) ? -1 : behind.lastIndexOf("@");
  const parameters = [...behind.matchAll(PARAMETER)]
    .filter(([, , name = ""]) => SECRET_PARAMETER.test(decoded(name)))
    .map(([, , , value = ""]) => value);
  return { scheme, userinfo: behind.slice(0, Math.max(0, end)), rest: behind.slice(end + 1), parameters };
}

/** What stands before a password. */
function userOf(userinfo: string): string {
  return /^[^:/?#@]*/.exec(userinfo)?.[0] ?? "";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

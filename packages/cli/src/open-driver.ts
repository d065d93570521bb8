import memory from "@fastpaca/driver-memory";
import type { Driver, DriverModule, DriverOpenOptions } from "@fastpaca/core";
import { SettingsError } from "./settings.js";

const DRIVERS: readonly DriverModule[] = [memory];

/** Opens what a store URL names. @throws SettingsError when no driver knows its scheme */
export async function openDriver(url: string, options: DriverOpenOptions): Promise<Driver> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const driver = DRIVERS.find(({ schemes }) => scheme !== undefined && schemes.includes(scheme));
  if (driver !== undefined) return driver.open(url, options);
  const known = DRIVERS.flatMap(({ schemes }) => schemes.map((name) => `${name}:`)).join(", ");
  const problem = scheme === undefined ? "is not a URL" : `has an unknown scheme, ${scheme}:`;
  throw new SettingsError(`the store ${problem}; known are ${known}`);
}

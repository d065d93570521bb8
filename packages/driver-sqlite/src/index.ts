import type { Driver, DriverModule, DriverOpenOptions } from "@fastpaca/core";
import { SqliteDriver } from "./driver.js";
import { fileOf } from "./url.js";

/** Keeps everything in one SQLite file. Several processes of one machine may open it at once. */
const sqlite: DriverModule = {
  name: "sqlite",
  schemes: ["sqlite"],
  // Also a refused URL is a rejection.
  open: async (url: string, options?: DriverOpenOptions): Promise<Driver> =>
    SqliteDriver.open(fileOf(url), options?.log),
};

export default sqlite;

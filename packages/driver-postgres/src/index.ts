import type { DriverModule } from "@fastpaca/core";
import { migrationSql } from "./migrations.js";
import { migratePostgres, openPostgres } from "./open.js";
import { placeOf } from "./options.js";

export { migrations, migrationSql, type Migration } from "./migrations.js";
export { migratePostgres, openPostgres } from "./open.js";
export { placeOf, type PostgresOptions } from "./options.js";
export type { PostgresClient, PostgresPool, PostgresQuery } from "./pool.js";
export { DEFAULT_PLACE, type Place } from "./tables.js";

const postgres: DriverModule = {
  name: "postgres",
  schemes: ["postgres", "postgresql"],
  open: (url, options = {}) => openPostgres({ ...options, url }),
  migrations: {
    script: (url) => migrationSql(placeOf({ url })),
    apply: (url) => migratePostgres({ url }),
  },
};

export default postgres;

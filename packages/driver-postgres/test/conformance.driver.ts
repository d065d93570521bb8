import type { DriverUnderTest } from "@fastpaca/conformance";
import driver from "@fastpaca/driver-postgres";
import { postgresOrSkip, type PostgresServer } from "@fastpaca/test-backends/postgres";

let starting: Promise<PostgresServer | undefined> | undefined;

/** A server that ends with the process; undefined where none is to be had. */
export function server(): Promise<PostgresServer | undefined> {
  starting ??= postgresOrSkip();
  return starting;
}

/** The driver as the conformance kit opens it. */
const subject: DriverUnderTest = {
  name: "postgres",
  module: import.meta.url,
  traits: { durable: true, shared: true, watch: true },
  createDatabase: async () => {
    const running = await server();
    if (running === undefined) throw new Error("there is no Postgres to test with");
    return running.createDatabase();
  },
  open: (url) => driver.open(url),
};

export default subject;

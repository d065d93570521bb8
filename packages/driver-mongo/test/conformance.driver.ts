import type { DriverUnderTest } from "@fastpaca/conformance";
import driver from "@fastpaca/driver-mongo";
import { mongoOrSkip, type MongoServer } from "@fastpaca/test-backends/mongodb";

let starting: Promise<MongoServer | undefined> | undefined;

/** A server that ends with the process; undefined where none is to be had. */
export function server(): Promise<MongoServer | undefined> {
  starting ??= mongoOrSkip();
  return starting;
}

/** The driver as the conformance kit opens it. */
const subject: DriverUnderTest = {
  name: "mongo",
  module: import.meta.url,
  traits: { durable: true, shared: true, watch: true },
  createDatabase: async () => {
    const running = await server();
    if (running === undefined) throw new Error("there is no MongoDB to test with");
    const { tcpUrl, drop } = await running.createDatabase();
    // By host and port, so that the kit can stand in between.
    return { url: tcpUrl, drop };
  },
  open: (url) => driver.open(url),
};

export default subject;

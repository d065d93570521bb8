import { select, runSuite, type Outcome, type RunOptions } from "../runner.js";
import { SERVER_INVARIANTS } from "./catalogue.js";
import { SERVER_CHECKS } from "./checks/index.js";
import { Patience } from "./patience.js";
import { ServerWorld, type ServerUnderTest } from "./server-world.js";

/**
 * Holds a running server to what the documentation of its interface says, from outside. It makes conversations of its
 * own there, and erases them.
 * @throws RangeError for a filter that names nothing, or a path without exactly one check
 */
export function runServerChecks(server: ServerUnderTest, options: RunOptions = {}): Promise<Outcome> {
  const patience = new Patience();
  return runSuite(
    {
      subject: new URL(server.url).host,
      // Without a key there is nothing to check about keys.
      traits: new Set(server.apiKey === undefined ? [] : ["keys"]),
      invariants: SERVER_INVARIANTS,
      selected: select(options.only ?? [], SERVER_CHECKS),
      create: () => Promise.resolve(new ServerWorld(server, patience)),
    },
    options,
  );
}

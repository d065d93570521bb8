import fc from "fast-check";
import { check, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { asFields } from "../answer.js";
import { messagesIn, say, seqsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";

/** What happens to a context: that many messages at once, or a mark. */
const EVENTS = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }) },
    { weight: 1, arbitrary: fc.constantFrom("reset" as const, "configure" as const) },
  ),
  { minLength: 1, maxLength: 6 },
);

/** Reads of the log. */
export const READS: readonly Check<ServerWorld>[] = [
  check({
    name: "pages-of-the-log",
    invariants: ["LOG-1", "LOG-4", "CRE-3"],
    mode: "sequence",
    runs: 12,
    arbitrary: fc.record({
      events: EVENTS,
      from: fc.nat({ max: 12 }),
      offset: fc.nat({ max: 12 }),
      limit: fc.integer({ min: 1, max: 5 }),
    }),
    run: async (world: ServerWorld, { events: some, from, offset, limit }) => {
      // Always enough for a tail that is no beginning.
      const events = [...some, 3];
      const path = world.context();
      await world.ok("PUT", path, {});
      let version = 0;
      /** Of each message. */
      const versions: number[] = [];
      for (const [at, event] of events.entries()) {
        if (event === "reset") await world.ok("POST", `${path}/reset`);
        else if (event === "configure") await world.ok("PUT", path, { token_budget: 100 + at });
        else {
          const messages = Array.from({ length: event }, () => say("m", 1));
          for (let added = 1; added <= event; added++) versions.push(version + added);
          await world.ok("POST", `${path}/messages`, { messages });
        }
        version += typeof event === "number" ? event : 1;
      }
      const last = versions.length;
      const { body: record } = await world.ok("GET", path);
      demandEqual([record["version"], record["last_seq"]], [version, last], "CRE-3", "version and last_seq");
      const seqs = versions.map((_, at) => at + 1);
      // From front to end.
      const read: unknown[] = [];
      do {
        const first = read.length;
        const { body } = await world.ok("GET", `${path}/messages?from=${first + 1}&limit=${limit}`);
        const expected = seqs.slice(first, first + limit);
        demandEqual(seqsIn(body), expected, "LOG-1", `the page of ${limit} from ${first + 1}`);
        const own = messagesIn(body).map((message) => asFields(message)["version"]);
        demandEqual(own, versions.slice(first, first + limit), "CRE-3", "the versions of the messages");
        read.push(...expected);
        const resume = read.length === last ? version : versions[read.length - 1];
        demandEqual(
          body["version"],
          resume,
          "LOG-4",
          `the version of a page up to ${read.length} of ${last}`,
        );
        demandEqual(body["first_seq"], 1, "LOG-1", "first_seq");
      } while (read.length < last);
      const page = await world.ok("GET", `${path}/messages?from=${from + 1}&limit=${limit}`);
      demandEqual(seqsIn(page.body), seqs.slice(from, from + limit), "LOG-1", `the page from ${from + 1}`);
      if (from >= last)
        demandEqual(page.body["version"], version, "LOG-4", "the version of a page past the end");
      for (const [skipped, most] of [
        [offset, limit],
        [1, 1],
        [1, 2],
      ] as const) {
        const { body } = await world.ok("GET", `${path}/tail?offset=${skipped}&limit=${most}`);
        const end = Math.max(0, last - skipped);
        demandEqual(seqsIn(body), seqs.slice(Math.max(0, end - most), end), "LOG-1", "the tail");
        demandEqual(body["version"], version, "LOG-1", "the version of the tail");
      }
      const conversation = await world.ok("GET", `${world.conversation()}/messages?limit=1000`);
      const whole = await world.ok("GET", `${path}/messages?limit=1000`);
      demandEqual(conversation.body, whole.body, "LOG-1", "the log under the other prefix");
      // Whatever came last before, something that is no message does now.
      await world.ok("POST", `${path}/reset`);
      const { body: reset } = await world.ok("GET", `${path}/messages?from=${Math.max(1, last)}&limit=2`);
      demandEqual(reset["version"], version + 1, "LOG-4", "the version of the last page behind a reset");
    },
  }),
  check({
    name: "pages-without-a-limit",
    invariants: ["LOG-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: fc.constant(120),
    run: async (world: ServerWorld, count) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, {
        messages: Array.from({ length: count }, (_, at) => say(`${at}`, 1)),
      });
      for (const [route, first] of [
        ["/messages", 1],
        ["/tail", count - 99],
      ] as const) {
        const { body } = await world.ok("GET", `${path}${route}`);
        const seqs = seqsIn(body);
        demand(
          seqs.length === 100 && seqs[0] === first,
          "LOG-1",
          () => `${route} shows ${seqs.length} messages from ${String(seqs[0])} on`,
        );
      }
    },
  }),
];

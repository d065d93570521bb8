import { randomInt } from "node:crypto";
import { runServerChecks, type Failure, type RunOptions } from "@fastpaca/conformance";
import { describe, expect, test } from "vitest";
import { startServer, type Tampering } from "./wrong-server.js";
import { WRONG_SERVERS } from "./wrong-servers.js";

/** Milliseconds for one server; far beyond what the checks take. */
const DEADLINE_MS = 120_000;

/** Plays the checks until one fails. @returns what it found */
async function found(
  tampering: Tampering,
  apiKey: string | undefined,
  options: RunOptions,
): Promise<Failure | undefined> {
  await using server = await startServer(tampering, apiKey);
  const { checks } = await runServerChecks({ url: server.url, apiKey }, { bail: true, ...options });
  return checks.find(({ failure }) => failure !== undefined)?.failure;
}

describe("wrong servers are caught, and the report says what is wrong with them", () => {
  test.each(WRONG_SERVERS.map((wrong) => [wrong.name, wrong] as const))(
    "%s",
    { timeout: DEADLINE_MS },
    async (_name, { invariants, tampering, apiKey }) => {
      const seed = randomInt(2 ** 31);
      const failure = await found(tampering(), apiKey, { seed });
      expect(invariants, `seed ${seed}: ${failure?.message ?? "not caught"}`).toContain(failure?.invariant);
    },
  );
});

describe("the product's own server passes", () => {
  test.each([
    ["as it is", {}, undefined],
    ["with an API key", {}, "secret"],
    ["with somebody in between who changes nothing", { answer: (asked, send) => send(asked) }, undefined],
  ] as [string, Tampering, string | undefined][])(
    "%s",
    { timeout: DEADLINE_MS },
    async (_name, tampering, apiKey) => {
      const seed = randomInt(2 ** 31);
      await using server = await startServer(tampering, apiKey);
      const { checks, invariants, passed } = await runServerChecks(
        { url: `${server.url}/v1/`, apiKey },
        { seed },
      );
      const failures = checks.flatMap(({ failure }) => failure ?? []);
      expect(failures, `seed ${seed}`).toEqual([]);
      expect(passed).toBe(true);
      const open = invariants.filter(({ verdict }) => verdict !== "passed").map(({ id }) => id);
      expect(open).toEqual(apiKey === undefined ? ["AUT-1"] : []);
    },
  );
});

test("a failure is played again by its seed and path", { timeout: DEADLINE_MS }, async () => {
  const wrong = WRONG_SERVERS.find(({ name }) => name === "counts one token too many");
  const first = await found(wrong?.tampering() ?? {}, undefined, { only: ["windows-follow-their-rules"] });
  const { seed, path, check, invariant, counterexample, exact } = first ?? {};
  expect({ invariant, exact }).toEqual({ invariant: "WIN-2", exact: true });
  const again = await found(wrong?.tampering() ?? {}, undefined, {
    only: [check ?? ""],
    seed: seed ?? 0,
    path: path ?? "",
  });
  expect(again).toMatchObject({ invariant, counterexample, path, shrinks: 0 });
});

test("names tell wrong servers apart", () => {
  expect(new Set(WRONG_SERVERS.map(({ name }) => name)).size).toBe(WRONG_SERVERS.length);
});

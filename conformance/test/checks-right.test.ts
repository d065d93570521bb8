import type { Driver } from "@fastpaca/core";
import { expect, test } from "vitest";
import { INVARIANTS } from "../src/catalogue.js";
import { EXACT_MODES } from "../src/check.js";
import { CHECKS } from "../src/checks/index.js";
import { runChecks } from "../src/runner.js";
import type { DriverUnderTest } from "../src/subject.js";
import { coming, free, subjectWith } from "./checks-table.js";

/** Checks of this folder that ask one thing after the other. */
const ONLY = CHECKS.filter(({ mode, name }) => mode === "sequence" || name === "reopen-not-durable").map(
  ({ name }) => name,
);

const bare = <T extends object>(row: T): T =>
  Object.assign(Object.create(null) as T, row, { _id: "of the database", extra: null });

/** Drivers that keep every promise, and do so in a way of their own. */
const RIGHT: readonly (readonly [string, DriverUnderTest])[] = [
  ["shared", subjectWith({})],
  [
    "not shared",
    subjectWith({ shared: false }, (driver) => ({ ...driver, traits: { durable: false, shared: false } })),
  ],
  ["takes one commit at a time", subjectWith({}, (driver) => limited(driver, 2 * 1024 * 1024, 1))],
  ["takes three commits at a time", subjectWith({}, (driver) => limited(driver, 3 * 1024 * 1024, 3))],
  [
    "does not show who won",
    subjectWith({}, (driver) => ({
      ...driver,
      ...coming((outcome) => (outcome.status === "conflict" ? { ...outcome, head: undefined } : outcome))(
        driver,
      ),
    })),
  ],
  [
    "answers rows of a database",
    subjectWith({}, (driver) => ({
      ...driver,
      heads: async (ids) => (await driver.heads(ids)).map((head) => head && bare(head)),
      messages: async (id, from, to) => (await driver.messages(id, from, to)).map(bare),
      marks: async (id, after, limit) => (await driver.marks(id, after, limit)).map(bare),
      keys: async (id, keys) => (await driver.keys(id, keys)).map(bare).toReversed(),
    })),
  ],
  [
    "does not look ahead in lists",
    subjectWith({}, (driver) => ({
      ...driver,
      list: async (query) => {
        const { heads } = await driver.list(query);
        const last = heads.at(-1);
        const full = last !== undefined && heads.length === query.limit;
        return { heads, next: full ? { updatedAt: last.updatedAt, id: last.id } : undefined };
      },
    })),
  ],
];

/** Rejects what a driver with such limits is never given. */
function limited(driver: Driver, maxCommitBytes: number, maxBatch: number): Driver {
  return {
    ...driver,
    limits: { maxCommitBytes, maxBatch },
    heads: async (ids) => {
      expect(ids.length).toBeLessThanOrEqual(maxBatch);
      return driver.heads(ids);
    },
    commit: async (commits) => {
      expect(commits.length).toBeLessThanOrEqual(maxBatch);
      expect(new Set(commits.map(({ id }) => id)).size).toBe(commits.length);
      for (const { head, messages, marks, keys } of commits) {
        const texts = [
          head.metadata,
          head.state,
          ...messages.map(({ body }) => body),
          ...marks.map(({ body }) => body),
        ];
        const bytes = [...texts, ...keys.map(({ key }) => key)].reduce(
          (sum, text) => sum + Buffer.byteLength(text),
          0,
        );
        expect(bytes).toBeLessThanOrEqual(maxCommitBytes);
      }
      return driver.commit(commits);
    },
  };
}

test.each(RIGHT)("nothing is wrong with a driver that %s", { timeout: 240_000 }, async (_name, subject) => {
  const { checks } = await runChecks(subject, { only: ONLY, seed: 42 });
  expect(
    checks.flatMap(({ check, failure }) => (failure === undefined ? [] : [[check, failure.message]])),
  ).toEqual([]);
});

test("a seed repeats the very calls, and a path the very failure", async () => {
  const failing = (): DriverUnderTest =>
    subjectWith({}, (driver) => ({ ...driver, prune: (id, below) => free(driver, id, below + 1) }));
  const options = { only: ["any-sequence"], seed: 7 };
  const [first, second] = [await runChecks(failing(), options), await runChecks(failing(), options)];
  const failure = first.checks[0]?.failure;
  expect(failure).toBeDefined();
  expect(second.checks[0]?.failure?.path).toBe(failure?.path);
  expect(second.checks[0]?.failure?.counterexample).toBe(failure?.counterexample);
  const again = await runChecks(failing(), { ...options, path: failure?.path ?? "" });
  expect(again.checks[0]?.failure?.invariant).toBe(failure?.invariant);
  expect(again.checks[0]?.failure?.calls.map(({ method }) => method)).toEqual(
    failure?.calls.map(({ method }) => method),
  );
});

test("every check has a name of its own, and invariants that there are", () => {
  const names = CHECKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const known = INVARIANTS.map(({ id }) => id);
  for (const { invariants } of CHECKS) expect(known).toEqual(expect.arrayContaining([...invariants]));
  expect(EXACT_MODES.has("sequence")).toBe(true);
});

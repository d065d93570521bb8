import type { Driver } from "@fastpaca/core";
import { expect, test } from "vitest";
import { runChecks } from "../src/runner.js";
import { played } from "./played.js";
import type { DriverUnderTest } from "../src/subject.js";
import { modelSubject } from "./model-driver.js";

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

type Listener = (ids: readonly string[]) => void;

interface Wrong {
  /** Which of the ids that were committed are told. */
  readonly tell?: (ids: readonly string[]) => unknown;
  readonly own?: boolean;
  readonly foreign?: boolean;
  readonly end?: "nothing" | "everything" | "late" | "the other one at the second time" | "never" | "loudly";
  /** Of so many hints one comes. */
  readonly lossy?: boolean;
}

/** The model with hints; each handle hears of its own commits and of those of other handles. */
function watched({
  tell = (ids) => ids,
  own = true,
  foreign = true,
  end,
  lossy,
}: Wrong = {}): DriverUnderTest {
  const all = new Set<{ readonly of: Driver; hints: number; readonly hear: (ids: unknown) => void }>();
  const subject = modelSubject((driver) => {
    const watching: Driver = {
      ...driver,
      commit: async (commits) => {
        const outcomes = await driver.commit(commits);
        const told = tell(commits.map(({ id }) => id));
        for (const entry of all) {
          if (!(entry.of === watching ? own : foreign)) continue;
          if (lossy === true && (entry.hints += 1) % 3 !== 0) continue;
          setImmediate(entry.hear, told);
        }
        return outcomes;
      },
      watch: async (onChange: Listener) => {
        let over = false;
        const entry = {
          of: watching,
          hints: 0,
          hear: (ids: unknown) => {
            if (!over) onChange(ids as readonly string[]);
          },
        };
        all.add(entry);
        return async () => {
          if (over && end === "the other one at the second time") all.delete([...all].at(-1) ?? entry);
          if (end === "nothing") return;
          if (end === "never") await new Promise<never>(() => undefined);
          if (end === "loudly") throw new Error("no end");
          if (end === "everything") all.clear();
          all.delete(entry);
          if (end !== "late") over = true;
        };
      },
    };
    return watching;
  });
  return { ...subject, traits: { ...subject.traits, watch: true } };
}

async function failure(wrong: Wrong, seed: number, check: string) {
  const { checks } = await runChecks(watched(wrong), { only: [check], seed });
  return played(checks).failure;
}

test("hints that come satisfy every check", async () => {
  for (const seed of SEEDS) {
    expect(await failure({}, seed, "watch-hears-commits")).toBeUndefined();
    expect(await failure({}, seed, "watch-ends")).toBeUndefined();
  }
});

test("hints that come now and then satisfy every check", { timeout: 240_000 }, async () => {
  expect(await failure({ lossy: true }, 1, "watch-hears-commits")).toBeUndefined();
  expect(await failure({ lossy: true }, 1, "watch-ends")).toBeUndefined();
});

// Each of these waits for hints that never come, until it is sure.
test.concurrent.for([
  ["says nothing", { own: false, foreign: false }],
  ["says nothing of other handles", { foreign: false }],
  ["says only the first of several ids", { tell: (ids: readonly string[]) => ids.slice(0, 1) }],
] as const)("a watch that %s is caught", { timeout: 240_000 }, async ([, wrong]) => {
  expect(await failure(wrong, 1, "watch-hears-commits")).toMatchObject({ invariant: "WCH-1" });
});

test("a watch need not hear of the commits of its own handle", { timeout: 240_000 }, async () => {
  for (const seed of SEEDS)
    expect(await failure({ own: false }, seed, "watch-hears-commits")).toBeUndefined();
});

test("a watch that hears something else than ids is caught", async () => {
  const tell = (ids: readonly string[]) => ids[0];
  expect(await failure({ tell }, 1, "watch-hears-commits")).toMatchObject({ invariant: "WCH-1" });
});

test("a watch that goes on after its end is caught with any seed", async () => {
  for (const seed of SEEDS) {
    expect(await failure({ end: "nothing" }, seed, "watch-ends")).toMatchObject({ invariant: "WCH-2" });
  }
});

test.concurrent.for(["everything", "the other one at the second time"] as const)(
  "a watch whose end ends %s is caught",
  { timeout: 240_000 },
  async (end) => {
    expect(await failure({ end }, 1, "watch-ends")).toMatchObject({ invariant: "WCH-2" });
  },
);

test("a watch that still hears of what was on its way is caught with any seed", async () => {
  for (const seed of SEEDS) {
    expect(await failure({ end: "late" }, seed, "watch-ends")).toMatchObject({ invariant: "WCH-2" });
  }
});

test("a watch whose end is not answered, or fails, is found", { timeout: 240_000 }, async () => {
  expect(await failure({ end: "never" }, 1, "watch-hears-commits")).toMatchObject({
    invariant: "ERR-1",
    message: "end of the watch was not answered within 15 s",
  });
  expect(await failure({ end: "loudly" }, 1, "watch-hears-commits")).toMatchObject({
    invariant: "ERR-2",
    message: "end of the watch rejected although nothing was wrong: no end",
  });
});

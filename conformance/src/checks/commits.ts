import fc from "fast-check";
import type { Commit, Head } from "@fastpaca/core";
import { check, NOTHING, type Check } from "../check.js";
import { commitOn, type Step } from "../commits.js";
import { lockstep, type Lockstep } from "../lockstep.js";

const REFUSALS = ["stale", "zero", "ahead", "held key", "stale with held key", "stale purge"] as const;
type Refusal = (typeof REFUSALS)[number];

/** A full step: whatever of it shows up afterwards was not refused as a whole. */
function full(id: string, token: string): Step {
  return {
    token,
    messages: [1, 2, 3].map((n) => `{"n":"${id} ${token} ${n}"}`),
    marks: [
      { kind: "compaction", body: `{"n":"${id} ${token} compaction"}` },
      { kind: "config", body: `{"n":"${id} ${token} config"}` },
    ],
    keys: [`${token} 1`, `${token} 2`],
    metadata: `{"token":"${token}"}`,
    labels: [`token=${token}`],
  };
}

/** A commit that has to be refused; the conversation has at least two revisions, and holds `held`. */
function refused(steps: Lockstep, id: string, refusal: Refusal, token: string, held: string): Commit {
  const head = steps.model.head(id);
  const earlier = steps.model.landed(id).at(-2)?.head;
  const step = full(id, token);
  switch (refusal) {
    case "stale":
      return commitOn(earlier, id, step);
    case "zero":
      return commitOn(undefined, id, step);
    case "ahead":
      return onRevision(commitOn(head, id, step), (head?.revision ?? 0) + 1);
    case "held key":
      return commitOn(head, id, { ...step, keys: [`${token} 1`, held, `${token} 2`] });
    case "stale with held key":
      return commitOn(earlier, id, { ...step, keys: [held] });
    case "stale purge":
      return commitOn(earlier, id, { token, purge: true });
  }
}

function onRevision(commit: Commit, base: number): Commit {
  const head: Head = { ...commit.head, revision: base + 1 };
  return { ...commit, base, head };
}

/** Compare-and-set, one commit after the other. */
export const COMMITS: readonly Check[] = [
  check({
    name: "commit-any-base",
    invariants: ["CAS-3", "CAS-1", "CAS-4", "VER-3"],
    mode: "sequence",
    runs: 6,
    arbitrary: fc.record({ steps: fc.integer({ min: 1, max: 5 }), purged: fc.boolean() }),
    run: async (world, { steps: count, purged }) => {
      const steps = await lockstep(world);
      const id = world.id("c");
      const missing = world.id("never created");
      for (let step = 1; step <= count; step++) await steps.step(id, full(id, `t${step}`));
      if (purged) await steps.step(id, { token: "purge", purge: true });
      const right = steps.model.head(id)?.revision ?? 0;
      const near = Array.from({ length: right + 3 }, (_, base) => base);
      const far = [2 ** 8, 2 ** 16, 2 ** 31, 2 ** 32, 2 ** 33].flatMap((gap) => [
        gap,
        right + gap,
        right + gap - 1,
      ]);
      for (const base of [...near, ...far, Number.MAX_SAFE_INTEGER - 1].filter((base) => base !== right)) {
        const wrong = commitOn(steps.model.head(id), id, full(id, `wrong ${base}`));
        await steps.commit([onRevision(wrong, base)]);
      }
      for (const base of [1, 2 ** 32, Number.MAX_SAFE_INTEGER - 1]) {
        await steps.commit([onRevision(commitOn(undefined, missing, full(missing, `wrong ${base}`)), base)]);
      }
      await steps.verify([id, missing]);
      await steps.step(id, full(id, "right"));
      await steps.step(missing, full(missing, "right"));
      await steps.verify([id, missing]);
    },
  }),
  check({
    name: "commit-batch",
    invariants: ["ISO-2", "CAS-6", "CAS-1", "KEY-1", "KEY-4"],
    mode: "sequence",
    runs: 20,
    arbitrary: fc.array(
      fc.array(
        fc.constantFrom("right" as const, "right" as const, "purge" as const, "create" as const, ...REFUSALS),
        {
          minLength: 2,
          maxLength: 6,
        },
      ),
      { minLength: 3, maxLength: 3 },
    ),
    run: async (world, batches) => {
      const steps = await lockstep(world);
      for (const [index, kinds] of batches.entries()) {
        // One that is refused and one that is not, in each order, are in every batch.
        const whole =
          index % 2 === 0
            ? (["held key", ...kinds, "right"] as const)
            : (["right", ...kinds, "stale"] as const);
        const ids = whole.map((_, place) => world.id(`batch ${index} ${place}`));
        const existing = ids.filter((_, place) => whole[place] !== "create");
        await steps.commit(existing.map((id) => commitOn(undefined, id, full(id, "first"))));
        await steps.commit(existing.map((id) => commitOn(steps.model.head(id), id, full(id, "second"))));
        const commits = ids.map((id, place) => {
          const kind = whole[place] ?? "right";
          if (kind === "right" || kind === "create")
            return commitOn(steps.model.head(id), id, full(id, "third"));
          if (kind === "purge") return commitOn(steps.model.head(id), id, { token: "purge", purge: true });
          return refused(steps, id, kind, "third", "first 2");
        });
        await steps.commit(commits);
      }
      await steps.verify();
    },
  }),
  check({
    name: "commit-again",
    invariants: ["CAS-8", "KEY-4"],
    mode: "sequence",
    runs: 6,
    arbitrary: fc.array(
      fc.constantFrom("full" as const, "empty" as const, "tombstone" as const, "purge" as const),
      {
        minLength: 2,
        maxLength: 5,
      },
    ),
    run: async (world, kinds) => {
      const steps = await lockstep(world);
      const ids = [world.id("a"), world.id("b")];
      for (const [index, kind] of (["full", ...kinds] as const).entries()) {
        for (const id of ids) {
          const again = steps.model.head(id)?.purged === true;
          const token = `t${index}`;
          const step = kind === "full" || again ? full(id, token) : { token };
          const turn = !again && (kind === "tombstone" || kind === "purge") ? { [kind]: true } : {};
          const commit = await steps.step(id, { ...step, ...turn });
          await steps.commit([commit]);
          await steps.commit([commit]);
        }
      }
      for (const id of ids) for (const commit of steps.model.landed(id)) await steps.commit([commit]);
      await steps.commit(ids.flatMap((id) => steps.model.landed(id).at(-1) ?? []));
      await steps.verify();
    },
  }),
  check({
    name: "commit-refused",
    invariants: ["CAS-7", "CAS-3", "GAP-1", "KEY-1", "CAS-5"],
    mode: "sequence",
    runs: 6,
    arbitrary: fc.shuffledSubarray([...REFUSALS], { minLength: REFUSALS.length }),
    run: async (world, refusals) => {
      const steps = await lockstep(world);
      const id = world.id("c");
      await steps.step(id, full(id, "first"));
      await steps.step(id, full(id, "second"));
      for (const refusal of refusals) {
        await steps.commit([refused(steps, id, refusal, refusal, "first 1")]);
        await steps.verify([id]);
        // The next one takes the very places that the refused one would have taken.
        await steps.step(id, full(id, `after ${refusal}`));
        await steps.messages(id, 1, 1000, { blame: "GAP-1" });
      }
      await steps.verify([id]);
    },
  }),
  check({
    name: "commit-whole",
    invariants: ["CAS-5"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const steps = await lockstep(world, { blame: "CAS-5" });
      const id = world.id("c");
      const large = (token: string): Step => ({
        ...full(id, token),
        messages: Array.from({ length: 400 }, (_, n) => `{"n":"${token} ${n}"}`),
        marks: Array.from({ length: 60 }, (_, n) => ({ kind: "config", body: `{"n":"${token} mark ${n}"}` })),
        keys: Array.from({ length: 120 }, (_, n) => `${token} ${n}`),
      });
      await steps.step(id, large("first"));
      await steps.verify([id]);
      const { keys = [], ...rest } = large("second");
      await steps.commit([commitOn(steps.model.head(id), id, { ...rest, keys: [...keys, "first 119"] })]);
      await steps.commit([commitOn(undefined, id, large("third"))]);
      await steps.verify([id]);
      await steps.step(id, large("fourth"));
      await steps.verify([id]);
    },
  }),
];

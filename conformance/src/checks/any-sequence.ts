import fc from "fast-check";
import type { Commit, Head } from "@fastpaca/core";
import { anyBody } from "../arbitraries.js";
import { check, type Check } from "../check.js";
import { commitOn, DAWN } from "../commits.js";
import { lockstep, type Lockstep } from "../lockstep.js";

const CONVERSATIONS = 5;
const conversation = fc.nat({ max: CONVERSATIONS - 1 });
const KEYS = 8;

/** Which revision a commit claims to have been decided on. */
type Base = "right" | "stale" | "zero" | "ahead" | "far ahead";

const part = fc.record({
  of: conversation,
  base: fc.oneof(
    { weight: 9, arbitrary: fc.constant<Base>("right") },
    { weight: 4, arbitrary: fc.constantFrom<Base>("stale", "zero", "ahead", "far ahead") },
  ),
  back: fc.nat({ max: 5 }),
  bodies: fc.array(anyBody, { maxLength: 5 }),
  marks: fc.array(fc.constantFrom("compaction" as const, "reset" as const, "config" as const), {
    maxLength: 2,
  }),
  keys: fc.uniqueArray(fc.nat({ max: KEYS - 1 }), { maxLength: 3 }),
  labels: fc.subarray(["a=1", "a=12", "b=x,y"]),
  later: fc.constantFrom(0, 0, 1, 1000),
  turn: fc.oneof(
    { weight: 8, arbitrary: fc.constant("none" as const) },
    { weight: 3, arbitrary: fc.constantFrom("tombstone" as const, "purge" as const, "metadata" as const) },
  ),
});
type Part = typeof part extends fc.Arbitrary<infer T> ? T : never;

const action = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("commit" as const),
      parts: fc.array(part, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("again" as const),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("heads" as const),
      of: fc.array(fc.nat({ max: CONVERSATIONS }), { maxLength: 7 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("messages" as const),
      of: conversation,
      from: fc.nat({ max: 12 }),
      count: fc.nat({ max: 8 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("marks" as const),
      of: conversation,
      after: fc.nat({ max: 15 }),
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("keys" as const),
      of: conversation,
      keys: fc.uniqueArray(fc.nat({ max: KEYS })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("list" as const),
      labels: fc.subarray(["a=1", "b=x,y"]),
      limit: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("prune" as const),
      of: conversation,
      below: fc.integer({ min: 2, max: 12 }),
      less: fc.constantFrom(0, 0, 1),
    }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** One run of {@link ANY_SEQUENCE}. */
class Sequence {
  readonly #steps: Lockstep;
  readonly #ids: readonly string[];
  readonly #label: string;
  #count = 0;

  constructor(steps: Lockstep, name: (of: string) => string) {
    this.#steps = steps;
    this.#ids = Array.from({ length: CONVERSATIONS + 1 }, (_, index) => name(`c${index}`));
    this.#label = `run=${name("")}`;
  }

  async play(action: Action): Promise<void> {
    const steps = this.#steps;
    const { model } = steps;
    switch (action.do) {
      case "commit":
        await steps.commit(this.#batch(action.parts.map((part) => this.#commit(part))));
        break;
      case "again": {
        const all = model.ids.flatMap((id) => [...model.landed(id), ...model.refused(id)]);
        // A commit that was ahead of its time must not land later: the store would not have made it then.
        const past = all.filter((commit) => model.foresee(commit).status !== "committed");
        const picked = action.picks.flatMap((pick) => past[pick % Math.max(1, past.length)] ?? []);
        if (picked.length > 0) await steps.commit(this.#batch(picked));
        break;
      }
      case "heads":
        await steps.heads(action.of.map((of) => this.#id(of)));
        break;
      case "messages":
        await steps.messages(this.#id(action.of), action.from + 1, action.from + action.count);
        break;
      case "marks":
        await steps.marks(this.#id(action.of), action.after, action.limit);
        break;
      case "keys":
        await steps.keys(this.#id(action.of), action.keys.map(key));
        break;
      case "list":
        await steps.list([this.#label, ...action.labels], action.limit);
        break;
      case "prune":
        await this.#prune(this.#id(action.of), action.below, action.less);
        break;
    }
  }

  async finish(): Promise<void> {
    await this.#steps.verify(this.#ids.slice(0, CONVERSATIONS));
    await this.#steps.list([this.#label], 3);
  }

  async #prune(id: string, wanted: number, less: number): Promise<void> {
    const { model } = this.#steps;
    const head = model.head(id);
    if (head === undefined || head.purged) return;
    const firstSeq = Math.max(head.firstSeq, Math.min(wanted, head.lastSeq + 1));
    await this.#steps.step(id, { token: this.#token(), firstSeq, archivedSeq: firstSeq - 1 });
    await this.#steps.prune(id, Math.max(1, firstSeq - less));
  }

  #commit({ of, base, back, bodies, marks, keys, labels, later, turn }: Part): Commit {
    const { model } = this.#steps;
    const id = this.#id(of);
    const present = model.head(id);
    const revision = present?.revision ?? 0;
    const past = model.landed(id).slice(0, -1);
    const before =
      base === "stale" ? (past.at(-1 - (back % Math.max(1, past.length)))?.head ?? present) : present;
    const token = this.#token();
    const commit = commitOn(base === "zero" ? undefined : before, id, {
      token,
      messages: bodies.map((body, index) => `{"n":"${id} ${token} ${index}","body":${body}}`),
      marks: marks.map((kind, index) => ({ kind, body: `{"n":"${id} ${token} mark ${index}"}` })),
      keys: bodies.length === 0 ? [] : keys.map(key),
      labels: [this.#label, ...labels],
      updatedAt: Math.max(before?.updatedAt ?? DAWN, present?.updatedAt ?? DAWN) + later,
      ...(turn === "tombstone" && { tombstone: true }),
      ...(turn === "metadata" && { metadata: `{"token":"${token}"}` }),
      ...(turn === "purge" && before !== undefined && !before.purged && { purge: true }),
    });
    if (base === "ahead") return onRevision(commit, revision + 1 + back);
    if (base === "far ahead") return onRevision(commit, revision + 2 ** (16 + 16 * (back % 3)));
    return commit;
  }

  /** The first commit of each conversation: one call concerns each only once. */
  #batch(commits: readonly Commit[]): Commit[] {
    return [...new Map(commits.map((commit) => [commit.id, commit])).values()];
  }

  #id(of: number): string {
    return this.#ids[of] ?? "";
  }

  #token(): string {
    return `t${(this.#count += 1)}`;
  }
}

function key(index: number): string {
  return `key ${index}`;
}

function onRevision(commit: Commit, base: number): Commit {
  const head: Head = { ...commit.head, revision: base + 1 };
  return { ...commit, base, head };
}

/** Whatever a store may ask, in any order, over several conversations and handles. */
export const ANY_SEQUENCE: readonly Check[] = [
  check({
    name: "any-sequence",
    invariants: ["CAS-1", "CAS-3", "VER-1", "VER-2", "SEQ-1", "GAP-2", "KEY-1", "ISO-1", "ERR-1", "ERR-2"],
    mode: "sequence",
    runs: 50,
    arbitrary: fc.array(action, { minLength: 1, maxLength: 30, size: "max" }),
    run: async (world, actions) => {
      const sequence = new Sequence(await lockstep(world, { handles: 3 }), (of) => world.id(of));
      for (const action of actions) await sequence.play(action);
      await sequence.finish();
    },
  }),
];

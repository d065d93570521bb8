import type { Commit, CommitOutcome, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { commitOn } from "../src/commits.js";
import { violationIn } from "../src/history-checker.js";
import type { Call } from "../src/history.js";
import { Model } from "../src/model.js";
import { hasLegalOrder, isNextStep } from "./exhaustive-order.js";

const ID = "c";

interface Plan {
  /** Commits that writers may hand over, each decided on the head of an earlier one. */
  readonly commits: readonly {
    readonly parent: number;
    readonly size: number;
    readonly keys: readonly string[];
    readonly mark: boolean;
    readonly purge: boolean;
    /** Messages of which it says that they are gone. */
    readonly gone: number;
  }[];
  readonly calls: readonly {
    readonly what: "commit" | "heads" | "messages" | "marks" | "keys" | "prune";
    readonly commit: number;
    readonly fate: "told" | "headless" | "unknown" | "lost" | "late" | "unanswered" | "rejected";
    /** Where in its stretch of time it takes effect, in per cent. */
    readonly point: number;
    readonly first: number;
    readonly last: number;
  }[];
  /** Where each call begins and ends. */
  readonly order: readonly number[];
  /** What is changed about the answers afterwards. */
  readonly changes: readonly { readonly call: number; readonly how: number; readonly from: number }[];
}

const plans = (most: number): fc.Arbitrary<Plan> =>
  fc
    .record({
      commits: fc.array(
        fc.record({
          parent: fc.nat(4),
          size: fc.constantFrom(0, 1, 1, 2),
          keys: fc.constantFrom([], [], ["k"], ["k", "l"]),
          mark: fc.boolean(),
          purge: fc.constantFrom(false, false, false, false, true),
          gone: fc.constantFrom(0, 0, 1, 2),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      calls: fc.array(
        fc.record({
          what: fc.constantFrom("commit", "commit", "commit", "heads", "messages", "marks", "keys", "prune"),
          commit: fc.nat(4),
          fate: fc.oneof(
            { weight: 5, arbitrary: fc.constant("told" as const) },
            {
              weight: 4,
              arbitrary: fc.constantFrom("headless", "unknown", "lost", "late", "unanswered", "rejected"),
            },
          ),
          point: fc.integer({ min: 1, max: 99 }),
          first: fc.constantFrom(1, 1, 2),
          last: fc.constantFrom(1, 9, 9),
        }),
        { minLength: 3, maxLength: most },
      ),
      changes: fc.array(fc.record({ call: fc.nat(9), how: fc.nat(5), from: fc.nat(9) }), { maxLength: 4 }),
    })
    .chain((plan) =>
      fc.record({
        commits: fc.constant(plan.commits),
        calls: fc.constant(plan.calls),
        changes: fc.constant(plan.changes),
        // Mostly one after the other with some overlap, sometimes anything.
        order: fc.oneof(
          fc
            .array(fc.nat(6), { minLength: plan.calls.length, maxLength: plan.calls.length })
            .map((lengths) => lengths.flatMap((length, index) => [index * 3, index * 3 + 1 + length])),
          fc.array(fc.nat(50), { minLength: plan.calls.length * 2, maxLength: plan.calls.length * 2 }),
        ),
      }),
    );

/** Plays a plan on the model, each call at one moment between its beginning and its end. */
function play({ commits: shapes, calls: wanted, order }: Plan): Call[] {
  const commits: Commit[] = [];
  const decidedOn = new Map<Commit, Head | undefined>();
  for (const [index, { parent, size, keys, mark, purge, gone }] of shapes.entries()) {
    const before = parent === 0 ? undefined : commits[(parent - 1) % Math.max(1, commits.length)]?.head;
    const messages = Array.from({ length: size }, (_, place) => `"${index}.${place}"`);
    const kind = index % 2 === 0 ? ("compaction" as const) : ("reset" as const);
    const commit = commitOn(before, ID, {
      token: `t${index}`,
      messages,
      keys,
      purge,
      firstSeq: firstSeqAfter(before, size, gone),
      ...(mark && { marks: [{ kind, body: "{}" }] }),
    });
    commits.push(commit);
    decidedOn.set(commit, before);
  }
  // Every beginning and end gets a place of its own.
  const ends = order
    .map((at, index) => ({ at, index }))
    .sort((a, b) => a.at - b.at || (a.index % 2) - (b.index % 2) || a.index - b.index);
  const places = new Map(ends.map(({ index }, place) => [index, place]));
  const planned = wanted.map((call, index) => {
    const [one, two] = [places.get(index * 2) ?? 0, places.get(index * 2 + 1) ?? 0];
    const [from, to] = [Math.min(one, two), Math.max(one, two)];
    const late = call.fate === "late" && (call.what === "commit" || call.what === "prune");
    const point = late ? to + call.point : from + ((to - from) * call.point) / 100;
    return { ...call, from, to, point, index };
  });
  const model = new Model();
  const landed: Commit[] = [];
  const history: Call[] = [];
  for (const { what, commit: which, fate, from, to, first, last } of planned.sort(
    (a, b) => a.point - b.point,
  )) {
    const commit = commits[which % commits.length];
    if (commit === undefined) continue;
    const base = { lane: "A", invoked: from };
    const open = fate === "unknown" || fate === "late" || fate === "lost" || fate === "unanswered";
    if (what === "commit") {
      const fits = (landed.at(-1)?.head.revision ?? 0) === commit.base;
      // Not on another one of the same revision, with other numbers.
      const onLatest = decidedOn.get(commit) === landed.at(-1)?.head;
      const sane =
        (onLatest && isNextStep(landed, commit)) ||
        model.keys(
          ID,
          commit.keys.map(({ key }) => key),
        ).length > 0;
      // Nobody decides on a head that was not there.
      if (fits && !sane && fate !== "lost" && fate !== "rejected") continue;
      let outcome: CommitOutcome = { status: "unknown" };
      if (fate !== "lost" && fate !== "rejected") {
        outcome = model.commit(commit);
        if (outcome.status === "committed") landed.push(commit);
      }
      const call = { ...base, method: "commit", args: [[commit]] };
      if (fate === "unanswered") history.push(call);
      else if (fate === "rejected") history.push({ ...call, answered: to, error: new Error("gone") });
      else if (open) history.push({ ...call, answered: to, result: [{ status: "unknown" }] });
      else if (fate === "headless" && outcome.status === "conflict") {
        history.push({ ...call, answered: to, result: [{ status: "conflict", head: undefined }] });
      } else history.push({ ...call, answered: to, result: [outcome] });
      continue;
    }
    const answered = what === "prune" && open ? {} : { answered: to };
    if (what === "heads")
      history.push({ ...base, ...answered, method: what, args: [[ID]], result: [model.head(ID)] });
    else if (what === "messages") {
      history.push({
        ...base,
        ...answered,
        method: what,
        args: [ID, first, last],
        result: model.messages(ID, first, last),
      });
    } else if (what === "marks") {
      const result = model.marks(ID, first - 1, last);
      history.push({ ...base, ...answered, method: what, args: [ID, first - 1, last], result });
    } else if (what === "keys") {
      const asked = last === 1 ? ["k"] : ["l", "k"];
      history.push({ ...base, ...answered, method: what, args: [ID, asked], result: model.keys(ID, asked) });
    } else {
      if (fate !== "rejected") model.prune(ID, first + 1);
      const failed = fate === "rejected" ? { error: new Error("gone") } : {};
      history.push({ ...base, ...answered, ...failed, method: what, args: [ID, first + 1] });
    }
  }
  return history.sort((a, b) => a.invoked - b.invoked);
}

/** Where the messages begin when some more of them are gone. */
function firstSeqAfter(before: Head | undefined, size: number, gone: number): number {
  const { firstSeq, lastSeq } = before ?? { firstSeq: 1, lastSeq: 0 };
  return Math.min(firstSeq + gone, lastSeq + size + 1);
}

/** Tells something else in one answer: what another call was told, or less, or the opposite. */
function change(calls: readonly Call[], { call: at, how, from }: Plan["changes"][number]): Call[] {
  const index = at % Math.max(1, calls.length);
  const victim = calls[index];
  if (victim === undefined || victim.answered === undefined || victim.error !== undefined) return [...calls];
  if (how > 3) {
    // The same answers at other times.
    const other = calls[from % calls.length];
    if (other?.answered === undefined || other === victim) return [...calls];
    const times = ({ invoked, answered = 0 }: Call) => ({ invoked, answered });
    return calls.map((call) =>
      call === victim ? { ...call, ...times(other) } : call === other ? { ...call, ...times(victim) } : call,
    );
  }
  const donors = calls.filter(
    ({ method, answered, error }) =>
      method === victim.method && answered !== undefined && error === undefined,
  );
  const donor = donors[from % Math.max(1, donors.length)];
  const changed = { ...victim };
  const shown = calls.flatMap(({ method, args }) => (method === "commit" ? (args[0] as Commit[]) : []));
  const some = shown[from % Math.max(1, shown.length)];
  if (victim.method === "commit") {
    const outcomes: CommitOutcome[] = [
      { status: "committed" },
      { status: "conflict", head: undefined },
      { status: "conflict", head: some?.head },
      { status: "duplicate", held: some?.keys ?? [] },
    ];
    changed.result = [outcomes[how]];
  } else if (victim.method === "heads") changed.result = [how === 0 ? undefined : some?.head];
  else if (how < 2 && donor !== undefined) changed.result = donor.result;
  else if (victim.method === "messages") {
    const rest = victim.result as StoredMessage[];
    changed.result = how === 2 ? rest.slice(0, -1) : [...rest, ...(some?.messages ?? [])];
  } else if (victim.method === "marks") {
    const rest = victim.result as Mark[];
    changed.result = how === 2 ? rest.slice(1) : [...rest, ...(some?.marks ?? [])];
  } else if (victim.method === "keys") {
    const rest = victim.result as KeyRecord[];
    changed.result = how === 2 ? rest.slice(1) : [...rest, ...(some?.keys ?? [])];
  }
  return calls.map((call, place) => (place === index ? changed : call));
}

test("whatever one moment per call makes of a plan is legal", { timeout: 240_000 }, () => {
  fc.assert(
    fc.property(plans(30), (plan) => {
      expect(violationIn(play(plan), { faults: true })).toBeUndefined();
    }),
    { numRuns: 2000 },
  );
});

test(
  "the checker and a search through every order agree, on legal histories and on others",
  { timeout: 240_000 },
  () => {
    const verdicts = { legal: 0, illegal: 0 };
    fc.assert(
      fc.property(plans(8), (plan) => {
        const calls = plan.changes.reduce<Call[]>(change, play(plan));
        const violation = violationIn(calls, { faults: true });
        const legal = hasLegalOrder(calls, ID);
        verdicts[legal ? "legal" : "illegal"] += 1;
        expect(violation?.message).toEqual(legal ? undefined : expect.any(String));
      }),
      { numRuns: 8000 },
    );
    expect(Math.min(verdicts.legal, verdicts.illegal)).toBeGreaterThan(2000);
  },
);

test("they agree where an answer fits many revisions with others in between", { timeout: 240_000 }, () => {
  const verdicts = { legal: 0, illegal: 0 };
  const pair = fc.tuple(fc.nat(16), fc.nat(16));
  const reads = fc.array(
    fc.record({ at: fc.nat(40), length: fc.nat(14), held: fc.boolean(), base: fc.option(fc.nat(4)) }),
    { minLength: 2, maxLength: 7 },
  );
  fc.assert(
    fc.property(fc.array(pair, { minLength: 3, maxLength: 5 }), reads, (writes, reads) => {
      // A key comes and goes, always with the same record.
      const commits: Commit[] = [];
      for (const [index] of writes.entries()) {
        const commit = commitOn(commits.at(-1)?.head, ID, {
          token: `t${index}`,
          ...(index % 2 === 0 ? { keys: ["k"] } : { purge: true }),
        });
        commits.push({ ...commit, keys: commit.keys.map((record) => ({ ...record, hash: "h" })) });
      }
      // One after the other, with more or less overlap.
      const spans = [
        ...writes.map(([early, late], index) => [index * 8 - early, index * 8 + 4 + late] as const),
        ...reads.map(({ at, length }) => [at, at + length] as const),
      ];
      const ends = spans.flatMap(([from, to], index) => [
        { at: from, key: index * 2 },
        { at: to + 0.5, key: index * 2 + 1 },
      ]);
      ends.sort((a, b) => a.at - b.at || a.key - b.key);
      const place = new Map(ends.map(({ key }, index) => [key, index]));
      const call = (index: number, method: string, args: unknown[], result: unknown): Call => ({
        lane: "A",
        method,
        args,
        invoked: place.get(index * 2) ?? 0,
        answered: place.get(index * 2 + 1) ?? 0,
        result,
      });
      const calls = [
        ...commits.map((commit, index) => call(index, "commit", [[commit]], [{ status: "committed" }])),
        ...reads.map(({ held, base }, index) => {
          if (base === null) {
            return call(writes.length + index, "keys", [ID, ["k"]], held ? commits[0]?.keys : []);
          }
          const rival = commitOn(commits[base - 1]?.head, ID, { token: `rival${index}` });
          const refused = [{ status: "conflict", head: undefined }];
          return call(writes.length + index, "commit", [[rival]], refused);
        }),
      ];
      const legal = hasLegalOrder(calls, ID);
      verdicts[legal ? "legal" : "illegal"] += 1;
      expect(violationIn(calls, { faults: true }) === undefined).toBe(legal);
    }),
    { numRuns: 8000 },
  );
  expect(Math.min(verdicts.legal, verdicts.illegal)).toBeGreaterThan(1000);
});

import type { KeyRecord } from "@fastpaca/core";
import { describe, expect, test } from "vitest";
import type { InvariantId } from "../src/catalogue.js";
import { violationIn } from "../src/history-checker.js";
import type { Call } from "../src/history.js";
import { Violation } from "../src/violation.js";
import { batch, head, keys, list, log, marks, of, on, prune, put, REJECTED } from "./timeline.js";

// One conversation: two messages under a key, then one more with a compaction, and rivals of each.
const a = on(undefined, "a", { messages: ["1", "2"], keys: ["k", "l"], labels: ["x"] });
const a2 = on(undefined, "a2", { messages: ["1b"] });
const b = on(a, "b", { messages: ["3"], marks: [{ kind: "compaction", body: "{}" }] });
const b2 = on(a, "b2", { messages: ["3b", "4b"] });
const c = on(b, "c", {
  messages: ["4"],
  marks: [
    { kind: "reset", body: "{}" },
    { kind: "compaction", body: "[]" },
  ],
});
const again = on(a, "again", { messages: ["3"], keys: ["k"] });
const purge = on(b, "purge", { purge: true });
const reborn = on(purge, "reborn", { messages: ["new"], keys: ["k"] });
// The next life begins as the first one did.
const alike = { ...on(purge, "alike", { messages: ["1", "2"] }), messages: a.messages };
// The first message is gone, then all of them.
const trim = on(b, "trim", { firstSeq: 2 });
const bare = on(c, "bare", { firstSeq: 5 });
const erased = on(trim, "erased", { purge: true });
const renewed = on(erased, "renewed", { messages: ["new", "newer"] });
const other = on(undefined, "other", { messages: ["theirs"] }, "d");
const other2 = on(other, "other2", { messages: ["theirs too"] }, "d");
// For lists: e, f and g have the label x and are ever more recent.
const [e, f, g] = ["e", "f", "g"].map((id, index) =>
  on(undefined, `first ${id}`, { labels: ["x"], updatedAt: 10 + index }, id),
) as [typeof a, typeof a, typeof a];
const f2 = on(f, "second f", { updatedAt: 20 }, "f");
const g2 = on(g, "purged g", { updatedAt: 21, purge: true }, "g");

/** Four commits that may have landed at any time; then the second one is there, and then the log is empty. */
const EMPTIED = [
  ...[a, b, purge, alike].map((commit) => put([0], commit)),
  head([10, 11], b),
  log([12, 20], []),
];

const TRIMMED = [put([0, 1], a), put([2, 3], b), put([4, 5], trim)];

const LEGAL: Record<string, readonly Call[]> = {
  "nothing at all": [],
  "one after the other": [
    put([0, 1], a),
    head([2, 3], a),
    log([4, 5], of(a)),
    put([6, 7], b),
    head([8, 9], b),
  ],
  "a read before anything": [head([0, 1], undefined), log([2, 3], []), put([4, 5], a)],
  "a read during a commit sees it": [put([0, 3], a), head([1, 2], a)],
  "a read during a commit does not see it yet": [put([0, 3], a), head([1, 2], undefined)],
  "two reads during a commit, the older state first": [
    put([0, 9], a),
    head([1, 2], undefined),
    head([3, 4], a),
  ],
  "overlapping reads see it in any order": [put([0, 9], a), head([1, 5], a), head([2, 6], undefined)],
  "of two racers one wins": [put([0, 3], a), put([1, 4], a2, a.head), head([5, 6], a)],
  "a refusal that shows no head": [put([0, 3], a), put([1, 4], a2, "conflict")],
  "a refusal before the answer of the winner": [put([0, 9], a), put([1, 2], a2, a.head)],
  "a refusal by a head that was superseded while it was on its way": [
    put([0, 1], a),
    put([2, 9], a2, a.head),
    put([3, 4], b),
  ],
  "an unknown outcome that landed": [put([0, 1], a, "unknown"), head([2, 3], a)],
  "an unknown outcome that did not": [put([0, 1], a, "unknown"), head([2, 3], undefined), put([4, 5], a2)],
  "an unknown outcome that lands after its answer": [
    put([0, 1], a, "unknown"),
    head([2, 3], undefined),
    head([4, 5], a),
  ],
  "a commit that was never answered lands late": [put([0], a), head([2, 3], undefined), head([4, 5], a)],
  "handed over again, and told that it landed": [put([0, 1], a, "unknown"), put([2, 3], a), head([4, 5], a)],
  "handed over again after it landed": [put([0, 1], a, "unknown"), put([2, 3], a, a.head), head([4, 5], a)],
  "handed over again after somebody else won": [
    put([0, 1], a, "unknown"),
    put([2, 3], a2),
    put([4, 5], a, a2.head),
  ],
  "two unknown ones, of which the log shows one": [
    put([0, 1], a, "unknown"),
    put([0, 1], a2, "unknown"),
    log([2, 3], of(a2)),
  ],
  "an unknown one that only explains a refusal": [put([0, 1], a, "unknown"), put([2, 3], a2, "conflict")],
  "an unknown one that somebody built on": [put([0, 1], a, "unknown"), put([2, 3], b), head([4, 5], b)],
  "a rejected one that is not there": [put([0, 1], a, REJECTED), head([2, 3], undefined), put([4, 5], a)],
  "a held key on the right base": [
    put([0, 1], a),
    put([2, 3], again, a.keys.slice(0, 1)),
    keys([4, 5], ["k", "z"], a.keys.slice(0, 1)),
  ],
  "a held key on another base": [put([0, 1], a), put([2, 3], b), put([4, 5], again, b.head)],
  "keys and log in the middle of a commit, each from its own moment": [
    put([0, 9], a),
    log([1, 2], []),
    keys([3, 4], ["k"], a.keys.slice(0, 1)),
    log([5, 6], of(a)),
  ],
  "a range of the log": [put([0, 1], a), put([2, 3], b), log([4, 5], of(a, b).slice(1, 2), 2, 2)],
  "a page of marks": [
    put([0, 1], a),
    put([2, 3], b),
    put([4, 5], c),
    marks([6, 7], [...b.marks, ...c.marks].slice(0, 2), 0, 2),
  ],
  "a purge and another life": [
    put([0, 1], a),
    put([2, 3], b),
    put([4, 5], purge),
    log([6, 7], []),
    keys([6, 7], ["k"], []),
    put([8, 9], reborn),
    log([10, 11], of(reborn)),
  ],
  "a log that is empty before and after a life": [
    put([0, 1], a),
    put([2, 3], b),
    log([4, 9], []),
    put([5, 6], purge),
  ],
  "an empty log that can only be from after a life, and messages from before its end or from the next one": [
    ...EMPTIED,
    log([13, 22], of(a), 1, 2),
    log([23, 24], []),
    head([30, 31], alike),
  ],
  "a prune that did something": [...TRIMMED, prune([6, 7], 2), log([8, 9], of(a, b).slice(1))],
  "a prune that did nothing yet": [
    ...TRIMMED,
    prune([6], 2),
    log([8, 9], of(a, b)),
    log([10, 11], of(a, b).slice(1)),
  ],
  "a prune before the head says that anything is gone": [
    put([0, 1], a),
    put([2, 3], b),
    prune([4], 3),
    log([5, 6], of(a, b)),
    put([7, 8], trim),
    log([9, 10], of(a, b).slice(1)),
  ],
  "a read that finds the newest messages first, while what it does not keep goes": [
    put([0, 1], a),
    put([3, 4], b),
    put([5, 6], trim),
    prune([7, 8], 2),
    log([2, 9], of(a).slice(1)),
  ],
  "a prune that was rejected goes on in the life that it found": [
    ...TRIMMED,
    { ...prune([6, 7], 2), error: new Error("gone") },
    log([8, 9], of(a, b)),
    log([10, 11], of(a, b).slice(1)),
  ],
  "a prune that was rejected goes on in a later life": [
    ...TRIMMED,
    { ...prune([6, 7], 2), error: new Error("gone") },
    put([8, 9], erased),
    put([10, 11], renewed),
    log([12, 13], of(renewed)),
    put([14, 15], on(renewed, "renewed and trimmed", { firstSeq: 2 })),
    log([16, 17], of(renewed).slice(1)),
  ],
  "a prune of marks keeps the newest compaction": [
    put([0, 1], a),
    put([2, 3], b),
    put([4, 5], c),
    put([6, 7], bare),
    prune([8, 9], 5),
    marks([10, 11], c.marks.slice(1)),
    log([10, 11], []),
  ],
  "a read that overlaps a prune": [...TRIMMED, log([6, 13], of(a, b).slice(1)), prune([7, 8], 2)],
  "a batch of which a part is refused": [
    put([0, 1], a),
    batch(
      [2, 5],
      [
        [a2, a.head],
        [other, "committed"],
      ],
    ),
    head([6, 7], other, "d"),
  ],
  "conversations do not wait for each other": [
    batch(
      [0, 9],
      [
        [a, "committed"],
        [other, "committed"],
      ],
    ),
    head([1, 2], a),
    head([3, 4], undefined, "d"),
    head([5, 6], other, "d"),
  ],
  "a list over pages": [
    batch(
      [0, 1],
      [
        [e, "committed"],
        [f, "committed"],
        [g, "committed"],
      ],
    ),
    list([2, 3], [g, f], { limit: 2, label: "x", more: true }),
    list([4, 5], [e], { limit: 2, label: "x", after: f }),
  ],
  "a list that misses what moves, and shows it twice": [
    batch(
      [0, 1],
      [
        [e, "committed"],
        [f, "committed"],
        [g, "committed"],
      ],
    ),
    list([2, 3], [g], { limit: 1, label: "x", more: true }),
    put([4, 5], f2),
    list([6, 7], [e], { limit: 1, label: "x", after: g }),
    list([8, 9], [f2], { limit: 1, more: true }),
    list([10, 11], [g, e], { limit: 5, after: f2 }),
  ],
  "a list may show what is just being superseded": [
    put([0, 1], f),
    put([2, 9], f2),
    head([3, 4], f2, "f"),
    list([5, 6], [f]),
  ],
  "a list without a filter shows strangers": [put([0, 1], f), list([2, 3], [g, f])],
  "a read that was rejected says nothing": [
    put([0, 1], a),
    { ...head([2, 3], undefined), error: new Error("gone") },
  ],
};

const ILLEGAL: Record<string, readonly [InvariantId, readonly Call[]]> = {
  "an empty log that can only be from after a life, messages that can only be from the next one, and no next one yet":
    ["GAP-2", [...EMPTIED, log([21, 22], of(a), 1, 2), log([23, 24], []), head([30, 31], alike)]],
  "two winners on one base": ["CAS-2", [put([0, 3], a), put([1, 4], a2)]],
  "two winners, one of them lost": ["CAS-2", [put([0, 3], a), put([1, 4], a2), head([5, 6], a2)]],
  "an acknowledged commit with another in its place": [
    "CAS-7",
    [put([0, 1], a), put([0, 1], a2, "unknown"), head([2, 3], a2)],
  ],
  "a refused commit whose head is shown": ["CAS-7", [put([0, 1], a, "conflict"), head([2, 3], a)]],
  "a refused commit whose messages are there": [
    "CAS-7",
    [put([0, 1], a), put([2, 3], a2, a.head), log([4, 5], of(a2))],
  ],
  "a rejected commit whose head is shown": ["ERR-3", [put([0, 1], a, REJECTED), head([2, 3], a)]],
  "a rejected commit that somebody lost against": [
    "ERR-3",
    [put([0, 1], a, REJECTED), put([2, 3], a2, a.head)],
  ],
  "a rejected commit whose messages are there": [
    "ERR-3",
    [put([0, 1], a), put([2, 3], b2, REJECTED), log([4, 5], of(a, b2))],
  ],
  "a read that does not see an acknowledged commit": ["VER-2", [put([0, 1], a), head([2, 3], undefined)]],
  "a read that sees an older head than one before": [
    "VER-2",
    [put([0, 9], a), head([1, 2], a), head([3, 4], undefined)],
  ],
  "an older head on the chain": ["VER-2", [put([0, 1], a), put([2, 3], b), head([4, 5], a)]],
  "an older head although an unknown commit was seen": [
    "VER-2",
    [put([0, 1], a, "unknown"), head([2, 3], a), head([4, 5], undefined)],
  ],
  "a refusal told that something landed, and a read does not show it": [
    "VER-2",
    [put([0, 9], a), put([1, 2], a2, "conflict"), head([3, 4], undefined)],
  ],
  "a head before its commit was handed over": ["VER-1", [head([0, 1], a), put([2, 3], a)]],
  "a head that nobody wrote": ["VER-1", [put([0, 1], a), head([2, 3], b)]],
  "a head with another field": [
    "VER-1",
    [put([0, 1], a), head([2, 3], { ...a, head: { ...a.head, lastSeq: 1 } })],
  ],
  "a head in the place of another": ["VER-4", [put([0, 1], a), put([0, 1], other), head([2, 3], other)]],
  "a head and only a part of its messages": ["CAS-5", [put([0, 1], a), log([2, 3], of(a).slice(0, 1))]],
  "a head, and its messages not yet": ["GAP-2", [put([0, 9], a), head([1, 2], a), log([3, 4], [])]],
  "messages, and their head not yet": [
    "CAS-5",
    [put([0, 9], a), log([1, 2], of(a)), head([3, 4], undefined)],
  ],
  "messages, and their head not when it was told": [
    "VER-2",
    [put([0, 3], a), log([1, 2], of(a)), head([4, 5], undefined)],
  ],
  "a head, and its marks not yet": [
    "GAP-2",
    [put([0, 1], a), put([2, 9], b), head([3, 4], b), marks([5, 6], [])],
  ],
  "a head, and its keys not yet": ["KEY-6", [put([0, 9], a), head([1, 2], a), keys([3, 4], ["k"], [])]],
  "one of two keys": ["CAS-5", [put([0, 9], a), keys([1, 2], ["k", "l"], a.keys.slice(0, 1))]],
  "one of two marks": [
    "CAS-5",
    [put([0, 1], a), put([2, 3], b), put([4, 9], c), marks([5, 6], [...b.marks, ...c.marks.slice(0, 1)])],
  ],
  "a hole": ["GAP-1", [put([0, 1], a), put([2, 3], b), log([4, 5], [...of(a).slice(0, 1), ...of(b)])]],
  "a log that begins too late": ["GAP-1", [put([0, 1], a), log([2, 3], of(a).slice(1))]],
  "a message twice": ["SEQ-1", [put([0, 1], a), log([2, 3], [...of(a), ...of(a).slice(1)])]],
  "messages out of order": ["SEQ-1", [put([0, 1], a), log([2, 3], of(a).toReversed())]],
  "a message with another body": [
    "SEQ-1",
    [
      put([0, 1], a),
      log(
        [2, 3],
        of(a).map((one) => ({ ...one, body: "9" })),
      ),
    ],
  ],
  "a message beyond the range": ["SEQ-2", [put([0, 1], a), log([2, 3], of(a), 1, 1)]],
  "a message of another conversation": [
    "ISO-1",
    [put([0, 1], a), put([2, 3], other), put([4, 5], other2), log([6, 7], [...of(a), ...of(other2)])],
  ],
  "a conflict with a head that was refused itself": [
    "CAS-7",
    [put([0, 1], a), put([2, 3], a2, "conflict"), put([4, 5], on(undefined, "a3"), a2.head)],
  ],
  "a conflict with a head from before": ["CAS-4", [put([0, 1], a), put([2, 3], b), put([4, 5], a2, a.head)]],
  "a conflict with its own base": ["CAS-4", [put([0, 1], a), put([2, 3], b, a.head)]],
  "a conflict with a head that nobody wrote": ["CAS-4", [put([0, 1], a), put([2, 3], a2, b.head)]],
  "a conflict although the base was right": ["CAS-1", [put([0, 1], a), put([2, 3], b, "conflict")]],
  "a conflict in a batch although the base was right": [
    "ISO-2",
    [
      put([0, 1], a),
      batch(
        [2, 3],
        [
          [b, "conflict"],
          [other, "committed"],
        ],
      ),
    ],
  ],
  "a duplicate on another base": [
    "KEY-4",
    [put([0, 1], a), put([2, 3], b), put([4, 5], again, a.keys.slice(0, 1))],
  ],
  "a duplicate without a held key": ["KEY-1", [put([0, 1], a), put([2, 3], b, a.keys.slice(0, 1))]],
  "a duplicate with another record": ["KEY-1", [put([0, 1], a), put([2, 3], again, again.keys)]],
  "a held key committed again": ["KEY-1", [put([0, 1], a), put([2, 3], again)]],
  "a key that nobody holds": [
    "KEY-6",
    [put([0, 1], a), keys([2, 3], ["z"], [{ ...a.keys[0], key: "z" } as KeyRecord])],
  ],
  "told as committed twice": ["CAS-8", [put([0, 1], a), put([2, 3], a)]],
  "told as committed after it was seen": [
    "CAS-8",
    [put([0, 1], a, "unknown"), head([2, 3], a), put([4, 5], a)],
  ],
  "a commit on a base that nobody wrote": ["CAS-3", [put([0, 1], a), put([2, 3], c)]],
  "too few outcomes": [
    "CAS-6",
    [
      {
        ...batch(
          [0, 1],
          [
            [a, "committed"],
            [other, "committed"],
          ],
        ),
        result: [{ status: "committed" }],
      },
    ],
  ],
  "messages of an earlier life": [
    "TMB-2",
    [
      put([0, 1], a),
      put([2, 3], b),
      put([4, 5], purge),
      put([6, 7], reborn),
      log([8, 9], [...of(reborn), ...of(a).slice(1)]),
    ],
  ],
  "messages behind a purge": [
    "TMB-2",
    [put([0, 1], a), put([2, 3], b), put([4, 5], purge), log([6, 7], of(a, b))],
  ],
  "a prune that took too much": ["TRM-1", [...TRIMMED, prune([6, 7], 2), log([8, 9], of(b))]],
  "gone before the prune": ["TRM-1", [...TRIMMED, log([6, 7], of(a, b).slice(1)), prune([8, 9], 2)]],
  "a prune that took what the head keeps": ["TRM-5", [...TRIMMED, prune([6, 7], 3), log([8, 9], of(b))]],
  "a late prune that took what the next life keeps": [
    "TRM-5",
    [
      ...TRIMMED,
      put([6, 7], erased),
      put([8, 9], renewed),
      prune([10, 11], 2),
      log([12, 13], of(renewed).slice(1)),
    ],
  ],
  "a prune of an earlier life": [
    "TRM-1",
    [
      ...TRIMMED,
      prune([6, 7], 2),
      put([8, 9], erased),
      put([10, 11], renewed),
      put([12, 13], on(renewed, "renewed and trimmed", { firstSeq: 2 })),
      log([14, 15], of(renewed).slice(1)),
    ],
  ],
  "a prune that took the newest compaction": [
    "TRM-4",
    [
      put([0, 1], a),
      put([2, 3], b),
      put([4, 5], c),
      put([6, 7], bare),
      prune([8, 9], 5),
      marks([10, 11], []),
    ],
  ],
  "reads that each fit, and together do not": [
    "CAS-1",
    // Refused before revision 1 or after revision 2: one read says that 1 was there, another one that 2 was not.
    [
      put([0, 9], a),
      put([3, 6], b, "conflict"),
      put([5, 12], b, "unknown"),
      log([1, 2], of(a)),
      keys([7, 8], ["k"], a.keys.slice(0, 1)),
      marks([10, 11], []),
    ],
  ],
  "a page out of order": [
    "LST-1",
    [
      batch(
        [0, 1],
        [
          [e, "committed"],
          [f, "committed"],
        ],
      ),
      list([2, 3], [e, f]),
    ],
  ],
  "a list that misses what did not change": [
    "LST-2",
    [
      batch(
        [0, 1],
        [
          [e, "committed"],
          [f, "committed"],
        ],
      ),
      list([2, 3], [f]),
    ],
  ],
  "a list that shows what did not change twice": [
    "LST-2",
    [
      batch(
        [0, 1],
        [
          [e, "committed"],
          [f, "committed"],
          [g, "committed"],
        ],
      ),
      list([2, 3], [g, f], { limit: 2, more: true }),
      list([4, 5], [f, e], { limit: 2, after: f }),
    ],
  ],
  "a list of what is yet to be handed over": ["LST-4", [put([0, 1], f), list([2, 3], [f2]), put([4, 5], f2)]],
  "a list that misses what changed only afterwards": [
    "LST-2",
    [put([0, 1], f), list([2, 3], []), put([4, 5], f2)],
  ],
  "a page of another label": ["LST-3", [put([0, 1], f), list([2, 3], [f], { label: "y" })]],
  "a list of what is purged": ["TMB-2", [put([0, 1], g), put([2, 3], g2), list([4, 5], [g2])]],
  "a list of what was long ago": ["LST-4", [put([0, 1], f), put([2, 3], f2), list([4, 5], [f])]],
  "a page that is too long": [
    "LST-5",
    [
      batch(
        [0, 1],
        [
          [e, "committed"],
          [f, "committed"],
        ],
      ),
      list([2, 3], [f, e], { limit: 1 }),
    ],
  ],
};

describe("legal histories", () => {
  test.each(Object.entries(LEGAL))("%s", (_name, calls) => {
    expect(violationIn(calls, { faults: true })).toBeUndefined();
  });
});

describe("illegal histories", () => {
  test.each(Object.entries(ILLEGAL))("%s", (_name, [invariant, calls]) => {
    const violation = violationIn(calls, { faults: true });
    expect([violation?.invariant, violation?.message]).toEqual([invariant, expect.any(String)]);
  });
});

describe("while nothing is wrong", () => {
  test.each<[string, Call]>([
    ["an unknown outcome", put([0, 1], a, "unknown")],
    ["a rejected commit", put([0, 1], a, REJECTED)],
    ["a rejected read", { ...head([0, 1], undefined), error: new Error("gone") }],
  ])("%s is a violation by itself", (_name, call) => {
    expect(violationIn([call], { faults: true })).toBeUndefined();
    expect(violationIn([call], { faults: false })?.invariant).toBe("ERR-2");
  });

  test("a call that was not answered in time is one with faults too", () => {
    const call = { ...head([0, 1], undefined), error: new Violation("ERR-1", "too late") };
    expect(violationIn([call], { faults: true })?.invariant).toBe("ERR-1");
  });
});

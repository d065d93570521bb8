import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { commitOn } from "../src/commits.js";
import type { Call, Note } from "../src/history.js";
import { badgeText, renderBadge } from "../src/report/badge.js";
import { callText, outcomeText } from "../src/report/call-text.js";
import { historyReport } from "../src/report/history-report.js";
import { renderHtml } from "../src/report/html.js";
import { xmlText } from "../src/report/html-text.js";
import { markdownText, renderMarkdown } from "../src/report/markdown.js";
import { renderMatrix } from "../src/report/matrix.js";
import { duration, visible, wrap } from "../src/report/plain.js";
import { readReport } from "../src/report/read-report.js";
import { replayCommand, replayEnvironment } from "../src/report/replay.js";
import type { FailureReport, Report } from "../src/report/report.js";
import { renderText } from "../src/report/text.js";
import { drawTimeline } from "../src/report/timeline.js";

vi.setConfig({ testTimeout: 240_000 });

const first = commitOn(undefined, "c1", { token: "t1", messages: ["{}", "{}"], keys: ["k"] });
const second = commitOn(first.head, "c1", { token: "t2", marks: [{ kind: "reset", body: "{}" }] });

function call(lane: string, invoked: number, answered: number | undefined, more: Partial<Call> = {}): Call {
  const place = answered === undefined ? {} : { answered };
  return { lane, method: "heads", args: [["c1"]], invoked, ...place, result: [first.head], ...more };
}

describe("calls in short", () => {
  test.each<[string, Call["method"], unknown[], string]>([
    ["a commit", "commit", [[first]], "commit c1 0→1 +2 msgs key k (t1)"],
    ["two commits", "commit", [[first, second]], "commit [c1 0→1 +2 msgs key k (t1), c1 1→2 +1 mark (t2)]"],
    ["no commit", "commit", [[]], "commit []"],
    ["heads", "heads", [["a", "b c", ""]], 'heads [a, "b c", ""]'],
    ["messages", "messages", ["a", 1, Infinity], "messages a 1..∞"],
    ["marks", "marks", ["a", 0, 10], "marks a after 0 limit 10"],
    ["keys", "keys", ["a", ["k"]], "keys a k"],
    [
      "a list",
      "list",
      [{ limit: 4, labels: ["x=1"], after: { updatedAt: 5, id: "c" } }],
      "list limit 4 labels x=1 after c",
    ],
    ["prune", "prune", ["a", 3], "prune a below 3"],
    ["something else", "close", [], "close"],
    ["an id that cannot be seen", "heads", [["a\u200b\u001b[2J"]], 'heads "a\\u{200b}\\u{1b}[2J"'],
  ])("%s", (_what, method, args, text) => {
    expect(callText({ method, args })).toBe(text);
  });

  test.each<[string, Partial<Call>, string, string]>([
    ["committed", { method: "commit", result: [{ status: "committed" }] }, "committed", "committed"],
    [
      "conflict",
      { method: "commit", result: [{ status: "conflict", head: second.head }] },
      "refused",
      "conflict, head c1@2",
    ],
    [
      "conflict without a head",
      { method: "commit", result: [{ status: "conflict", head: undefined }] },
      "refused",
      "conflict",
    ],
    [
      "duplicate",
      { method: "commit", result: [{ status: "duplicate", held: first.keys }] },
      "refused",
      "duplicate k seq 1-2",
    ],
    ["unknown", { method: "commit", result: [{ status: "unknown" }] }, "unknown", "unknown"],
    [
      "a status that there is not",
      { method: "commit", result: [{ status: "fine" }] },
      "answered",
      '{"status":"fine"}',
    ],
    ["no list at all", { method: "commit", result: null }, "answered", "null"],
    [
      "messages with a hole",
      { method: "messages", result: [1, 2, 3, 5].map((seq) => ({ seq })) },
      "answered",
      "seq 1-3, 5",
    ],
    ["no messages", { method: "messages", result: [] }, "answered", "none"],
    ["heads", { method: "heads", result: [first.head, undefined] }, "answered", "[c1@1, none]"],
    [
      "a page",
      { method: "list", result: { heads: [first.head], next: { updatedAt: 1, id: "c1" } } },
      "answered",
      "c1@1, next after c1",
    ],
    ["an error", { result: undefined, error: new TypeError("a\nb") }, "rejected", "TypeError: a\\nb"],
    ["a loop", { result: loop() }, "answered", "(cannot be shown: TypeError"],
    ["a big number", { method: "x", result: 5n }, "answered", '"5n"'],
  ])("the answer: %s", (_what, fields, kind, text) => {
    const shown = outcomeText(call("A", 0, 1, fields));
    expect(shown.kind).toBe(kind);
    expect(shown.text.slice(0, text.length)).toBe(text);
  });

  test("no answer", () => {
    expect(outcomeText(call("A", 0, undefined))).toEqual({ kind: "pending", text: "never answered" });
  });
});

function loop(): unknown {
  const value: Record<string, unknown> = {};
  value["self"] = value;
  return value;
}

describe("the timeline", () => {
  const commit = { method: "commit", args: [[first]], result: [{ status: "committed" }] };
  const draw = (calls: Call[], notes: Note[] = [], width = 60): string =>
    drawTimeline(historyReport(calls, notes), width).join("\n");

  test("shows what overlaps, and what came first", () => {
    const calls = [
      call("A", 1, 4, commit),
      call("B", 3, 6, { ...commit, result: [{ status: "conflict", head: first.head }] }),
      call("A", 7, 8),
      call("B", 10, undefined),
    ];
    const notes = [
      { lane: "A", at: 0, text: "open" },
      { lane: "B", at: 2, text: "open" },
      { lane: "A", at: 9, text: "killed" },
    ];
    expect(draw(calls, notes)).toBe(`A B
◆    A open
┬    A commit c1 0→1 +2 msgs key k (t1) …
│ ◆  B open
│ ┬  B commit c1 0→1 +2 msgs key k (t1) …
┴ │  A commit c1 0→1 +2 msgs key k (t1) = committed
  ┴  B commit c1 0→1 +2 msgs key k (t1) = conflict, head
       c1@1
●    A heads c1 = c1@1
◆    A killed
  ┬  B heads c1 …
B heads c1: never answered`);
  });

  test("calls that overlap on one handle have a column each, and share it with those that do not", () => {
    const calls = [call("A", 0, 3), call("A", 1, 2), call("A", 4, 7), call("A", 5, 6), call("B", 8, 9)];
    expect(draw(calls)).toBe(`A   B
┬      A heads c1 …
│ ●    A heads c1 = c1@1
┴      A heads c1 = c1@1
┬      A heads c1 …
│ ●    A heads c1 = c1@1
┴      A heads c1 = c1@1
    ●  B heads c1 = c1@1`);
  });

  test("what comes when all is over is last", () => {
    const notes = [{ lane: "kit", at: Infinity, text: "dispose: it hangs" }];
    expect(
      draw([call("A", 0, 1)], notes)
        .split("\n")
        .at(-1),
    ).toBe("  ◆  kit dispose: it hangs");
  });

  test("long histories lose their beginning and their middle, and say so", () => {
    const calls = Array.from({ length: 1000 }, (_, index) => call("A", index * 2, index * 2 + 1));
    const lines = draw(calls).split("\n");
    expect(lines[0]).toBe("… 600 calls before these are left out");
    expect(lines).toContain("… 280 more rows …");
    expect(lines.length).toBeLessThan(130);
  });

  test("is never wider than asked for, and holds nothing that a terminal acts on", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\u001b[2J", "\u202e", "\r\n", "x".repeat(500)),
    );
    const event = fc.record({
      lane: fc.constantFrom("A", "B", "C"),
      method: fc.constantFrom("commit", "heads", "messages", "marks", "keys", "list", "prune", "close"),
      args: fc.array(fc.oneof(anything, fc.array(anything), fc.anything())),
      result: fc.oneof(anything, fc.array(fc.anything()), fc.anything()),
      from: fc.nat({ max: 50 }),
      length: fc.nat({ max: 10 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), anything, (events, text) => {
        const calls = events.map(({ from, length, ...rest }, index): Call => {
          const invoked = from * 100 + index;
          return { ...rest, invoked, ...(length > 0 && { answered: invoked + length * 100 }) };
        });
        const lines = drawTimeline(historyReport(calls, [{ lane: "A", at: 3, text }]), 110);
        expect(lines.filter((line) => Array.from(line).length > 110)).toEqual([]);
        expect(lines.filter((line) => /\p{Cc}|\p{Cf}|\p{Cs}/u.test(line))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

/** Characters that mean something in Markdown. */
const MARKS = "|`*_[]()<>#!~$\\\n a".split("");

const HOSTILE =
  "</title><script>alert(1)</script>|\n\r# x\u001b[31m\u202e`\"'&[a](javascript:x) http://x.test @you \ud800\u0000";

function hostileFailure(): FailureReport {
  const calls = [
    call("A", 0, 1, {
      method: "commit",
      args: [[commitOn(undefined, HOSTILE, { token: HOSTILE, keys: [HOSTILE] })]],
      result: [HOSTILE],
    }),
  ];
  return {
    check: "commit-x",
    mode: "sequence",
    invariant: "CAS-3",
    message: HOSTILE,
    stack: HOSTILE,
    seed: 1,
    path: "0",
    exact: true,
    counterexample: HOSTILE,
    shrinks: 0,
    replay: replayCommand([`./${HOSTILE}.js`], { only: "commit-x", seed: "1", path: "0" }),
    history: historyReport(calls, [{ lane: "A", at: 2, text: HOSTILE }]),
  };
}

function hostileReport(changes: Partial<Report> = {}): Report {
  const says = "A commit on any other revision conflicts and changes nothing.";
  return {
    format: 1,
    kit: "1.2.3",
    subject: { name: HOSTILE, traits: ["shared"], limits: { maxCommitBytes: 5, maxBatch: 6 } },
    seed: -5,
    runs: 1,
    only: [],
    date: "2026-01-02T03:04:05.000Z",
    milliseconds: 61_000,
    node: "v24.0.0",
    platform: "linux x64",
    passed: false,
    interrupted: false,
    invariants: [
      { id: "CAS-2", says: "One lands.", rule: "R", verdict: "passed", milliseconds: 1200, checks: ["race"] },
      { id: "CAS-3", says, rule: "Driver.commit", verdict: "failed", milliseconds: 10, checks: ["commit-x"] },
      { id: "DUR-1", says: HOSTILE, rule: "R", verdict: "unclaimed", milliseconds: 0, checks: [] },
    ],
    checks: [
      {
        name: "commit-x",
        mode: "sequence",
        invariants: ["CAS-3"],
        runs: 3,
        cutShort: false,
        milliseconds: 10,
        failed: true,
      },
    ],
    failures: [hostileFailure()],
    ...changes,
  };
}

describe("hostile text", () => {
  test("HTML shows it and does nothing else", () => {
    const html = renderHtml(hostileReport());
    expect(html).not.toMatch(/<script|javascript:x"|(?!\n)\p{Cc}|\p{Cf}|\p{Cs}/u);
    expect(html).toContain("default-src 'none'");
    expect(html.match(/<title>/g)).toHaveLength(1);
    // Every tag that is opened is closed, in order.
    const open: string[] = [];
    for (const [, closing, name = ""] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:"[^"]*"|[^">])*>/g)) {
      if (["meta", "br", "input"].includes(name)) continue;
      if (closing === "/") expect(open.pop()).toBe(name);
      else open.push(name);
    }
    expect(open).toEqual([]);
  });

  test("nothing in HTML is loaded from anywhere", () => {
    expect(renderHtml(hostileReport())).not.toMatch(/<(?:img|link|iframe|object|embed)|\ssrc=|url\(|@import/);
  });

  test("attributes end where they should", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(xmlText(text)).not.toMatch(/[<>"']|&(?!(?:amp|lt|gt|quot|#39);)|[\u202a-\u202e]|\p{Cs}/u);
      }),
    );
  });

  test("Markdown keeps its table and has no link but the badge", () => {
    const markdown = renderMarkdown(hostileReport(), "my badges/out.svg");
    expect(markdown).toContain("](my%20badges/out.svg)");
    const rows = markdown.split("\n").filter((line) => line.startsWith("|"));
    expect(rows.map((row) => row.match(/(?<!\\)\|/g)?.length)).toEqual(rows.map(() => 5));
    const [fenced = ""] = /^```+\n[\s\S]*?\n```+$/m.exec(markdown) ?? [];
    const outside = markdown.replace(fenced, "");
    expect(outside).not.toMatch(/<script|(?<!\\)\[a|http:\/\/|@you|(?!\n)\p{Cc}/u);
    expect(outside.split("\n").filter((line) => line.startsWith("# "))).toHaveLength(1);
  });

  test("Markdown text is one line without marks", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...MARKS) }), (text) => {
        expect(markdownText(text)).not.toMatch(/\n|<|(?<!\\)(?:\\\\)*[|`*_[\]]/);
      }),
    );
  });

  test("a terminal is not told to do anything", () => {
    const text = renderText(hostileReport(), (_style, text) => text);
    expect(text).not.toMatch(/(?!\n)\p{Cc}|\p{Cf}|\p{Cs}/u);
    expect(text).toContain("✗ CAS-3 is broken");
    const tooWide = text
      .split("\n")
      .filter((line) => Array.from(line).length > 112 && !line.includes("npx "));
    // The last line names the driver, whatever its length.
    expect(tooWide.filter((line) => !line.includes("seed -5, kit 1.2.3"))).toEqual([]);
  });

  test("what a shell reads is quoted", () => {
    const command = replayCommand(["./it's $HOME.js"], { only: "a", seed: "-5", path: "0:1" });
    expect(command).toBe(`npx @fastpaca/conformance './it'\\''s $HOME.js' --only a --seed -5 --path 0:1`);
    expect(replayEnvironment({ only: "a", seed: "5", runs: "10" })).toBe(
      "FASTPACA_CONFORMANCE_ONLY=a FASTPACA_CONFORMANCE_SEED=5 FASTPACA_CONFORMANCE_RUNS=10",
    );
  });

  test("visible text is the same for a reader, and escapes the rest", () => {
    expect(visible("héllo 😀 wörld")).toBe("héllo 😀 wörld");
    expect(visible("e\u0301\u00a0\u200b\n\u0000\udc00")).toBe("e\\u{301}\\u{a0}\\u{200b}\\n\\u{0}\\u{dc00}");
  });
});

describe("reports", () => {
  test("a badge says how it went", () => {
    const passed = hostileReport().invariants.slice(0, 1);
    const all = { passed: true, failures: [] };
    expect(badgeText(hostileReport()).value).toBe("1 failed");
    expect(badgeText(hostileReport({ ...all, invariants: passed })).value).toBe("1/1 passed");
    expect(badgeText(hostileReport({ invariants: passed, interrupted: true })).value).toBe("not finished");
    const [some] = passed;
    const left = some === undefined ? [] : [{ ...some, id: "CAS-9", verdict: "unselected" as const }];
    expect(badgeText(hostileReport({ ...all, invariants: [...passed, ...left] })).value).toBe(
      "1 of a selection passed",
    );
    expect(renderBadge(hostileReport())).toMatch(/^<svg [^>]*aria-label="conformance: 1 failed">/);
  });

  test("a matrix reads what a report wrote", () => {
    const json = JSON.stringify(hostileReport());
    const other = JSON.stringify(
      hostileReport({ subject: { name: "b", traits: [] }, invariants: hostileReport().invariants.slice(1) }),
    );
    const matrix = renderMatrix([readReport(json), readReport(other)]);
    const rows = matrix.split("\n").filter((line) => line.startsWith("| CAS"));
    expect(rows).toEqual([
      "| CAS-2 | ✓ |  | One lands. |",
      "| CAS-3 | **✗** | **✗** | A commit on any other revision conflicts and changes nothing. |",
    ]);
    const [row = ""] = matrix.split("\n").filter((line) => line.startsWith("| DUR-1 | – | – | "));
    expect(row.match(/(?<!\\)\|/g)).toHaveLength(5);
    expect(matrix).not.toMatch(/<script/);
  });

  test.each([
    ["{}", "format 1"],
    ['{"format":2}', "format 1"],
    ['{"format":1}', "no subject"],
    [
      JSON.stringify({ ...hostileReport(), invariants: [{ id: "X-1", says: "", verdict: "great" }] }),
      "no verdict",
    ],
  ])("a matrix refuses %#", (json, message) => {
    expect(() => readReport(json)).toThrow(message);
  });

  test("times are for people", () => {
    expect([0, 40, 4_210, 73_400, 125_000].map(duration)).toEqual([
      "0.00 s",
      "0.04 s",
      "4.2 s",
      "73 s",
      "2 min 5 s",
    ]);
  });

  test("lines break at spaces, and inside of what has none", () => {
    expect(wrap("one two three", 8)).toEqual(["one two", "three"]);
    expect(wrap("abcdefghij k", 4)).toEqual(["abcd", "efgh", "ij k"]);
  });
});

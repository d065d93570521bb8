import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SseParser } from "../src/sse-parser.js";

function parsed(...pieces: string[]): string[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

describe("events", () => {
  test.each<[name: string, text: string, data: string[]]>([
    ["one", "data: a\n\n", ["a"]],
    ["with id and type", "id: 7\nevent: message\ndata: a\n\n", ["a"]],
    ["of several lines", "data: a\ndata:\ndata: b\n\n", ["a\n\nb"]],
    ["without a space", "data:a\n\n", ["a"]],
    ["with more than one space", "data:  a\n\n", [" a"]],
    ["of a field without colon", "data\n\n", [""]],
    ["with CRLF", "data: a\r\ndata: b\r\n\r\n", ["a\nb"]],
    ["with CR", "data: a\rdata: b\r\r", ["a\nb"]],
    ["with comments", ": hello\n\n:\ndata: a\n: in between\ndata: b\n\n", ["a\nb"]],
    ["without data are none", "event: ping\n\nid: 4\n\ndata: a\n\n", ["a"]],
    ["of unknown fields", "datum: a\nretry: 7\ndata: b\n\n", ["b"]],
    ["that have no end", "data: a\n\ndata: b\n", ["a"]],
    ["with a colon inside", 'data: {"a": 1}\n\n', ['{"a": 1}']],
  ])("%s", (_, text, data) => {
    expect(parsed(text)).toEqual(data);
  });
});

test("pieces may end anywhere, inside of line ends too", () => {
  const line = fc.constantFrom("data: é", "data:", "data: {}", ": note", "id: 1", "event: ping", "", "");
  const lineEnd = fc.constantFrom("\n", "\r\n", "\r");
  fc.assert(
    fc.property(fc.array(line), lineEnd, fc.infiniteStream(fc.nat(4)), (lines, end, sizes) => {
      const text = [...lines, "", ""].join(end);
      const pieces: string[] = [];
      for (let at = 0; at < text.length;) {
        const { value: size } = sizes.next();
        pieces.push(text.slice(at, at + size));
        at += size;
      }
      // An oracle that knows the whole text, and so needs no state.
      const expected = lines
        .join("\n")
        .split(/\n\n+/)
        .map((block) => block.split("\n").filter((line) => line.startsWith("data:")))
        .filter((data) => data.length > 0)
        .map((data) => data.map((line) => line.replace(/^data: ?/, "")).join("\n"));
      expect(parsed(...pieces)).toEqual(expected);
    }),
  );
});

test("a long line in many pieces takes linear time", () => {
  const parser = new SseParser();
  const piece = "x".repeat(64);
  parser.push("data: ");
  for (let i = 0; i < 500_000; i++) parser.push(piece);
  expect(parser.push("\n\n")[0]?.length).toBe(32_000_000);
});

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../src/semantics/parse-json.js";

/** Own keys in order, and values, without the engine's own parser or equality of prototypes. */
function entries(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(entries);
  // A sum, because JSON.stringify does not write -0.
  if (typeof value !== "object" || value === null) return typeof value === "number" ? value + 0 : value;
  return { fields: Object.entries(value).map(([key, inner]) => [key, entries(inner)]) };
}

describe("parseJson", () => {
  it.each([
    ['{"_\\\\":1}', '{"_\\n":1}', "_\n"],
    ['{"k":1,"_\\\\":1}', '{"k":1,"_\\u0000":1}', "_\u0000"],
    ['[{"a":{"_\\\\":1}}]', '{"_\\t" :1}', "_\t"],
  ])("reads the keys of %s and then of %s", (before, text, key) => {
    for (let time = 0; time < 5; time++) parseJson(before);
    expect(Object.keys(parseJson<object>(text)).at(-1)).toBe(key);
  });

  it("reads what was written, keys with escapes among it", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "\\",
        "\n",
        "\u0000",
        '"',
        "__proto__",
        "\ud800",
        "\\\\",
        "a:b",
        '":',
        "constructor",
        "1",
      ),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        text,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("value")),
        fc.array(fc.tuple(text, tie("value"))).map((fields) => Object.fromEntries(fields)),
      ),
    }));
    fc.assert(
      fc.property(value, fc.nat(3), (value, space) => {
        expect(entries(parseJson(JSON.stringify(value, undefined, space)))).toEqual(entries(value));
      }),
      { numRuns: 500 },
    );
  });

  it("keeps the last of the values of one key, and -0, and deep nesting", () => {
    expect(parseJson('{"\\u0061":1,"a":-0}')).toEqual({ a: -0 });
    const deep = `${'{"\\n":'.repeat(20_000)}1${"}".repeat(20_000)}`;
    let value: unknown = parseJson(deep);
    for (let level = 0; level < 20_000; level++) value = (value as { "\n": unknown })["\n"];
    expect(value).toBe(1);
  });

  it.each(['{"\\n":}', '{"\\n":1', '{"\\x":1}', '{"\\n":1}}', "{\\n:1}", ""])("refuses %j", (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });
});

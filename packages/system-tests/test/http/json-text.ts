import fc, { type Arbitrary } from "fast-check";

/**
 * JSON as it is written rather than as it is meant: a text may hold what no value does, such as a member that is named
 * twice, `1e400`, or something that is no JSON at all.
 */
export type JsonText =
  | string
  | readonly JsonText[]
  | { readonly members: readonly (readonly [string, JsonText])[] };

export function textOfValue(value: unknown): JsonText {
  if (Array.isArray(value)) return value.map(textOfValue);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return { members: Object.entries(value).map(([name, inner]) => [name, textOfValue(inner)] as const) };
}

export function write(text: JsonText): string {
  if (typeof text === "string") return text;
  if (!("members" in text)) return `[${text.map(write).join(",")}]`;
  return `{${text.members.map(([name, inner]) => `${JSON.stringify(name)}:${write(inner)}`).join(",")}}`;
}

/** Levels of arrays in a text of arrays. */
function nest(levels: number): string {
  return "[".repeat(levels) + "]".repeat(levels);
}

const quote = (text: string): string => JSON.stringify(text);

/** Values that break what was written carelessly. */
const odd: Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("null", "true", "false", "0", "-0", "-1", "1.5", "1", "2") },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "1e400",
      "-1e400",
      "9007199254740993",
      "9007199254740991",
      "1000000001",
      "1e-400",
      "1E5",
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom("NaN", "Infinity", "undefined", "'x'", "01", "+1", ".5", "//", ""),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom("", "x", "\u0000", "a\u0001b", "x".repeat(300), "é", "\u2028").map(quote),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom('"\\ud800"', '"\\udc00x"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\x"', '"\t"'),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom("last_n", "skip_parts", "manual", "text", "user", "__proto__").map(quote),
  },
  { weight: 5, arbitrary: fc.constantFrom("[]", "{}", "[[]]", "[null]", '{"a":1,"a":2}', '{"":0}') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '{"__proto__":{"x":1}}',
      '{"constructor":{"prototype":{}}}',
      '{"toString":1,"valueOf":null}',
    ),
  },
  // The limit is 256 levels in all, and most places are a few levels down.
  { weight: 3, arbitrary: fc.integer({ min: 248, max: 258 }).map(nest) },
  { weight: 10, arbitrary: fc.json({ maxDepth: 4 }) },
);

const names: Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "seq",
    "version",
    "inserted_at",
    "token_count",
  ),
  fc.constantFrom(
    "role",
    "parts",
    "type",
    "message",
    "messages",
    "metadata",
    "if_version",
    "idempotency_key",
    "config",
  ),
  fc.constantFrom("", "a.b", "a/b", "~", "0", "\u0000", "\ud800", "x".repeat(300)),
  fc.string({ maxLength: 8 }),
);

type Change =
  | { readonly kind: "replace" | "wrap"; readonly at: number; readonly text: string }
  | { readonly kind: "remove"; readonly at: number }
  | { readonly kind: "add"; readonly at: number; readonly name: string; readonly text: string }
  | { readonly kind: "double"; readonly at: number; readonly text: string };

const change: Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("replace" as const), at: fc.nat(40), text: odd }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("add" as const), at: fc.nat(40), name: names, text: odd }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), at: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("double" as const), at: fc.nat(40), text: odd }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("wrap" as const), at: fc.nat(40), text: fc.constant("") }),
  },
);

/** Texts like a valid one, changed in up to three places; sometimes anything else. */
export function nearly(valid: Arbitrary<unknown>): Arbitrary<string> {
  const changed = fc
    .tuple(valid, fc.array(change, { maxLength: 3, size: "max" }))
    .map(([value, changes]) => write(changes.reduce<JsonText>(apply, textOfValue(value))));
  return fc.oneof({ weight: 9, arbitrary: changed }, { weight: 1, arbitrary: odd });
}

/** Changes the n-th place, counted through the text and around. */
function apply(text: JsonText, change: Change): JsonText {
  const target = change.at % count(text);
  let place = 0;
  const visit = (text: JsonText): JsonText | undefined => {
    if (place++ === target) return changeHere(text, change);
    if (typeof text === "string") return text;
    if (!("members" in text)) return text.map(visit).filter((inner) => inner !== undefined);
    const members = text.members.flatMap(([name, inner]): (readonly [string, JsonText])[] => {
      const here = place === target;
      const next = visit(inner);
      if (next === undefined) return [];
      return here && change.kind === "double"
        ? [
            [name, next],
            [name, change.text],
          ]
        : [[name, next]];
    });
    return { members };
  };
  return visit(text) ?? "null";
}

function changeHere(text: JsonText, change: Change): JsonText | undefined {
  switch (change.kind) {
    case "replace":
      return change.text;
    case "wrap":
      return [text];
    case "remove":
      return undefined;
    case "add":
      if (typeof text === "string") return change.text;
      if (!("members" in text)) return [...text, change.text];
      return { members: [...text.members, [change.name, change.text]] };
    case "double":
      return text;
  }
}

function count(text: JsonText): number {
  if (typeof text === "string") return 1;
  const inner = "members" in text ? text.members.map(([, inner]) => inner) : text;
  return inner.reduce((sum, text) => sum + count(text), 1);
}

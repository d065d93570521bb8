import fc from "fast-check";

const LETTERS = [
  "a A b ab á a\u0301 ä Ä å A\u030a \u00c5 \u212b ａ ª ﬁ fi FI ß ss SS ẞ ı i I İ i\u0307 Σ σ ς k K \u212a ſ s S ǆ ǅ Ǆ é e\u0301 E e",
  "\u1e9b\u0323 \u1e69 ṩ ½ 1⁄2 ² 2 ２ a2 a10 co-op coop naïve naive ñ n\u0303 n 가 \u1100\u1161 か\u3099 が ガ ｶﾞ",
].flatMap((line) => line.split(" "));
const SPACES = [" ", "  ", " a", "a ", "a  ", "\u00a0", "a\u00a0", "\u3000", "a\u3000", "a b", "a  b"].concat(
  ["\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad", "\u034f", "\u2028", "\u2029", "\ufe0f"].flatMap(
    (nothing) => [nothing, `a${nothing}`, `${nothing}a`],
  ),
);
const SYNTAX = [
  "% _ a% %a a_ _a a* a? * ? ^a a$ $a $ [a] {a} (a) . .. a. a.b aXb a|b | || ' '' \" \"\" ` \\ \\\\ \\0 \\n \\u0000 \\u0041 %00 %61 a'b a''b",
  "a;b ; -- a-- /* a/* # & < > &amp; ${a} {{a}} $1 :a @a ? ?1 a/ / // a/b a//b a/../b ../a / \\/ ~ = == a=b",
  "a:1 a:12 a: :a : :: a:1:1 a:1:12 a|1 a/1 a#1 a-1 a,1 , a,b b,a a\u2063b a_1 a1 a12 a.1 a+1 a%1 a%2F1",
].flatMap((line) => line.split(" "));
const VALUES = [
  "0 00 -0 +0 1 01 1.0 1e0 +1 -1 0x1 1n 1_000 NaN Infinity null NULL undefined true TRUE false nil None",
  "9007199254740992 9007199254740993 1e309 __proto__ constructor prototype toString valueOf hasOwnProperty length _id id",
  "$set $where $id $ne rowid ROWID sqlite_master pg_catalog head heads messages 2023-01-01 2023-01-01T00:00:00Z",
].flatMap((line) => line.split(" "));
const PLANES = [
  "\u{1f600}",
  "\u{1f601}",
  "\u{10ffff}",
  "\uffff",
  "\ufffd",
  "\ufffe",
  "\uff5e",
  "\ue000",
  "\u{10000}",
].concat([
  "\u{1f468}\u200d\u{1f469}",
  "\u{1f468}\u{1f469}",
  "\u{1f44d}",
  "\u{1f44d}\u{1f3fd}",
  "\u{2f800}",
  "\u4e3d",
]);
const LENGTHS = [
  ...[31, 32, 63, 64, 127, 128, 190, 191, 192, 200, 250, 254].flatMap((length) => [
    `${"x".repeat(length)}a`,
    `${"x".repeat(length)}b`,
  ]),
  "x".repeat(255),
  ...["a", "b"].map((end) => `${"\u{1f600}".repeat(127)}${end}`),
  ...["\u4e3d", "\u4e3e"].map((end) => `${"\u4e3d".repeat(254)}${end}`),
];

/**
 * Ids and keys that all differ, each easily taken for another one: by case, normal form, collation, spaces, wildcards,
 * separators, truncation, or because a language means something by it.
 */
export const ALIKE: readonly string[] = [
  ...new Set([...LETTERS, ...SPACES, ...SYNTAX, ...VALUES, ...PLANES, ...LENGTHS]),
].filter((text) => text.length >= 1 && text.length <= 255 && text.isWellFormed() && !/\p{Cc}/u.test(text));

/** The letter NUL, spelled as JSON does. */
const NUL = String.raw`\u0000`;

const SCALARS = [
  "0 -0 0.0 -0.0 1 1.0 1.00 1e0 1E0 1e2 1E+2 1e-2 100 1e308 -1e308 5e-324 1e400 0.1 0.30000000000000004 3.14159265358979323846",
  "9007199254740991 9007199254740992 9007199254740993 -9007199254740993 18446744073709551616 123456789012345678901234567890",
  "true false null {} []",
].flatMap((line) => line.split(" "));
const STRINGS = [
  "",
  " ",
  " a ",
  NUL,
  `a${NUL}b`,
  `${NUL}${NUL}`,
  String.raw`\ud800`,
  String.raw`a\udfffb`,
  String.raw`\ud83d\ude00`,
  String.raw`\uDE00\uD83D`,
  "\u{1f600}",
  "\u{10ffff}",
  "\uffff\ufffe\ufffd",
  "\ufeff",
  "\u2028\u2029",
  String.raw`\u2028`,
  "\u007f\u0080\u009f",
  "á a\u0301 Å \u212b ﬁ",
  String.raw`\u00e9é\u0065`,
  String.raw`\b\f\n\r\t\u0001\u001f\u007f`,
  String.raw`\"\\\/`,
  String.raw`/\/`,
  String.raw`\\u0000`,
  String.raw`\\x00\\0`,
  "'; DROP TABLE messages; --",
  "' '' ` `` % %% %s %d $1 $2 ? ?1 :a @a ${a} {{a}} {0} #{a}",
  "<script>&amp;&lt;</script>",
  "\u202eabc\u202c\u200b\u200d",
  "a\u0300\u0301\u0302\u0303",
];
const SHAPES = [
  '{"b":1.0, "a":1e2}',
  '{"a":1,"b":2,"a":3}',
  '{"2":1,"1":2,"10":3,"b":0,"a":0}',
  '{ "a" :\t1 ,\n"b" : [ 1 , 2 ] }',
  ' {"a":1}',
  '{"a":1} ',
  '\r\n\t {"a":1}\n\n',
  '{"":""}',
  '{"__proto__":{"a":1},"constructor":{"prototype":{}},"toString":null,"hasOwnProperty":0}',
  '{"$set":{"a.b":1},"$where":"1","a.b.c":2,"$":3,".":4,"..":5,"$ref":"x","$oid":"y","$date":"z"}',
  `{"${NUL}":1,"a${NUL}b":2}`,
  '{"_id":1,"id":"x","seq":99,"version":7,"insertedAt":"never","body":{}}',
  '{"a":{"$numberLong":"1"},"b":{"$binary":{"base64":"","subType":"00"}}}',
  '{"date":"2023-01-01T00:00:00.000Z","base64":"AAAA","hex":"\\\\xdeadbeef"}',
  "[[],[[]],{},[{}],[null]]",
  '"a string"',
  `${"[".repeat(500)}${"]".repeat(500)}`,
  `${'{"a":'.repeat(300)}1${"}".repeat(300)}`,
  `{${Array.from({ length: 200 }, (_, index) => `"k${(index * 7919) % 200}":${index}`).join(",")}}`,
];

/** JSON texts that come back changed from whoever reads and writes them anew, or stores them as something else. */
export const TEXTS: readonly string[] = [
  ...SHAPES,
  ...SCALARS,
  ...SCALARS.map((scalar) => `{"v":${scalar}}`),
  ...STRINGS.map((text) => `"${text}"`),
  ...STRINGS.map((text) => `{"role":"user","${text}":"${text}","parts":[{"type":"text","text":"${text}"}]}`),
];

/** Those of {@link TEXTS} that are objects, as metadata and state are. */
export const OBJECTS: readonly string[] = TEXTS.filter((text) => text.trim().startsWith("{"));

/** JSON text of any value, with white space where JSON allows it. */
const anyJson: fc.Arbitrary<string> = fc
  .tuple(
    fc.jsonValue({ maxDepth: 3, stringUnit: "binary" }),
    fc.constantFrom(0, 1, 2, "\t", "\n  "),
    fc.boolean(),
  )
  .map(([value, indent, around]) => {
    const text = JSON.stringify(value, undefined, indent);
    return around ? ` ${text}\n` : text;
  });

/** JSON text of an object. */
export const anyObject: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...OBJECTS),
  anyJson.map((text) => `{"any":${text}}`),
);

/** Bodies of messages and marks: half of them trouble. */
export const anyBody: fc.Arbitrary<string> = fc.oneof(fc.constantFrom(...TEXTS), anyJson);

/** Labels as the store makes them, and as the interface allows them. */
export const LABELS: readonly string[] = [
  "user=1",
  "user=10",
  "user=",
  "user",
  "User=1",
  "user=1 ",
  " user=1",
  "user=1,user=10",
  "user=%",
  "user=_",
  "us%",
  "a'b=c",
  'a"b=c',
  "a\\b=c",
  "a\\=b",
  "a=b=c",
  "{a,b}",
  "[1]",
  "null",
  "NULL",
  "true",
  "$a=1",
  "a.b=1",
  "a|b",
  "a;b",
  "*",
  "__proto__=1",
  "=",
  `${"l".repeat(254)}1`,
  `${"l".repeat(254)}2`,
];

/** Numbers at which integers of 16, 32, 53 bits and single floats end. */
export const EDGES: readonly number[] = [
  2 ** 15,
  2 ** 16,
  2 ** 24,
  2 ** 31,
  2 ** 32,
  2 ** 33,
  2 ** 48,
  2 ** 52,
]
  .flatMap((edge) => [edge - 1, edge, edge + 1])
  .concat([Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]);

import { METHODS } from "node:http";
import fc, { type Arbitrary } from "fast-check";

/** A path segment as it is written in a request line: percent-encoded, well or badly. */
export const segment: Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", minLength: 0, maxLength: 12 }).map(encodeAll),
  fc.string({ maxLength: 8 }).map((text) => encodeURIComponent(text)),
  fc.string({ unit: "grapheme", maxLength: 8 }).map((text) => encodeURIComponent(text)),
  fc
    .tuple(fc.constantFrom("a", "é", "あ", "😀", "%"), fc.constantFrom(1, 127, 128, 254, 255, 256, 300))
    .map(([unit, count]) => encodeURIComponent(unit.repeat(count))),
  fc
    .array(
      fc.constantFrom(
        "%00",
        "%1f",
        "%7F",
        "%2F",
        "%2f",
        "%2e",
        ".",
        "..",
        "%5c",
        "%25",
        "%2525",
        "%3F",
        "%23",
        "%20",
        "+",
        ";",
        ":",
        "@",
        "~",
      ),
      { maxLength: 6 },
    )
    .map((pieces) => pieces.join("")),
  // Not UTF-8: lone surrogates, overlong forms, cut sequences, and what is no escape at all.
  fc.constantFrom(
    "%ED%A0%80",
    "%ED%B0%80",
    "%C0%80",
    "%E2%82",
    "%FF",
    "%F4%90%80%80",
    "%",
    "%2",
    "%zz",
    "%u0041",
    "a%",
  ),
  fc.constantFrom(
    "%C2%80",
    "%C2%85",
    "%C2%9F",
    "%C2%A0",
    "%EF%BB%BF",
    "%E2%80%A8",
    "%EF%BF%BF",
    "__proto__",
    "constructor",
  ),
);

const parameterNames = ["limit", "offset", "from", "budget_tokens", "if_version", "cursor", "purge"];
const parameter: Arbitrary<string> = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...parameterNames) },
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          "metadata.a",
          "metadata.",
          "metadata",
          "metadata.__proto__",
          "metadata.a.b",
          "limit.a",
        ),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          "",
          "x",
          "__proto__",
          "constructor",
          "limit[]",
          "limit[0]",
          "%00",
          "%ff",
          "a%3Db",
        ),
      },
    ),
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("", "0", "1", "2", "100", "1000", "1001", "true", "false") },
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          "-1",
          "+1",
          "1.0",
          "1e2",
          "0x10",
          "01",
          "NaN",
          "9007199254740991",
          "9007199254740992",
        ),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          "9".repeat(16),
          "9".repeat(400),
          "x".repeat(3000),
          "null",
          "%00",
          "%ED%A0%80",
          "%",
          "%C3%A9",
        ),
      },
      { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 8 }).map(encodeAll) },
      { weight: 1, arbitrary: fc.base64String({ maxLength: 40 }).map((text) => encodeURIComponent(text)) },
    ),
    fc.constantFrom("=", "=", "=", "==", ""),
  )
  .map((pieces) => `${pieces[0]}${pieces[2]}${pieces[1]}`);

export const query: Arbitrary<string> = fc
  .array(parameter, { maxLength: 4 })
  .map((parameters) => parameters.join("&"));

/** Every method that Node knows but CONNECT, which asks for a tunnel and has no path. */
export const method: Arbitrary<string> = fc.constantFrom(...METHODS.filter((name) => name !== "CONNECT"));

/** A target that may or may not be a route. */
export const target: Arbitrary<string> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("/v1/contexts", "/v1/conversations"),
      segment,
      fc.constantFrom(
        "",
        "/messages",
        "/tail",
        "/context",
        "/compact",
        "/reset",
        "/metadata",
        "/",
        "/x",
        "/messages/1",
        "//tail",
      ),
    )
    .map((pieces) => pieces.join("/").replace("//", "/")),
  fc.constantFrom(
    "/",
    "*",
    "//",
    "/v1",
    "/v1/",
    "/v2/contexts/a",
    "/V1/CONTEXTS/a",
    "/v1/contexts",
    "/v1/conversations/",
  ),
  fc.constantFrom(
    "/health",
    "/health/",
    "/health/live",
    "/health/ready/",
    "/metrics",
    "/openapi.json",
    "/../etc/passwd",
  ),
  fc.constantFrom(
    "http://localhost/health/live",
    "/health/live?x=1",
    "/%",
    "/%00",
    "/?",
    "/;",
    "/v1/contexts/a;b/tail",
  ),
  fc
    .array(fc.constantFrom("/", "v1", "contexts", "conversations", "..", ".", "%2e", "%2f", "a"), {
      maxLength: 8,
    })
    .map((pieces) => `/${pieces.join("")}`),
);

/** Each byte of the UTF-8 form as an escape. */
function encodeAll(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

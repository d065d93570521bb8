import fc, { type Arbitrary } from "fast-check";

export type Header = readonly [name: string, value: string];

const key = fc.constantFrom(
  "k",
  "",
  " ",
  "é",
  "\u00ff\u00fe",
  "a\tb",
  "k".repeat(255),
  "k".repeat(256),
  "a,b",
  '"a"',
  "\u0080",
);
const contentType = fc.constantFrom(
  "application/json",
  "APPLICATION/JSON",
  "application/json; charset=utf-8",
  'application/json;charset="UTF-8"',
  "application/json; charset=utf-16",
  "application/json; charset=latin1",
  "application/json; charset=",
  "application/json;",
  "application/json; boundary=x; q=1",
  "application/jsonp",
  "application/x-ndjson",
  "application/vnd.api+json",
  "text/plain",
  "text/html",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  "*/*",
  "json",
  "",
  ";",
  "application/json, text/plain",
  "x".repeat(2000),
  "\u00e9/\u00e9",
);

export const header: Arbitrary<Header> = fc.oneof(
  { weight: 4, arbitrary: contentType.map((value): Header => ["Content-Type", value]) },
  { weight: 3, arbitrary: key.map((value): Header => ["Idempotency-Key", value]) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("gzip", "identity", "br", "deflate, gzip", "", "x")
      .map((value): Header => ["Content-Encoding", value]),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('"1"', "*", 'W/"1"', "1", '"1", "2"', '""', "")
      .map((value): Header => ["If-None-Match", value]),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("100-continue", "200-ok", "").map((value): Header => ["Expect", value]),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        "Bearer x",
        "Bearer",
        "Basic eDp5",
        "bearer \u00e9",
        "Bearer a b",
        "",
        "Bearer ".repeat(200),
      )
      .map((value): Header => ["Authorization", value]),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("text/html", "*/*", "application/xml")
      .map((value): Header => ["Accept", value]),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("close", "keep-alive", "x").map((value): Header => ["Connection", value]),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        "__proto__",
        "constructor",
        "X-HTTP-Method-Override",
        "X-Forwarded-For",
        "Range",
        "Cookie",
      )
      .map((name): Header => [name, "DELETE"]),
  },
);

const message = '{"message":{"role":"user","parts":[{"type":"text","text":"hé"}]}}';

/** Bytes of a body: good JSON in odd clothes, broken UTF-8, cut short. */
export const bytes: Arbitrary<Buffer> = fc.oneof(
  fc
    .constantFrom(
      message,
      "{}",
      "",
      " ",
      "null",
      "[]",
      `\uFEFF${message}`,
      `${message}\u0000`,
      `\u0000${message}`,
    )
    .map((text) => Buffer.from(text)),
  fc.constantFrom(message, '{"metadata":{"a":"é😀"}}').chain((text) => {
    const whole = Buffer.from(text);
    return fc.nat(whole.length).map((length) => whole.subarray(0, length));
  }),
  fc.tuple(fc.nat(message.length), fc.uint8Array({ minLength: 1, maxLength: 4 })).map(([at, inserted]) => {
    const whole = Buffer.from(message);
    return Buffer.concat([whole.subarray(0, at), inserted, whole.subarray(at)]);
  }),
  fc.constantFrom("utf16le" as const, "latin1" as const).map((encoding) => Buffer.from(message, encoding)),
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
);

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import { expectContract, expectWell } from "./contract.js";
import { fuzzParameters } from "./runs.js";
import { serve, type Serving } from "./serve.js";
import { Disconnected, requestBytes, talk, Wire, type Reply } from "./wire.js";

const JSON_TYPE = [["Content-Type", "application/json"]] as const;
const PATH = "/v1/contexts/known/messages";
const MESSAGE = '{"message":{"role":"user","parts":[{"type":"text","text":"hello"}]}}';
/** The default limit of a body. */
const MIB = 1024 * 1024;

const VALID = [
  requestBytes("GET", "/v1/contexts/known/tail?limit=2", []),
  requestBytes("POST", PATH, JSON_TYPE, MESSAGE),
  Buffer.from(
    `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
      `Transfer-Encoding: chunked\r\n\r\n${MESSAGE.length.toString(16)}\r\n${MESSAGE}\r\n0\r\n\r\n`,
  ),
  requestBytes("PUT", "/v1/contexts/known", [...JSON_TYPE, ["Expect", "100-continue"]], "{}"),
];

/** Requests that break HTTP, each in its own way, and the status of the one answer. */
const BROKEN: readonly (readonly [name: string, bytes: string, status: number])[] = [
  ["no HTTP at all", "hello\r\n\r\n", 400],
  ["TLS", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003\r\n\r\n", 400],
  ["HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["an unknown method", "FETCH /health/live HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a raw é in the path", "GET /v1/conversations/\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a space in the path", "GET /v1/conversations/a b HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a NUL in a header", "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\u0000b\r\n\r\n", 400],
  [
    "a control character in the key",
    `POST ${PATH} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\u0001b\r\nContent-Length: 0\r\n\r\n`,
    400,
  ],
  ["a header without a colon", "GET /health/live HTTP/1.1\r\nHost x\r\n\r\n", 400],
  ["a bare line feed in a header", "GET /health/live HTTP/1.1\r\nX: a\n b\r\n\r\n", 400],
  [
    "two lengths",
    "PUT /v1/contexts/two HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    400,
  ],
  [
    "a length and chunks",
    "PUT /v1/contexts/two HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["a negative length", "PUT /v1/contexts/two HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}", 400],
  [
    "a length beyond all numbers",
    `PUT /v1/contexts/two HTTP/1.1\r\nHost: x\r\nContent-Length: ${"9".repeat(40)}\r\n\r\n{}`,
    400,
  ],
  [
    "a broken chunk size",
    "PUT /v1/contexts/two HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    400,
  ],
  [
    "headers that are too large",
    `GET /health/live HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(20_000)}\r\n\r\n`,
    413,
  ],
  ["a path that is too long", `GET /v1/conversations/${"a".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 413],
  ["a tunnel", "CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404],
];

describe.each(BACKENDS)("what is hardly HTTP, over $name,", { timeout: 300_000 }, (backend) => {
  let server: Serving;

  beforeAll(async () => {
    server = await serve(backend);
    await server.connect().put("/v1/contexts/known");
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test.each(BROKEN)("is refused: %s", async (_name, text, status) => {
    const replies = await talk(server.port, Buffer.from(text, "latin1"));
    expect(replies.map((reply) => reply.status)).toEqual([status]);
    for (const reply of replies) expectContract(reply, "");
    await expectWell(server.port);
  });

  test("is answered where it is old: HTTP/1.0, and no Host", async () => {
    const old = await talk(server.port, "GET /health/live HTTP/1.0\r\n\r\n");
    expect(old.map(({ status, body }) => [status, body])).toEqual([[200, '{"status":"ok"}']]);
    const wire = new Wire(server.port);
    try {
      const noHost = await wire.exchange("GET /v1/conversations/none HTTP/1.1\r\n\r\n", "GET");
      expect(noHost.status).toBe(404);
      expectContract(noHost, "GET");
    } finally {
      wire.close();
    }
  });

  test.each([
    ["more than the length that it gave", "\n\n{}", 400],
    ["no HTTP", "x\r\n\r\n", 400],
    ["a path that is too long", `GET /v1/contexts/${"a".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 413],
    ["a tunnel", "CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404],
    [
      "an upgrade",
      `GET /v1/contexts/known/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      400,
    ],
  ])("is refused behind the answer to the append before it: %s", async (_name, behind, status) => {
    const appends = [
      requestBytes("POST", PATH, JSON_TYPE, MESSAGE),
      requestBytes("POST", PATH, JSON_TYPE, MESSAGE),
    ];
    const replies = await talk(server.port, Buffer.concat([...appends, Buffer.from(behind)]), false);
    expect(replies.map((reply) => reply.status)).toEqual([201, 201, status]);
    for (const reply of replies) expectContract(reply, "");
    await expectWell(server.port);
  });

  test("is answered where the client has nothing more to say", async () => {
    const replies = await talk(server.port, requestBytes("POST", PATH, JSON_TYPE, MESSAGE));
    expect(replies.map((reply) => reply.status)).toEqual([201]);
  });

  test("is understood where a key in a header is UTF-8, as curl sends it, or Latin-1", async () => {
    const wire = new Wire(server.port);
    const body = MESSAGE.replace("{", '{"idempotency_key":"clé",');
    try {
      for (const encoding of ["utf8", "latin1"] as const) {
        const head = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
        const length = `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
        const key = Buffer.from("Idempotency-Key: clé\r\n", encoding);
        const bytes = Buffer.concat([Buffer.from(head), key, Buffer.from(length + body)]);
        expect((await wire.exchange(bytes, "POST")).status, encoding).toBe(201);
      }
    } finally {
      wire.close();
    }
  });

  test.each([
    ["id", "GET", `/v1/contexts/${"a".repeat(3000)}`, undefined],
    ["body", "POST", "/v1/contexts/known/reset", "[]"],
  ])("is refused by the name of %s", async (field, method, path, body) => {
    const wire = new Wire(server.port);
    const refused = await wire.exchange(
      requestBytes(method, path, body === undefined ? [] : JSON_TYPE, body),
      method,
    );
    wire.close();
    expectContract(refused, method);
    expect([refused.status, refused.body]).toEqual([
      expect.any(Number),
      expect.stringContaining(`"field":"${field}"`),
    ]);
    expect(refused.body.length).toBeLessThan(200);
  });

  test("is refused where the key is given in two headers, unless it is one with a comma", async () => {
    const wire = new Wire(server.port);
    const send = (...keys: string[]): Promise<Reply> => {
      const headers = keys.map((key) => ["Idempotency-Key", key] as const);
      return wire.exchange(requestBytes("POST", PATH, [...JSON_TYPE, ...headers], MESSAGE), "POST");
    };
    try {
      expect((await send("a, b")).status).toBe(201);
      for (const keys of [
        ["a", "b"],
        ["a", "a"],
      ]) {
        const refused = await send(...keys);
        expectContract(refused, "POST");
        expect(refused.status).toBe(400);
        expect(refused.body).toContain('"field":"idempotency_key"');
      }
    } finally {
      wire.close();
    }
  });

  test("is answered in whole, or not at all, wherever a byte is wrong", async () => {
    const change = fc.record({
      at: fc.nat(400),
      remove: fc.nat(3),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
        fc
          .constantFrom(
            "\r\n",
            "\n",
            "\u0000",
            " ",
            ": ",
            "\r\n\r\n",
            "GET / HTTP/1.1",
            "Connection: close\r\n",
            "0",
          )
          .map((text) => Buffer.from(text)),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.nat(VALID.length - 1),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        async (which, changes) => {
          let bytes = VALID[which] ?? Buffer.alloc(0);
          for (const { at, remove, insert } of changes) {
            const place = at % (bytes.length + 1);
            bytes = Buffer.concat([bytes.subarray(0, place), insert, bytes.subarray(place + remove)]);
          }
          for (const reply of await talk(server.port, bytes)) expectContract(reply, "");
        },
      ),
      fuzzParameters(0.05, backend),
    );
    await expectWell(server.port);
  });

  test("is answered in order where it comes all at once", async () => {
    const wire = new Wire(server.port);
    try {
      await server.connect().put("/v1/conversations/pipelined");
      const count = 200;
      const requests = Array.from({ length: count }, (_, at) =>
        requestBytes(
          "POST",
          "/v1/conversations/pipelined/messages",
          JSON_TYPE,
          MESSAGE.replace("hello", String(at)),
        ),
      );
      const replies = await Promise.all(
        wire.pipeline(
          Buffer.concat(requests),
          requests.map(() => "POST"),
        ),
      );
      expect(replies.map(({ body }) => seqOf(body))).toEqual(requests.map((_, at) => at + 1));
    } finally {
      wire.close();
    }
  });

  test("is refused where it is too large, and the next one is served", async () => {
    const wire = new Wire(server.port);
    try {
      const message = (size: number): string => {
        const frame = '{"message":{"role":"user","parts":[{"type":"text","text":""}]}}';
        return frame.replace('""', `"${"x".repeat(size - frame.length)}"`);
      };
      const append = (body: string): Promise<Reply> =>
        wire.exchange(requestBytes("POST", PATH, JSON_TYPE, body), "POST");
      expect((await append(message(MIB))).status).toBe(201);
      for (const body of [message(MIB + 1), " ".repeat(MIB + 1), `"${"\u00e9".repeat(MIB / 2)}"`]) {
        expectTooLarge(await append(body));
        expectTooLarge(await wire.exchange(chunked("/v1/contexts/known", Buffer.from(body)), "PUT"));
      }
      const metadata = JSON.stringify({ metadata: { a: "é".repeat(4096) } });
      const patch = await wire.exchange(
        requestBytes("PATCH", "/v1/contexts/known/metadata", JSON_TYPE, metadata),
        "PATCH",
      );
      expect(patch.status).toBe(413);
      expect(expectContract(patch, "PATCH")).toMatchObject({ field: "metadata" });
      const messages = JSON.stringify({
        messages: Array.from({ length: 1001 }, () => ({ role: "user", parts: [] })),
      });
      const many = await append(messages);
      expect(expectContract(many, "POST")).toMatchObject({ error: "payload_too_large", field: "messages" });
    } finally {
      wire.close();
    }
    await expectWell(server.port);
  });

  test("is cut off where it is far too large", async () => {
    // Who goes on sending after the refusal may lose it with the connection; nothing else may happen.
    for (let round = 0; round < 5; round++) {
      const wire = new Wire(server.port);
      try {
        expectTooLarge(
          await wire.exchange(chunked("/v1/contexts/known", Buffer.alloc(16 * MIB, " ")), "PUT"),
        );
      } catch (error) {
        expect(error).toBeInstanceOf(Disconnected);
      } finally {
        wire.close();
      }
    }
    await expectWell(server.port);
  });
});

function chunked(path: string, body: Buffer): Buffer {
  const head = `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(`${head}${body.length.toString(16)}\r\n`),
    body,
    Buffer.from("\r\n0\r\n\r\n"),
  ]);
}

function expectTooLarge(reply: Reply): void {
  expect(reply.status).toBe(413);
  expect(expectContract(reply, "POST")).toMatchObject({ error: "payload_too_large", field: "body" });
}

function seqOf(body: string): unknown {
  return Object(JSON.parse(body))["seq"];
}

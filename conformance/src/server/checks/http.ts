import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { say } from "../messages.js";
import type { CallOptions, ServerWorld } from "../server-world.js";

interface Unserved {
  readonly method: string;
  readonly path?: string;
  readonly raw?: Uint8Array<ArrayBuffer> | string;
  readonly type?: string;
  readonly status: number;
}

/** Requests that nobody serves, or nobody can read, and their statuses. */
const UNSERVED: readonly Unserved[] = [
  { method: "GET", path: "/v1/nothing", status: 404 },
  { method: "GET", path: "/", status: 404 },
  { method: "GET", path: "/v2/conversations", status: 404 },
  { method: "POST", path: "/v1/conversations", status: 404 },
  { method: "PUT", path: "/v1/conversations/a/messages", status: 404 },
  { method: "DELETE", path: "/health/live", status: 404 },
  { method: "GET", path: "/v1/conversations/%zz", status: 400 },
  { method: "GET", path: "/v1/conversations/%ff", status: 400 },
  { method: "GET", path: "/v1/conversations/a%00", status: 400 },
  { method: "GET", path: "/v1/conversations/%ED%A0%80", status: 400 },
  { method: "PUT", raw: "{", status: 400 },
  { method: "PUT", raw: "[]", status: 400 },
  { method: "PUT", raw: "null", status: 400 },
  { method: "PUT", raw: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), status: 400 },
  { method: "PUT", raw: '{"metadata":{"a":1e400}}', status: 400 },
  { method: "PUT", raw: "{}", type: "text/plain", status: 415 },
  { method: "PUT", raw: "token_budget=1", type: "application/x-www-form-urlencoded", status: 415 },
  { method: "PUT", raw: "<a/>", type: "text/xml", status: 415 },
  { method: "PUT", raw: `{"metadata":{"a":"${"x".repeat(2_000_000)}"}}`, status: 413 },
];

/** Wrong input, and the field that its refusal names. */
const WRONG = [
  ["PUT", "", { token_budget: "many" }, "token_budget"],
  ["PUT", "", { token_budget: 0 }, "token_budget"],
  ["PUT", "", { token_budget: 1.5 }, "token_budget"],
  ["PUT", "", { trigger_ratio: 0 }, "trigger_ratio"],
  ["PUT", "", { trigger_ratio: 2 }, "trigger_ratio"],
  ["PUT", "", { policy: { strategy: "none" } }, "policy.strategy"],
  ["PUT", "", { policy: { strategy: "last_n", config: { limit: 0 } } }, "policy.config.limit"],
  ["PUT", "", { policy: { strategy: "manual", config: { limit: 1 } } }, "policy.config.limit"],
  ["PUT", "", { metadata: 1 }, "metadata"],
  ["PUT", "", { metadata: [] }, "metadata"],
  ["PATCH", "/metadata", {}, "metadata"],
  ["PATCH", "/metadata", { metadata: "a" }, "metadata"],
  ["POST", "/messages", {}, "message"],
  ["POST", "/messages", { message: say("a"), messages: [say("b")] }, "message"],
  ["POST", "/messages", { message: { parts: [] } }, "message.role"],
  ["POST", "/messages", { message: { role: "", parts: [] } }, "message.role"],
  ["POST", "/messages", { message: { role: "user" } }, "message.parts"],
  ["POST", "/messages", { message: { role: "user", parts: [{}] } }, "message.parts[0].type"],
  ["POST", "/messages", { message: { role: "user", parts: [{ type: "" }] } }, "message.parts[0].type"],
  ["POST", "/messages", { message: { role: "user", parts: [], token_count: -1 } }, "message.token_count"],
  ["POST", "/messages", { messages: [] }, "messages"],
  ["POST", "/messages", { messages: [say("a"), { role: "user" }] }, "messages[1].parts"],
  ["POST", "/messages", { message: say("a"), if_version: -1 }, "if_version"],
  ["POST", "/messages", { message: say("a"), if_version: "0" }, "if_version"],
  ["POST", "/messages", { message: say("a"), idempotency_key: "" }, "idempotency_key"],
  ["POST", "/compact", {}, "replacement"],
  ["POST", "/compact", { replacement: [] }, "replacement"],
  ["POST", "/compact", { replacement: [say("a")], through_seq: 0 }, "through_seq"],
  ["POST", "/reset", { through_seq: 1 }, "through_seq"],
  ["DELETE", "", { purge: true }, "purge"],
  ["GET", "/tail?limit=0", undefined, "limit"],
  ["GET", "/tail?limit=ten", undefined, "limit"],
  ["GET", "/tail?offset=-1", undefined, "offset"],
  ["GET", "/messages?from=0", undefined, "from"],
  ["GET", "/context?budget_tokens=x", undefined, "budget_tokens"],
  ["GET", "/context?budget_tokens=0", undefined, "budget_tokens"],
  ["DELETE", "?purge=perhaps", undefined, "purge"],
] as const;

/** Where a name that nobody knows may be put. */
const UNKNOWN = [
  { method: "PUT", route: "", at: (name: string) => ({ [name]: 1 }), field: "" },
  {
    method: "PUT",
    route: "",
    at: (name: string) => ({ policy: { strategy: "last_n", [name]: 1 } }),
    field: "policy.",
  },
  {
    method: "PUT",
    route: "",
    at: (name: string) => ({ policy: { strategy: "last_n", config: { [name]: 1 } } }),
    field: "policy.config.",
  },
  { method: "PATCH", route: "/metadata", at: (name: string) => ({ metadata: {}, [name]: 1 }), field: "" },
  { method: "POST", route: "/messages", at: (name: string) => ({ message: say("a"), [name]: 1 }), field: "" },
  {
    method: "POST",
    route: "/compact",
    at: (name: string) => ({ replacement: [say("a")], [name]: 1 }),
    field: "",
  },
  ...["", "/tail", "/messages", "/context"].map((route) => ({
    method: "GET",
    route,
    at: undefined,
    field: "",
  })),
] as const;

/** Values of queries that are taken for others by those who read them carelessly. */
const ODD = ["%00", "%ff", "%zz", "NaN", "1e9", "", "0x10", "9007199254740993", "a&limit=2"];

/** Not even tries at a key. */
const KEYLESS = [{ anonymous: true }, { headers: { authorization: "Basic YTpi" } }];

/** The form of requests and answers. */
export const HTTP: readonly Check<ServerWorld>[] = [
  check({
    name: "server-describes-itself",
    invariants: ["HTT-5"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      for (const path of ["/health/live", "/health/ready"]) {
        const { body } = await world.expect(200, "HTT-5", "GET", path);
        demandEqual(body, { status: "ok" }, "HTT-5", path);
      }
      const { body } = await world.expect(200, "HTT-5", "GET", "/openapi.json");
      demand(
        String(body["openapi"]).startsWith("3.1.") && "paths" in body,
        "HTT-5",
        () => "/openapi.json describes nothing",
      );
      const metrics = await world.expect(200, "HTT-5", "GET", "/metrics", undefined, { plain: true });
      for (const name of ["fastpaca_http_requests_total", "fastpaca_pending_writes", "fastpaca_streams"]) {
        const line = new RegExp(`^${name}(\\{.*\\})? \\d`, "m");
        demand(line.test(metrics.text), "HTT-5", () => `/metrics does not say ${name}`);
      }
    },
  }),
  check({
    name: "requests-nobody-serves",
    invariants: ["HTT-2"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      for (const { method, path = world.context(), raw, type, status } of UNSERVED) {
        await world.expect(status, "HTT-2", method, path, undefined, {
          ...(raw !== undefined && { raw }),
          ...(type !== undefined && { headers: { "content-type": type } }),
        });
      }
      await world.expect(404, "HTT-2", "GET", world.context());
    },
  }),
  check({
    name: "refused-fields-are-named",
    invariants: ["HTT-4", "HTT-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.context();
      const before = await world.ok("PUT", path, {});
      for (const [method, route, body, field] of WRONG) {
        const answer = await world.expect(400, "HTT-4", method, `${path}${route}`, body);
        demandEqual(answer.body["field"], field, "HTT-4", `the field in the refusal of ${method} ${route}`);
      }
      const after = await world.ok("GET", path);
      demandEqual(after.body, before.body, "HTT-4", "the record after what was refused");
    },
  }),
  check({
    name: "unknown-names-are-refused",
    invariants: ["HTT-4"],
    mode: "sequence",
    runs: 30,
    arbitrary: fc.record({
      name: fc.stringMatching(/^[a-z]{2,8}_[a-z]{2,8}$/).map((name) => `x${name}`),
      whereAt: fc.nat({ max: UNKNOWN.length - 1 }),
    }),
    run: async (world: ServerWorld, { name, whereAt }) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      const { method, route, at, field } = UNKNOWN[whereAt] ?? UNKNOWN[0];
      const query = at === undefined ? `?${name}=1` : "";
      const answer = await world.expect(400, "HTT-4", method, `${path}${route}${query}`, at?.(name));
      demandEqual(answer.body["field"], `${field}${name}`, "HTT-4", "the field in the refusal");
    },
  }),
  check({
    name: "limits-are-exact",
    invariants: ["HTT-6"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      const prefix = world.id("").length;
      const long = (characters: number): string => world.context("i".repeat(characters - prefix));
      const metadata = (bytes: number): object => ({
        metadata: { é: "x".repeat(bytes - '{"é":""}'.length - 1) },
      });
      // A message is one level, its parts are another, and the part is the third.
      const nested = (levels: number): object => ({
        role: "user",
        parts: [{ type: "t", value: JSON.parse("[".repeat(levels - 3) + "]".repeat(levels - 3)) as unknown }],
      });
      const filters = (count: number): string =>
        Array.from({ length: count }, (_, at) => `metadata.k${at}=1`).join("&");
      const append = (message: object): readonly ["POST", string, object] => [
        "POST",
        `${path}/messages`,
        { message },
      ];
      const said = { role: "user", parts: [] };
      for (const [[method, to, body], status] of [
        [["PUT", long(255), {}], 201],
        [["PUT", long(256), {}], 400],
        [["PUT", path, metadata(8192)], 200],
        [["PUT", path, metadata(8193)], 413],
        [["PUT", path, { token_budget: 1e9, trigger_ratio: 1 }], 200],
        [["PUT", path, { token_budget: 1e9 + 1 }], 400],
        [append({ ...said, role: "r".repeat(64) }), 201],
        [append({ ...said, role: "r".repeat(65) }), 400],
        [append({ ...said, token_count: 1e9 }), 201],
        [append({ ...said, token_count: 1e9 + 1 }), 400],
        [append(nested(256)), 201],
        [append(nested(257)), 400],
        [["POST", `${path}/messages`, { message: said, idempotency_key: "k".repeat(255) }], 201],
        [["POST", `${path}/messages`, { message: said, idempotency_key: "k".repeat(256) }], 400],
        [["GET", `${path}/tail?limit=1000`], 200],
        [["GET", `${path}/tail?limit=1001`], 400],
        [["GET", `${path}/messages?limit=1000`], 200],
        [["GET", `${path}/messages?limit=1001`], 400],
        [["GET", `/v1/conversations?limit=1001`], 400],
        [["GET", `/v1/conversations?${filters(16)}`], 200],
        [["GET", `/v1/conversations?${filters(17)}`], 400],
      ] as const) {
        await world.expect(status, "HTT-6", method, to, body);
      }
    },
  }),
  check({
    name: "head-is-get-without-body",
    invariants: ["HTT-7"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      await world.ok("POST", `${path}/messages`, { message: say("one") });
      for (const route of ["", "/messages", "/tail?limit=1", "/context", "/tail?limit=0"]) {
        const get = await world.call("GET", `${path}${route}`);
        const head = await world.expect(get.status, "HTT-7", "HEAD", `${path}${route}`);
        demandEqual(head.headers.get("etag"), get.headers.get("etag"), "HTT-7", `the ETag of HEAD ${route}`);
      }
    },
  }),
  check({
    name: "keys-open",
    invariants: ["AUT-1"],
    mode: "sequence",
    needs: ["keys"],
    runs: 5,
    arbitrary: fc.stringMatching(/^[\w-]{0,40}$/),
    run: async (world: ServerWorld, key) => {
      const path = world.conversation();
      await world.ok("PUT", path, {});
      const wrong = { headers: { authorization: `Bearer not-the-key-${key}` } };
      for (const options of [...KEYLESS, wrong]) await expectClosed(world, path, options);
      const { body } = await world.ok("GET", path);
      demandEqual([body["last_seq"], body["tombstoned"]], [0, false], "AUT-1", "what is left of it");
    },
  }),
  check({
    name: "hostile-bodies",
    invariants: ["HTT-3", "HTT-1", "HTT-2"],
    mode: "sequence",
    runs: 150,
    arbitrary: fc.record({
      route: fc.constantFrom("", "/messages", "/compact", "/reset", "/metadata"),
      method: fc.constantFrom("PUT", "POST", "PATCH", "DELETE"),
      body: fc.oneof(
        fc.json(),
        fc.json().map((value) => `{"message":${value}}`),
        fc.json().map((value) => `{"message":{"role":"user","parts":[{"type":"text","text":${value}}]}}`),
        fc.json().map((value) => `{"metadata":{"a":${value}}}`),
        fc.string({ unit: "binary" }),
        fc
          .integer({ min: 1, max: 5000 })
          .map((depth) => `{"metadata":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`),
      ),
    }),
    run: async (world: ServerWorld, { route, method, body }) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      // Whatever it answers: the world sees to its form.
      await world.call(method, `${path}${route}`, undefined, { raw: body });
    },
  }),
  check({
    name: "hostile-addresses",
    invariants: ["HTT-3", "HTT-1", "HTT-2"],
    mode: "sequence",
    runs: 25,
    arbitrary: fc.record({
      route: fc.constantFrom("", "/messages", "/tail", "/context", "/stream"),
      name: fc.constantFrom("from", "limit", "offset", "cursor", "if_version", "budget_tokens", "metadata.a"),
      values: fc.array(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 12 }).map((text) => encodeURIComponent(text.toWellFormed())),
          fc.stringMatching(/^-?[0-9]{1,25}(\.[0-9])?$/),
        ),
        { maxLength: 8 },
      ),
      list: fc.boolean(),
    }),
    run: async (world: ServerWorld, { route, name, values, list }) => {
      const path = world.context();
      if (!list) await world.ok("PUT", path, {});
      for (const value of [...values, ...ODD]) {
        await world.call("GET", `${list ? "/v1/conversations" : `${path}${route}`}?${name}=${value}`);
      }
    },
  }),
];

/** Whoever comes with this is told the server's health, and nothing else. */
async function expectClosed(world: ServerWorld, path: string, options: CallOptions): Promise<void> {
  for (const health of ["/health/live", "/health/ready"]) {
    await world.expect(200, "AUT-1", "GET", health, undefined, options);
  }
  for (const [method, to, body] of [
    ["GET", path],
    ["PUT", path, {}],
    ["DELETE", path],
    ["POST", `${path}/messages`, { message: say("one") }],
    ["GET", "/v1/conversations"],
    ["GET", "/metrics"],
    ["GET", "/openapi.json"],
  ] as const) {
    await world.expect(401, "AUT-1", method, to, body, { ...options, plain: to === "/metrics" });
  }
  const { status } = await world.refusedStream(`${path}/stream`, "AUT-1", options);
  demand(status === 401, "AUT-1", () => `a stream without a key is answered ${status}`);
}

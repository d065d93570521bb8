import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand } from "../../violation.js";
import type { ServerWorld } from "../server-world.js";

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
        const { status } = await world.call("GET", path);
        demand(status === 200, "HTT-5", () => `${path} answers ${status}`);
      }
      const { status, body } = await world.call("GET", "/openapi.json");
      const described = status === 200 && typeof body["openapi"] === "string" && "paths" in body;
      demand(described, "HTT-5", () => `/openapi.json answers ${status} without a description`);
    },
  }),
  check({
    name: "requests-nobody-serves",
    invariants: ["HTT-2"],
    mode: "sequence",
    runs: 12,
    arbitrary: fc.constantFrom(
      { method: "GET", path: "/v1/nothing", status: [404] },
      { method: "POST", path: "/v1/contexts", status: [404, 405] },
      { method: "GET", path: "/v2/contexts/a", status: [404] },
      { method: "PUT", raw: "{", status: [400] },
      { method: "PUT", raw: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), status: [400] },
      { method: "PUT", raw: "token_budget=1", type: "application/x-www-form-urlencoded", status: [415] },
      { method: "PUT", raw: "<a/>", type: "text/xml", status: [415] },
      { method: "PUT", raw: `{"metadata":{"a":"${"x".repeat(20_000_000)}"}}`, status: [413] },
    ),
    run: async (world: ServerWorld, { method, path, raw, type, status: expected }) => {
      const { status } = await world.call(method, path ?? world.context(), undefined, {
        ...(raw !== undefined && { raw }),
        ...(type !== undefined && { headers: { "content-type": type } }),
      });
      demand(
        expected.some((one) => one === status),
        "HTT-2",
        () =>
          `${method} ${path ?? `of ${type ?? "JSON"}`} is answered ${status}, and should be ${expected.join(" or ")}`,
      );
    },
  }),
  check({
    name: "refused-fields-are-named",
    invariants: ["HTT-4", "HTT-1"],
    mode: "sequence",
    runs: 40,
    arbitrary: fc.constantFrom(
      ...([
        ["PUT", "", { token_budget: "many" }, "token_budget"],
        ["PUT", "", { token_budget: 0 }, "token_budget"],
        ["PUT", "", { trigger_ratio: 2 }, "trigger_ratio"],
        ["PUT", "", { policy: { strategy: "none" } }, "policy.strategy"],
        ["PUT", "", { policy: { strategy: "last_n", config: { limit: 0 } } }, "policy.config.limit"],
        ["PUT", "", { metadata: 1 }, "metadata"],
        ["PUT", "", { no_such_field: 1 }, "no_such_field"],
        ["POST", "/messages", {}, "message"],
        ["POST", "/messages", { message: { parts: [] } }, "message.role"],
        ["POST", "/messages", { message: { role: "user" } }, "message.parts"],
        ["POST", "/messages", { message: { role: "user", parts: [{}] } }, "message.parts[0].type"],
        ["POST", "/messages", { messages: [] }, "messages"],
        ["POST", "/messages", { message: { role: "user", parts: [] }, if_version: -1 }, "if_version"],
        [
          "POST",
          "/messages",
          { message: { role: "user", parts: [] }, idempotency_key: "" },
          "idempotency_key",
        ],
        ["POST", "/compact", {}, "replacement"],
        ["POST", "/compact", { replacement: [] }, "replacement"],
        ["GET", "/tail?limit=0", undefined, "limit"],
        ["GET", "/tail?limit=1001", undefined, "limit"],
        ["GET", "/tail?offset=-1", undefined, "offset"],
        ["GET", "/messages?from=0", undefined, "from"],
        ["GET", "/context?budget_tokens=x", undefined, "budget_tokens"],
        ["GET", "/tail?no_such_field=1", undefined, "no_such_field"],
      ] as const),
    ),
    run: async (world: ServerWorld, [method, route, body, field]) => {
      const path = world.context();
      await world.ok("PUT", path, {});
      const answer = await world.call(method, `${path}${route}`, body);
      demand(answer.status === 400, "HTT-4", () => `a wrong ${field} is answered ${answer.status}`);
      demand(
        answer.body["field"] === field,
        "HTT-4",
        () => `the refusal of ${field} names ${String(answer.body["field"])}`,
      );
    },
  }),
  check({
    name: "hostile-bodies",
    invariants: ["HTT-3", "HTT-1", "HTT-2"],
    mode: "sequence",
    runs: 300,
    arbitrary: fc.record({
      route: fc.constantFrom("", "/messages", "/compact", "/reset", "/metadata"),
      method: fc.constantFrom("PUT", "POST", "PATCH", "DELETE", "GET"),
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
      await world.call(method, `${path}${route}`, undefined, method === "GET" ? {} : { raw: body });
    },
  }),
];

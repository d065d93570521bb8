import { parseJson } from "@fastpaca/core";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import { BODY_ROUTES, contentOf, type Body, type BodyRoute } from "./bodies.js";
import { expectContract, expectWell } from "./contract.js";
import { nearly } from "./json-text.js";
import { fuzzParameters } from "./runs.js";
import { sameJson } from "./same-json.js";
import { serve, type Serving } from "./serve.js";
import { requestBytes, Wire, type Reply } from "./wire.js";

const JSON_TYPE = [["Content-Type", "application/json"]] as const;
/** Requests to one conversation, before the next one takes its place: its log stays small. */
const REQUESTS = 60;

describe.each(BACKENDS)("hostile bodies over $name", { timeout: 300_000 }, (backend) => {
  let server: Serving;
  let wire: Wire;
  let schemas: ReadonlyMap<BodyRoute, ValidateFunction>;

  beforeAll(async () => {
    server = await serve(backend);
    wire = new Wire(server.port);
    schemas = await publishedSchemas(wire);
  });
  afterAll(async () => {
    wire.close();
    await server[Symbol.asyncDispose]();
  });

  const get = (target: string): Promise<Reply> => wire.exchange(requestBytes("GET", target, []), "GET");

  test("are accepted if and only if the published schema and the documentation say so, and read back equal", async () => {
    let requests = 0;
    let id = "";
    // By name, so that a failure prints one.
    const request = fc
      .constantFrom(...BODY_ROUTES.keys())
      .chain((name) => fc.record({ name: fc.constant(name), text: nearly(routeOf(name).valid) }));
    await fc.assert(
      fc.asyncProperty(request, async ({ name, text }) => {
        const route = routeOf(name);
        if (requests++ % REQUESTS === 0) {
          id = `fuzz-${requests}`;
          await wire.exchange(requestBytes("PUT", `/v1/contexts/${id}`, JSON_TYPE, "{}"), "PUT");
          const first = '{"message":{"role":"user","parts":[]}}';
          await wire.exchange(requestBytes("POST", `/v1/contexts/${id}/messages`, JSON_TYPE, first), "POST");
        }
        const target = route.path.replace("{id}", id);
        const reply = await wire.exchange(requestBytes(route.method, target, JSON_TYPE, text), route.method);
        const answer = expectContract(reply, route.method);
        if (reply.status === 400) expect(answer).toHaveProperty("field");

        // A PUT without a body changes nothing but whether there is a conversation.
        const body = parsed(text === "" && route.method === "PUT" ? "{}" : text);
        if (body === undefined) {
          expect(reply.status, "what is no JSON is refused").toBe(400);
        } else if (schemas.get(route)?.(body.value) !== true) {
          expect(reply.status, "what breaks the schema is refused").toBe(400);
        } else {
          // The schema says that it is an object.
          const content = body.value as Body;
          expect(route.expected(content), reply.body).toContain(reply.status);
          if (reply.status < 300) await expectReadsBack(route, target, content, parseJson<Body>(reply.body));
        }
      }),
      fuzzParameters(0.6, backend),
    );
    await expectWell(server.port);
  });

  test("nested far too deeply are refused", async () => {
    await wire.exchange(requestBytes("PUT", "/v1/contexts/deep", JSON_TYPE, "{}"), "PUT");
    for (const levels of [257, 1000, 10_000, 100_000]) {
      for (const nest of ["[]", '{"a":}']) {
        const opening = nest.slice(0, -1);
        const deep = `${opening.repeat(levels)}0${nest.slice(-1).repeat(levels)}`;
        const bodies: readonly [BodyRoute["method"], string, string][] = [
          ["POST", "/messages", `{"message":{"role":"user","parts":[{"type":"x","deep":${deep}}]}}`],
          ["POST", "/messages", `{"message":{"role":"user","parts":${deep}}}`],
          ["PUT", "", `{"metadata":{"a":${deep}}}`],
          ["PATCH", "/metadata", `{"metadata":{"a":${deep}}}`],
          ["POST", "/compact", `{"replacement":[{"role":"user","parts":[],"x":${deep}}]}`],
          ["PUT", "", `{"policy":${deep}}`],
          ["POST", "/reset", deep],
          ["PUT", "", deep],
        ];
        for (const [method, route, text] of bodies) {
          const reply = await wire.exchange(
            requestBytes(method, `/v1/contexts/deep${route}`, JSON_TYPE, text),
            method,
          );
          expect([400, 413]).toContain(reply.status);
          expect(expectContract(reply, method)).toHaveProperty("field");
        }
      }
    }
    await expectWell(server.port);
  });

  async function expectReadsBack(route: BodyRoute, target: string, body: Body, answer: Body): Promise<void> {
    if (route.path.endsWith("/messages")) {
      const sent = Array.isArray(body["messages"]) ? body["messages"] : [body["message"]];
      const from = Number(answer["seq"]) - sent.length + 1;
      expectMessages(sent, (await get(`${target}?from=${from}&limit=${sent.length}`)).body);
    } else if (route.path.endsWith("/compact")) {
      const sent = Array.isArray(body["replacement"]) ? body["replacement"] : [];
      expectMessages(sent, (await get(target.replace(/compact$/, "context"))).body);
    } else {
      for (const [name, value] of Object.entries(body)) {
        if (name === "policy") expect(answer[name]).toMatchObject({ strategy: Object(value)["strategy"] });
        else if (route.method === "PUT") expect(sameJson(answer[name], value), name).toBe(true);
      }
      const record = await get(target.replace(/\/metadata$/, ""));
      expect(sameJson(parseJson(record.body), answer)).toBe(true);
    }
  }
});

function expectMessages(sent: readonly unknown[], received: string): void {
  const { messages } = parseJson<{ messages: Body[] }>(received);
  for (const [at, message] of sent.entries()) {
    const stored = messages[at];
    expect(sameJson(contentOf(stored), contentOf(message)), received).toBe(true);
    const { token_count: given } = Object(message);
    if (given !== undefined) expect(stored?.["token_count"] === given).toBe(true);
  }
}

/** The schema of each route's body, as the server publishes it. */
async function publishedSchemas(wire: Wire): Promise<ReadonlyMap<BodyRoute, ValidateFunction>> {
  const { body } = await wire.exchange(requestBytes("GET", "/openapi.json", []), "GET");
  const { paths } = JSON.parse(body) as { paths: { [path: string]: { [method: string]: object } } };
  const ajv = new Ajv2020({ strict: false });
  return new Map(
    [...BODY_ROUTES.values()].map((route) => {
      const operation = paths[route.path]?.[route.method.toLowerCase()];
      expect(operation).toHaveProperty(["requestBody", "content", "application/json", "schema"]);
      const { requestBody } = operation as {
        requestBody: { content: { "application/json": { schema: object } } };
      };
      return [route, ajv.compile(requestBody.content["application/json"].schema)] as const;
    }),
  );
}

function routeOf(name: string): BodyRoute {
  const route = BODY_ROUTES.get(name);
  if (route === undefined) throw new Error(`there is no route ${name}`);
  return route;
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: parseJson(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

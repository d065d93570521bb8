import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { overriding } from "../drivers.js";
import { BACKENDS } from "./backends.js";
import { say, type Answer, type Client } from "./client.js";
import { serve, type Serving } from "./serve.js";

type Json = { readonly [name: string]: unknown };

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Json;
}

interface Operation {
  readonly operationId?: string;
  readonly security?: readonly Json[];
  readonly summary?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: { readonly [type: string]: { readonly schema: Json } };
  };
  readonly responses: {
    readonly [status: string]: {
      readonly description?: string;
      readonly headers?: Json;
      readonly content?: { readonly [type: string]: { readonly schema: Json } };
    };
  };
}

interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly security?: readonly Json[];
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } };
}

/** The calls of the documentation. */
const ROUTES = [
  ...["contexts", "conversations"].flatMap((prefix) => [
    `put /v1/${prefix}/{id}`,
    `get /v1/${prefix}/{id}`,
    `delete /v1/${prefix}/{id}`,
    `patch /v1/${prefix}/{id}/metadata`,
    `post /v1/${prefix}/{id}/messages`,
    `get /v1/${prefix}/{id}/messages`,
    `get /v1/${prefix}/{id}/tail`,
  ]),
  "get /v1/contexts/{id}/context",
  "post /v1/contexts/{id}/compact",
  "post /v1/contexts/{id}/reset",
  "get /v1/conversations",
  "get /health/live",
  "get /health/ready",
  "get /metrics",
];

describe.each(BACKENDS)("the OpenAPI document over $name", (backend) => {
  let server: Serving;
  let client: Client;
  let document: OpenApi;
  // Schemas may say more than Ajv knows by itself, such as the formats of texts.
  const ajv = new Ajv2020({
    strict: false,
    formats: { "date-time": (text) => text === new Date(text).toISOString() },
  });

  beforeAll(async () => {
    server = await serve(backend);
    client = server.connect();
    document = (await client.get("/openapi.json")).json<OpenApi>();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const operations = (): [string, string, string, Operation][] =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]): [string, string, string, Operation] => [
        `${method} ${path}`,
        method,
        path,
        operation,
      ]),
    );

  test("is OpenAPI 3.1 and holds every route", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info.title).not.toBe("");
    expect(document.info.version).not.toBe("");
    const names = operations().map(([name]) => name);
    for (const route of ROUTES) expect(names).toContain(route);
  });

  test("describes each operation, its parameters, and all of its answers", () => {
    for (const [name, , path, operation] of operations()) {
      const { parameters = [], responses, summary } = operation;
      expect(summary, name).toBeTypeOf("string");
      const templated = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter = ""]) => parameter);
      const declared = parameters.filter((parameter) => parameter.in === "path");
      expect(declared.map((parameter) => parameter.name).sort(), name).toEqual(templated.sort());
      for (const parameter of parameters) {
        expect(["path", "query", "header"], name).toContain(parameter.in);
        if (parameter.in === "path") expect(parameter.required, name).toBe(true);
        expect(() => ajv.compile(parameter.schema), `${name} ${parameter.name}`).not.toThrow();
      }
      expect(new Set(parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).size).toBe(
        parameters.length,
      );
      expect(Object.keys(responses).length, name).toBeGreaterThan(0);
      for (const [status, response] of Object.entries(responses)) {
        expect(status, name).toMatch(/^([1-5]\d\d|default)$/);
        expect(response.description, name).toBeTypeOf("string");
        for (const { schema } of Object.values(response.content ?? {}))
          expect(() => ajv.compile(schema), name).not.toThrow();
      }
      for (const { schema } of Object.values(operation.requestBody?.content ?? {}))
        expect(() => ajv.compile(schema), name).not.toThrow();
      if (name !== "get /health/live")
        expect(responses, `${name} says how it refuses`).toHaveProperty("default");
    }
  });

  test("names every operation, each by another name", () => {
    const ids = operations().map(([, , , { operationId }]) => operationId);
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]+$/);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("asks for a key everywhere but for health", async () => {
    await using locked = await serve(backend, { server: { apiKeys: ["k"] } });
    const stranger = locked.connect();
    const keyed = locked.connect({ authorization: "Bearer k" });
    const { security = [], paths } = (await keyed.get("/openapi.json")).json<OpenApi>();
    for (const [path, item] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(item)) {
        const { status } = await stranger.send(method.toUpperCase(), path.replace("{id}", "c"));
        expect((operation.security ?? security).length > 0, `${method} ${path}`).toBe(status === 401);
      }
    }
  });

  test("says which bodies may be left out", async () => {
    for (const [name, method, path, { requestBody }] of operations()) {
      if (requestBody === undefined) continue;
      const id = `bodyless-${path.split("/")[2]}`;
      await client.put(`/v1/contexts/${id}`);
      const { status } = await client.send(method.toUpperCase(), path.replace("{id}", id));
      expect(requestBody.required, `${name} without a body is answered with ${status}`).toBe(status === 400);
    }
  });

  test("has no reference to what is not there", () => {
    for (const reference of references(document)) {
      const place = reference
        .slice(2)
        .split("/")
        .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
      expect(reference).toMatch(/^#\//);
      expect(document).toHaveProperty(place);
    }
  });

  test("fits every answer that the server really gives, and the server gives every answer in it", async () => {
    const seen = new Set<string>();
    const check = (name: string, answer: Answer): void => {
      const operation = document.paths[name.split(" ")[1] ?? ""]?.[name.split(" ")[0] ?? ""];
      const known = operation?.responses[answer.status] === undefined ? "default" : String(answer.status);
      const response = operation?.responses[known];
      expect(response, `${name} ${answer.status}`).toBeDefined();
      if (known === "default") expect(answer.status, `${name} ${answer.text}`).toBeGreaterThanOrEqual(400);
      const schema = response?.content?.["application/json"]?.schema;
      if (schema === undefined) {
        const hasNoJson =
          [204, 304].includes(answer.status) || name === "get /metrics" || name.endsWith("/stream");
        expect(hasNoJson, name).toBe(true);
      } else {
        const validate = ajv.compile(closed(schema));
        expect(validate(answer.json()), `${name} ${answer.text} ${ajv.errorsText(validate.errors)}`).toBe(
          true,
        );
      }
      const tags = Object.keys(response?.headers ?? {}).map((header) => header.toLowerCase());
      if (answer.status !== 304)
        expect(tags.includes("etag"), name).toBe(answer.headers["etag"] !== undefined);
      seen.add(`${name} ${known}`);
    };
    for (const prefix of ["contexts", "conversations"]) await tour(client, prefix, check);
    check("get /health/live", await client.get("/health/live"));
    check("get /health/ready", await client.get("/health/ready"));
    await using down = await serve(backend, {
      wrap: (driver) => overriding(driver, { heads: () => Promise.reject(new Error("down")) }),
    });
    check("get /health/ready", await down.connect().get("/health/ready"));
    check("get /metrics", await client.get("/metrics"));
    await using locked = await serve(backend, { server: { apiKeys: ["k"] } });
    check("get /metrics", await locked.connect().get("/metrics"));
    check("get /v1/conversations", await client.get("/v1/conversations?limit=1"));
    check("get /v1/conversations", await client.get("/v1/conversations?limit=0"));

    const published = operations().flatMap(([name, , , { responses }]) =>
      Object.keys(responses).map((status) => `${name} ${status}`),
    );
    // A WebSocket takes more than a request.
    expect([...seen].sort()).toEqual(published.filter((name) => !name.endsWith(" 101")).sort());
  });
});

/** Calls every route of a surface so that it answers in each of its ways. */
async function tour(
  client: Client,
  prefix: string,
  check: (name: string, answer: Answer) => void,
): Promise<void> {
  const template = `/v1/${prefix}/{id}`;
  const path = `/v1/${prefix}/tour-${prefix}`;
  const none = `/v1/${prefix}/none`;
  const context = prefix === "contexts";
  const readTwice = async (route: string): Promise<void> => {
    const first = await client.get(`${path}${route}`);
    check(`get ${template}${route}`, first);
    const again = await client.get(`${path}${route}`, { "if-none-match": first.headers["etag"] ?? "" });
    check(`get ${template}${route}`, again);
  };
  check(`put ${template}`, await client.put(path, { metadata: { a: [1] } }));
  check(`put ${template}`, await client.put(path, context ? { policy: { strategy: "manual" } } : {}));
  check(`put ${template}`, await client.put(path, { metadata: 1 }));
  check(
    `post ${template}/messages`,
    await client.post(`${path}/messages`, { messages: [say("one"), say("two")] }),
  );
  for (let time = 0; time < 2; time++) {
    check(
      `post ${template}/messages`,
      await client.post(`${path}/messages`, { message: say("three"), idempotency_key: "key" }),
    );
  }
  check(
    `post ${template}/messages`,
    await client.post(`${path}/messages`, { message: say("four"), if_version: 0 }),
  );
  check(
    `patch ${template}/metadata`,
    await client.send("PATCH", `${path}/metadata`, { metadata: { b: null } }),
  );
  check(`patch ${template}/metadata`, await client.send("PATCH", `${none}/metadata`, { metadata: {} }));
  if (context) {
    const replacement = [{ role: "system", parts: [{ type: "text", text: "so far" }] }];
    await readTwice("/context");
    check(`post ${template}/compact`, await client.post(`${path}/compact`, { replacement, through_seq: 2 }));
    check(`post ${template}/compact`, await client.post(`${path}/compact`, { replacement, through_seq: 1 }));
    check(`get ${template}/context`, await client.get(`${path}/context?budget_tokens=1`));
    check(`get ${template}/context`, await client.get(`${path}/context?if_version=0`));
    check(`post ${template}/reset`, await client.post(`${path}/reset`, {}));
    check(`post ${template}/reset`, await client.post(`${none}/reset`, {}));
  }
  for (const route of ["", "/tail", "/messages"]) {
    await readTwice(route);
    check(`get ${template}${route}`, await client.get(`${none}${route}`));
  }
  check(`delete ${template}`, await client.delete(path));
  check(`delete ${template}`, await client.delete(none));
  check(`get ${template}`, await client.get(path));
  check(`post ${template}/messages`, await client.post(`${path}/messages`, { message: say("late") }));
  // Of what is tombstoned, the stream ends by itself.
  const accept = { accept: "text/event-stream" };
  check(`get ${template}/stream`, await client.get(`${path}/stream?cursor=0`, accept));
  check(`get ${template}/stream`, await client.get(`${none}/stream`, accept));
}

/** The schema, with no fields but those that it names: an answer has nothing that is not documented. */
function closed(schema: Json): Json {
  return "properties" in schema ? { additionalProperties: false, ...schema } : schema;
}

function references(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === "$ref" && typeof inner === "string" ? [inner] : references(inner),
  );
}

import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import { expectContract, expectWell } from "./contract.js";
import { bytes, header } from "./entities.js";
import { fuzzParameters } from "./runs.js";
import { serve, type Serving } from "./serve.js";
import { method, query, segment, target } from "./targets.js";
import { requestBytes, Wire, type Reply } from "./wire.js";

const JSON_TYPE = ["Content-Type", "application/json"] as const;

describe.each(BACKENDS)("hostile requests over $name", { timeout: 300_000 }, (backend) => {
  let server: Serving;
  let wire: Wire;

  beforeAll(async () => {
    server = await serve(backend);
    wire = new Wire(server.port);
    await put("/v1/contexts/known", "{}");
    const message = '{"message":{"role":"user","parts":[]}}';
    for (let at = 0; at < 5; at++)
      await wire.exchange(requestBytes("POST", "/v1/contexts/known/messages", [JSON_TYPE], message), "POST");
  });
  afterAll(async () => {
    wire.close();
    await server[Symbol.asyncDispose]();
  });

  const put = (path: string, body: string | Buffer): Promise<Reply> =>
    wire.exchange(requestBytes("PUT", path, [JSON_TYPE], body), "PUT");
  const get = (path: string): Promise<Reply> => wire.exchange(requestBytes("GET", path, []), "GET");

  test("with any id: it is taken as it was meant, or refused by name", async () => {
    await fc.assert(
      fc.asyncProperty(segment, async (segment) => {
        const reply = await put(`/v1/conversations/${segment}`, "{}");
        const answer = expectContract(reply, "PUT");
        const id = decoded(segment);
        if (id === undefined || !isIdentifier(id)) {
          expect(reply.status).toBe(400);
          expect(answer).toMatchObject({ error: "invalid_request", field: "id" });
          return;
        }
        expect([200, 201]).toContain(reply.status);
        expect(answer).toMatchObject({ id });
        expect(expectContract(await get(`/v1/conversations/${encodeURIComponent(id)}`), "GET")).toEqual(
          answer,
        );
      }),
      fuzzParameters(0.07, backend),
    );
    await expectWell(server.port);
  });

  test("with any query: it is understood, or refused by name", async () => {
    const routes = fc.constantFrom(
      "/v1/conversations",
      "/v1/contexts/known/messages",
      "/v1/contexts/known/tail",
      "/v1/contexts/known/context",
      "/v1/conversations/known/tail",
    );
    await fc.assert(
      fc.asyncProperty(routes, query, async (route, query) => {
        const reply = await get(`${route}?${query}`);
        const answer = expectContract(reply, "GET");
        expect([200, 400, 409]).toContain(reply.status);
        if (reply.status === 400) expect(answer).toHaveProperty("field");
        const limit = /^limit=(\d+)$/.exec(query)?.[1];
        if (limit === undefined || route.endsWith("/context")) return;
        const inRange = Number(limit) >= 1 && Number(limit) <= 1000;
        expect(reply.status).toBe(inRange ? 200 : 400);
      }),
      fuzzParameters(0.1, backend),
    );
    await expectWell(server.port);
  });

  test("that change something take no query they do not know", async () => {
    await put("/v1/contexts/changed", "{}");
    const routes = fc.constantFrom(
      ["PUT", "", "{}"] as const,
      ["PATCH", "/metadata", '{"metadata":{}}'] as const,
      ["POST", "/messages", '{"message":{"role":"user","parts":[]}}'] as const,
      ["POST", "/reset", "{}"] as const,
      ["DELETE", "", undefined] as const,
    );
    await fc.assert(
      fc.asyncProperty(routes, query, async ([method, route, body], query) => {
        const bytes = requestBytes(
          method,
          `/v1/contexts/changed${route}?${query}`,
          body === undefined ? [] : [JSON_TYPE],
          body,
        );
        const reply = await wire.exchange(bytes, method);
        const answer = expectContract(reply, method);
        if (method === "DELETE") {
          // Whatever was deleted is there again for the next one.
          if (reply.status === 204)
            await wire.exchange(requestBytes("DELETE", "/v1/contexts/changed?purge=true", []), "DELETE");
          await put("/v1/contexts/changed", "{}");
        } else if (reply.status === 400) expect(answer).toHaveProperty("field");
        else expect(query.replace(/[&=]/g, ""), "an empty query").toBe("");
      }),
      fuzzParameters(0.05, backend),
    );
    await expectWell(server.port);
  });

  test("with any body in any encoding", async () => {
    const routes = fc.constantFrom(
      ["PUT", "/v1/contexts/encoded"] as const,
      ["POST", "/v1/contexts/known/messages"] as const,
      ["PATCH", "/v1/conversations/known/metadata"] as const,
      ["POST", "/v1/contexts/known/compact"] as const,
    );
    const headers = fc.oneof(
      { weight: 1, arbitrary: fc.constant([JSON_TYPE]) },
      { weight: 1, arbitrary: fc.array(header, { maxLength: 3 }) },
    );
    await fc.assert(
      fc.asyncProperty(routes, headers, bytes, async ([method, path], headers, body) => {
        const reply = await wire.exchange(requestBytes(method, path, headers, body), method);
        const answer = expectContract(reply, method);
        expect([200, 201, 400, 415, 422]).toContain(reply.status);
        const [only, ...others] = headers;
        if (only === JSON_TYPE && others.length === 0 && !isUtf8(body)) {
          expect(answer).toMatchObject({ error: "invalid_request", field: "body" });
        }
      }),
      fuzzParameters(0.08, backend),
    );
    await expectWell(server.port);
  });

  test("by any method to any target with any headers", async () => {
    await fc.assert(
      fc.asyncProperty(
        method,
        target,
        fc.array(header, { maxLength: 3 }),
        fc.option(bytes, { nil: undefined }),
        async (method, target, headers, body) => {
          const reply = await wire.exchange(requestBytes(method, target, headers, body), method);
          expectContract(reply, method);
        },
      ),
      fuzzParameters(0.1, backend),
    );
    await expectWell(server.port);
  });
});

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function isIdentifier(id: string): boolean {
  return id.length >= 1 && id.length <= 255 && !/\p{Cc}/u.test(id);
}

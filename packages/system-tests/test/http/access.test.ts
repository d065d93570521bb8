import { describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import { say, type Answer, type Refusal } from "./client.js";
import { expectContract } from "./contract.js";
import { serve } from "./serve.js";
import { talk } from "./wire.js";

const PATH = "/v1/contexts/guarded";

/** Every way into the server but health. */
const ROUTES = [
  ["PUT", PATH],
  ["GET", PATH],
  ["DELETE", PATH],
  ["DELETE", `${PATH}?purge=true`],
  ["PATCH", `${PATH}/metadata`],
  ["POST", `${PATH}/messages`],
  ["GET", `${PATH}/messages`],
  ["GET", `${PATH}/tail`],
  ["GET", `${PATH}/context`],
  ["POST", `${PATH}/compact`],
  ["POST", `${PATH}/reset`],
  ["GET", "/v1/conversations"],
  ["GET", "/metrics"],
  ["GET", "/openapi.json"],
  ["GET", "/nowhere"],
] as const;

describe.each(BACKENDS)("API keys over $name", (backend) => {
  test("any of several opens everything, and nothing else does", async () => {
    await using server = await serve(backend, { server: { apiKeys: ["old-key", "new-key"] } });
    for (const key of ["old-key", "new-key"]) {
      const client = server.connect({ authorization: `Bearer ${key}` });
      expect((await client.put(PATH)).status).toBeLessThan(300);
      expect((await client.post(`${PATH}/messages`, { message: say(key) })).status).toBe(201);
    }
    const wrong = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "old-key",
      "Basic old-key",
      "Bearer old",
      "Bearer old-key,new-key",
      "Bearer old-key new-key",
      "Bearer OLD-KEY",
      "Bearer old-keyy",
      "Bearer undefined",
      "Bearer  ",
      `Bearer ${"x".repeat(4000)}`,
    ];
    const client = server.connect();
    for (const authorization of wrong) {
      for (const [method, path] of ROUTES) {
        const headers = authorization === undefined ? {} : { authorization };
        expectUnauthorized(await client.send(method, path, method === "GET" ? undefined : {}, headers));
      }
    }
    const opened = await server.connect({ authorization: "bearer   new-key" }).get(PATH);
    expect([opened.status, opened.json<{ version: number }>().version]).toEqual([200, 2]);
  });

  test("a key of any characters opens, as UTF-8 or as Latin-1", async () => {
    await using server = await serve(backend, { server: { apiKeys: ["schlüssel"] } });
    // Headers are sent as Latin-1: this text then has the bytes of UTF-8.
    for (const sent of ["Bearer schlüssel", Buffer.from("Bearer schlüssel").toString("latin1")])
      expect((await server.connect({ authorization: sent }).get("/v1/conversations")).status).toBe(200);
  });

  test("health stays open, however it is asked for, and opens nothing else", async () => {
    await using server = await serve(backend, { server: { apiKeys: ["key"] } });
    const client = server.connect();
    for (const path of ["/health/live", "/health/ready", "/health/live?verbose"]) {
      expect((await client.get(path)).status).toBe(200);
    }
    const paths = [
      "/health/../v1/conversations",
      "/health/%2e%2e/v1/conversations",
      "/health//../metrics",
      "/v1/conversations?cursor=/health/live",
      "/v1/conversations/health/live",
      "/metrics?/health/",
    ];
    for (const path of paths) {
      const [reply] = await talk(server.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect([401, 404]).toContain(reply?.status);
    }
  });

  test("health is open where the target is a whole URL, as proxies ask, and nothing else is", async () => {
    await using server = await serve(backend, { server: { apiKeys: ["key"] } });
    const statusOf = async (target: string): Promise<number | undefined> => {
      const [reply] = await talk(
        server.port,
        `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      return reply?.status;
    };
    expect([401, 404]).toContain(await statusOf("http://x/health/../v1/conversations"));
    expect(await statusOf("http://health/v1/conversations")).toBe(401);
    expect(await statusOf("http://x/health/live")).toBe(200);
  });

  test("a request without one is refused before its body is read", async () => {
    await using server = await serve(backend, { server: { apiKeys: ["key"] } });
    const head = `PUT ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n`;
    const [reply] = await talk(server.port, `${head}not JSON!`);
    expect(reply?.status).toBe(401);
    if (reply !== undefined) expectContract(reply, "PUT");
  });
});

describe.each(BACKENDS)("the limit of requests over $name", (backend) => {
  /** More than fit into the second, or the seconds, that they take. */
  const MANY = 100;

  test("refuses what is above it with a time to come back, and lets health through", async () => {
    await using server = await serve(backend, { server: { rateLimit: 1 } });
    const clients = server.clients(MANY);
    const answers = await Promise.all(clients.map((client) => client.get("/v1/conversations")));
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) {
      expect(answer.status).toBe(429);
      expect(answer.json<Refusal>()).toEqual({
        error: "rate_limited",
        message: "at most 1 requests per second",
      });
      expect(answer.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
    }
    const health = await Promise.all(clients.map((client) => client.get("/health/live")));
    expect(health.every(({ status }) => status === 200)).toBe(true);
  });

  test("is counted for each API key", async () => {
    await using server = await serve(backend, { server: { rateLimit: 1, apiKeys: ["a", "b"] } });
    const busy = server.connect({ authorization: "Bearer a" });
    const answers = await Promise.all(Array.from({ length: MANY }, () => busy.get("/v1/conversations")));
    expect(answers.some(({ status }) => status === 429)).toBe(true);
    const other = server.connect({ authorization: "Bearer b" });
    expect((await other.get("/v1/conversations")).status, "the first of another key").toBe(200);
  });

  test("counts what is sent without a valid key, and to where nothing is, for each address", async () => {
    await using server = await serve(backend, { server: { rateLimit: 1, apiKeys: ["a"] } });
    const guesses = Array.from({ length: MANY }, (_, at) =>
      server.connect({ authorization: `Bearer guess-${at}` }),
    );
    for (const path of ["/v1/conversations", "/nowhere"]) {
      const guessed = await Promise.all(guesses.map((client) => client.get(path)));
      expect(new Set(guessed.map(({ status }) => status)), path).toContain(429);
    }
    const known = server.connect({ authorization: "Bearer a" });
    const answers = await Promise.all(Array.from({ length: MANY }, () => known.get("/nowhere")));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404, 429]));
  });

  test("is counted for each address where no key is needed, whatever key is sent", async () => {
    await using server = await serve(backend, { server: { rateLimit: 1 } });
    const clients = Array.from({ length: MANY }, (_, at) =>
      server.connect({ authorization: `Bearer made-up-${at}` }),
    );
    const answers = await Promise.all(clients.map((client) => client.get("/v1/conversations")));
    expect(answers.some(({ status }) => status === 429)).toBe(true);
  });
});

function expectUnauthorized(answer: Answer): void {
  expect(answer.status, answer.text).toBe(401);
  expect(answer.json<Refusal>()).toEqual({
    error: "unauthorized",
    message: "a valid API key is required: Authorization: Bearer KEY",
    field: "authorization",
  });
}

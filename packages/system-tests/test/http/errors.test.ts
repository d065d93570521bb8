import { createStore, DriverUnavailableError, type Driver, type ErrorCode } from "@fastpaca/core";
import { describe, expect, test } from "vitest";
import { overriding, shared } from "../drivers.js";
import { BACKENDS } from "./backends.js";
import { say, type Answer, type Client, type Refusal } from "./client.js";
import { expectRefusal } from "./contract.js";
import { serve, type ServeOptions } from "./serve.js";

interface Example {
  readonly options?: ServeOptions;
  /** Ends with the request that is refused. */
  readonly provoke: (client: Client) => Promise<Answer>;
  /** The body of the answer. */
  readonly expected: Refusal;
  readonly headers?: Readonly<{ [name: string]: string }>;
}

const PATH = "/v1/contexts/example";
const MESSAGES = `${PATH}/messages`;
/** What nobody outside may learn of a failure. */
const SECRET = "postgres://user:secret@database";

/** One example of each code, with its answer in full. */
const EXAMPLES: Readonly<{ [Code in ErrorCode]: Example }> = {
  invalid_request: {
    provoke: async (client) => {
      await client.put(PATH);
      return client.post(MESSAGES, {
        message: { role: "user", parts: [{ type: "text" }, { text: "no type" }] },
      });
    },
    expected: {
      error: "invalid_request",
      message: "message.parts[1].type is required",
      field: "message.parts[1].type",
    },
  },
  unauthorized: {
    options: { server: { apiKeys: ["right"] } },
    provoke: (client) => client.get(PATH, { authorization: "Bearer wrong" }),
    expected: {
      error: "unauthorized",
      message: "a valid API key is required: Authorization: Bearer KEY",
      field: "authorization",
    },
  },
  not_found: {
    provoke: (client) => client.get(PATH),
    expected: { error: "not_found", message: "there is no such context: a PUT creates it" },
  },
  conflict: {
    provoke: async (client) => {
      await client.put(PATH);
      await client.post(MESSAGES, { messages: [say("one"), say("two")] });
      return client.post(MESSAGES, { message: say("three"), if_version: 1 });
    },
    expected: {
      error: "conflict",
      message: "if_version is 1, but the version is 2",
      field: "if_version",
      version: 2,
    },
  },
  tombstoned: {
    provoke: async (client) => {
      await client.put(PATH);
      await client.delete(PATH);
      return client.post(MESSAGES, { message: say("late") });
    },
    expected: { error: "tombstoned", message: "the conversation is tombstoned" },
  },
  payload_too_large: {
    provoke: (client) => client.put(PATH, { metadata: { long: "x".repeat(8192) } }),
    expected: {
      error: "payload_too_large",
      message: "metadata must be at most 8192 bytes of JSON",
      field: "metadata",
    },
  },
  unsupported_media_type: {
    provoke: (client) => client.send("PUT", PATH, {}, { "content-type": "text/plain" }),
    expected: {
      error: "unsupported_media_type",
      message: "content-type must be application/json",
      field: "content-type",
    },
  },
  idempotency_key_reused: {
    provoke: async (client) => {
      await client.put(PATH);
      await client.post(MESSAGES, { message: say("one"), idempotency_key: "key" });
      return client.post(MESSAGES, { message: say("two"), idempotency_key: "key" });
    },
    expected: {
      error: "idempotency_key_reused",
      message: "this key was used before, with another content",
      field: "idempotency_key",
    },
  },
  rate_limited: {
    options: { server: { rateLimit: 1 } },
    // A hundred at once do not fit into the second, or the seconds, that they take.
    provoke: async (client) => {
      const answers = await Promise.all(Array.from({ length: 100 }, () => client.get(PATH)));
      const refused = answers.find(({ status }) => status === 429);
      if (refused === undefined) throw new Error("no request was refused");
      return refused;
    },
    expected: { error: "rate_limited", message: "at most 1 requests per second" },
    headers: { "retry-after": "1" },
  },
  internal: {
    options: { wrap: (driver) => overriding(driver, { heads: () => Promise.reject(new Error(SECRET)) }) },
    provoke: (client) => client.get(PATH),
    expected: { error: "internal", message: "the driver failed" },
  },
  unavailable: {
    options: {
      wrap: (driver) =>
        overriding(driver, { heads: () => Promise.reject(new DriverUnavailableError("connection refused")) }),
    },
    provoke: (client) => client.get("/health/ready"),
    expected: { error: "unavailable", message: "the database cannot be reached" },
    headers: { "retry-after": "1" },
  },
  outcome_unknown: {
    options: { wrap: overtaken },
    provoke: async (client) => {
      await client.put(PATH);
      return client.post(MESSAGES, { message: say("lost?") });
    },
    expected: {
      error: "outcome_unknown",
      message: "the database did not tell whether the write was applied",
    },
    headers: { "retry-after": "1" },
  },
};

describe.each(BACKENDS)("the answers to what is refused over $name", (backend) => {
  test.each(Object.entries(EXAMPLES))("%s", async (code, example) => {
    await using server = await serve(backend, example.options);
    const answer = await example.provoke(server.connect());
    expect(answer.json<Refusal>()).toEqual(example.expected);
    expect(example.expected.error).toBe(code);
    expect(answer.headers).toMatchObject({
      "content-type": "application/json; charset=utf-8",
      ...example.headers,
    });
    expectRefusal(answer.status, answer.json());
  });

  test("a failure tells the caller nothing of the inside", async () => {
    await using server = await serve(backend, EXAMPLES.internal.options);
    const client = server.connect();
    for (const path of [PATH, `${PATH}/tail`, `${PATH}/context`, MESSAGES, "/health/ready"]) {
      const { status, text } = await client.get(path);
      expect([status, text]).toEqual([500, '{"error":"internal","message":"the driver failed"}']);
    }
  });

  test.each([
    ["application/json; charset=utf-16", "content-type"],
    ["application/json; charset=latin1", "content-type"],
  ])("415 for %s names %s", async (type, field) => {
    await using server = await serve(backend);
    const answer = await server.connect().send("PUT", PATH, {}, { "content-type": type });
    expect(answer.json<Refusal>()).toMatchObject({ error: "unsupported_media_type", field });
  });

  test("415 for an encoded body names content-encoding", async () => {
    await using server = await serve(backend);
    const answer = await server.connect().send("PUT", PATH, {}, { "content-encoding": "gzip" });
    expect(answer.json<Refusal>()).toMatchObject({
      error: "unsupported_media_type",
      field: "content-encoding",
    });
  });

  test("a parameter that nobody knows is refused on every route that reads", async () => {
    await using server = await serve(backend);
    const client = server.connect();
    await client.put(PATH);
    for (const route of ["/tail", "/messages", "/context", ""]) {
      const answer = await client.get(`${PATH}${route}?limits=1`);
      expect(answer.status, `GET ${route}?limits=1`).toBe(400);
      expect(answer.json<Refusal>().field).toBe("limits");
    }
  });

  test("a filter that is given as a whole and by its fields is refused, not half of it taken", async () => {
    await using server = await serve(backend);
    const client = server.connect();
    for (const query of ["metadata=x&metadata.k=v", "metadata.k=v&metadata=x", "metadata=x"]) {
      const answer = await client.get(`/v1/conversations?${query}`);
      expect(answer.status, query).toBe(400);
      expect(answer.json<Refusal>().field).toBe("metadata");
    }
  });

  test("a name without a letter is named, too", async () => {
    await using server = await serve(backend);
    const client = server.connect();
    await client.put(PATH);
    for (const [answer, field] of [
      [await client.put(PATH, { "": 1 }), '""'],
      [await client.put(PATH, { policy: { strategy: "last_n", "": 1 } }), 'policy.""'],
      [await client.post(`${PATH}/reset`, { "": 1 }), '""'],
      [await client.get(`${PATH}/tail?=1`), '""'],
      [await client.send("DELETE", `${PATH}?=1`), '""'],
    ] as const) {
      expect(answer.status).toBe(400);
      expect(answer.json<Refusal>()).toMatchObject({ field, error: "invalid_request" });
      expect(answer.json<Refusal>().message).toContain(`${field} is not known here`);
    }
  });

  test("a route or method that is not there is not found", async () => {
    await using server = await serve(backend);
    const client = server.connect();
    const requests = [
      ["GET", "/"],
      ["POST", PATH],
      ["GET", "/v1/contexts"],
      ["OPTIONS", PATH],
      ["GET", "/v1/conversations/a/context"],
    ] as const;
    for (const [method, path] of requests) {
      const answer = await client.send(method, path);
      expect(answer.status).toBe(404);
      expect(answer.json<Refusal>()).toEqual({
        error: "not_found",
        message: `there is no ${method} ${path}`,
      });
    }
  });

  test("a conversation without a window says how it gets one", async () => {
    await using server = await serve(backend);
    const client = server.connect();
    await client.put("/v1/conversations/plain");
    for (const route of ["", "/tail", "/messages", "/context"]) {
      const answer = await client.get(`/v1/contexts/plain${route}`);
      expect(answer.status).toBe(404);
      expect(answer.json<Refusal>().message).toContain("PUT");
    }
  });
});

/** More commits than a conversation remembers the tokens of. */
const FORGOTTEN = 20;

/** Of the second commit it does not know what became of it, and by then so many others landed that nobody does. */
function overtaken(driver: Driver): Driver {
  const rival = createStore({ driver: shared(driver) });
  let commits = 0;
  return overriding(driver, {
    commit: async (batch) => {
      commits += 1;
      if (commits !== 2) return driver.commit(batch);
      for (let at = 0; at < FORGOTTEN; at++)
        await rival.contexts.patchMetadata("example", { metadata: { at } });
      return batch.map(() => ({ status: "unknown" }));
    },
  });
}

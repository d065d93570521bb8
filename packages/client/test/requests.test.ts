import { describe, expect, test, vi } from "vitest";
import { clientOver } from "../src/client.js";
import { createClient, FastpacaError, type Client } from "../src/index.js";
import { json, noContent, scriptedServer } from "./scripted-server.js";

const RECORD = { id: "c", version: 3, last_seq: 3, metadata: {} };
const message = { role: "user", parts: [{ type: "text", text: "hi" }] };

describe("every call has the shape that the API documents", () => {
  const cases: {
    name: string;
    call: (client: Client) => Promise<unknown>;
    sends: [method: string, url: string, body?: unknown];
    answer?: object;
    /** What the call resolves to, where it is not the answer itself. */
    gives?: unknown;
  }[] = [
    {
      name: "context",
      call: async (c) => (await c.context("c")).id,
      sends: ["PUT", "/v1/contexts/c", {}],
      gives: "c",
    },
    {
      name: "context with everything",
      call: async (c) =>
        (
          await c.context("c", {
            budget: 1_000_000,
            trigger: 0.5,
            policy: { strategy: "skip_parts", config: { skip_kinds: ["tool"], limit: 9, retain: 5 } },
            metadata: { a: 1 },
          })
        ).id,
      sends: [
        "PUT",
        "/v1/contexts/c",
        {
          token_budget: 1_000_000,
          trigger_ratio: 0.5,
          policy: { strategy: "skip_parts", config: { skip_kinds: ["tool"], limit: 9, retain: 5 } },
          metadata: { a: 1 },
        },
      ],
      gives: "c",
    },
    {
      name: "conversation",
      call: async (c) => (await c.conversation("c", { metadata: { user_id: "u" } })).id,
      sends: ["PUT", "/v1/conversations/c", { metadata: { user_id: "u" } }],
      gives: "c",
    },
    {
      name: "append",
      call: (c) => c.openConversation("c").append(message, { idempotencyKey: "k" }),
      sends: ["POST", "/v1/conversations/c/messages", { message, idempotency_key: "k" }],
    },
    {
      name: "append with everything",
      call: (c) => c.openContext("c").append(message, { idempotencyKey: "k", ifVersion: 0, tokenCount: 0 }),
      sends: [
        "POST",
        "/v1/contexts/c/messages",
        { message: { ...message, token_count: 0 }, idempotency_key: "k", if_version: 0 },
      ],
    },
    {
      name: "append of several",
      call: (c) => c.openContext("c").append([message, message], { idempotencyKey: "k" }),
      sends: ["POST", "/v1/contexts/c/messages", { messages: [message, message], idempotency_key: "k" }],
    },
    { name: "tail", call: (c) => c.openContext("c").tail(), sends: ["GET", "/v1/contexts/c/tail"] },
    {
      name: "tail of a page",
      call: (c) => c.openConversation("c").tail({ offset: 0, limit: 50 }),
      sends: ["GET", "/v1/conversations/c/tail?offset=0&limit=50"],
    },
    {
      name: "getTail",
      call: (c) => c.openConversation("c").getTail({ offset: 50, limit: 5 }),
      sends: ["GET", "/v1/conversations/c/tail?offset=50&limit=5"],
    },
    {
      name: "replay",
      call: (c) => c.openConversation("c").replay({ from: 120, limit: 100 }),
      sends: ["GET", "/v1/conversations/c/messages?from=120&limit=100"],
    },
    {
      name: "window",
      call: (c) => c.openContext("c").context({ budgetTokens: 500, ifVersion: 3 }),
      sends: ["GET", "/v1/contexts/c/context?budget_tokens=500&if_version=3"],
    },
    {
      name: "compact",
      call: (c) => c.openContext("c").compact([message], { throughSeq: 7, ifVersion: 9 }),
      sends: ["POST", "/v1/contexts/c/compact", { replacement: [message], through_seq: 7, if_version: 9 }],
    },
    { name: "reset", call: (c) => c.openContext("c").reset(), sends: ["POST", "/v1/contexts/c/reset", {}] },
    { name: "info", call: (c) => c.openContext("c").info(), sends: ["GET", "/v1/contexts/c"] },
    {
      name: "updateMetadata",
      call: (c) => c.openConversation("c").updateMetadata({ a: null }),
      sends: ["PATCH", "/v1/conversations/c/metadata", { metadata: { a: null } }],
    },
    {
      name: "updateMetadata of a context",
      call: (c) => c.openContext("c").updateMetadata({ a: 1 }),
      sends: ["PATCH", "/v1/contexts/c/metadata", { metadata: { a: 1 } }],
    },
    {
      name: "list",
      call: (c) => c.list({ limit: 5, cursor: "x&y", metadata: { "user id": "ü=1", n: 1, b: true } }),
      sends: [
        "GET",
        "/v1/conversations?limit=5&cursor=x%26y&metadata.user+id=%C3%BC%3D1&metadata.n=1&metadata.b=true",
      ],
    },
  ];
  const everything = { ...RECORD, seq: 3, messages: [], conversations: [] };

  test.each(cases)("$name", async ({ call, sends: [method, url, body], gives = everything }) => {
    await using server = await scriptedServer(json(200, everything));
    expect(await call(createClient({ baseUrl: server.baseUrl }))).toEqual(gives);
    expect(server.seen).toMatchObject([{ method, url }]);
    expect(server.seen[0]?.body).toEqual(body);
    expect(server.seen[0]?.headers["content-type"]).toBe(body === undefined ? undefined : "application/json");
  });

  const removals: { name: string; call: (client: Client) => Promise<void>; url: string }[] = [
    { name: "tombstoneConversation", call: (c) => c.tombstoneConversation("c"), url: "/v1/conversations/c" },
    { name: "deleteConversation", call: (c) => c.deleteConversation("c"), url: "/v1/conversations/c" },
    {
      name: "deleteConversation for good",
      call: (c) => c.deleteConversation("c", { purge: true }),
      url: "/v1/conversations/c?purge=true",
    },
    { name: "deleteContext", call: (c) => c.deleteContext("c"), url: "/v1/contexts/c" },
    {
      name: "deleteContext for good",
      call: (c) => c.deleteContext("c", { purge: true }),
      url: "/v1/contexts/c?purge=true",
    },
    { name: "tombstone", call: (c) => c.openContext("c").tombstone(), url: "/v1/contexts/c" },
    { name: "purge", call: (c) => c.openConversation("c").purge(), url: "/v1/conversations/c?purge=true" },
  ];

  test.each(removals)("$name", async ({ call, url }) => {
    await using server = await scriptedServer(noContent);
    expect(await call(createClient({ baseUrl: server.baseUrl }))).toBeUndefined();
    expect(server.seen).toMatchObject([{ method: "DELETE", url, text: "" }]);
  });
});

test("listAll goes through the pages to the end", async () => {
  await using server = await scriptedServer(
    json(200, { conversations: [{ id: "a" }, { id: "b" }], cursor: "2" }),
    json(200, { conversations: [], cursor: "3" }),
    json(200, { conversations: [{ id: "c" }] }),
  );
  const client = createClient({ baseUrl: server.baseUrl });
  const ids: string[] = [];
  for await (const { id } of client.listAll({ limit: 2, metadata: { k: "v" } })) ids.push(id);
  expect(ids).toEqual(["a", "b", "c"]);
  expect(server.seen.map(({ url }) => url)).toEqual([
    "/v1/conversations?limit=2&metadata.k=v",
    "/v1/conversations?limit=2&cursor=2&metadata.k=v",
    "/v1/conversations?limit=2&cursor=3&metadata.k=v",
  ]);
});

describe("ids", () => {
  test.each(["a b", "ü/ä", "a?b#c", "%2e", "...", ".a", "100%", "x:y@z", "\u{1F999}", "a\\b"])(
    "%j arrives as it is",
    async (id) => {
      await using server = await scriptedServer(json(200, RECORD));
      await createClient({ baseUrl: server.baseUrl }).openContext(id).info();
      const [, rest = ""] = server.seen[0]?.url.split("/v1/contexts/") ?? [];
      expect(rest).not.toContain("/");
      expect(decodeURIComponent(rest)).toBe(id);
    },
  );

  test.each([{ k: "half \ud83d" }, { "\ud83d": 1 }])(
    "a list by %j is refused before anything is sent",
    async (metadata) => {
      await using server = await scriptedServer(json(200, { conversations: [] }));
      const client = createClient({ baseUrl: server.baseUrl });
      const refused = { code: "invalid_request", message: "metadata must be well-formed Unicode" };
      await expect(client.list({ metadata })).rejects.toMatchObject(refused);
      await expect(client.listAll({ metadata }).next()).rejects.toMatchObject(refused);
      expect(server.requests()).toBe(0);
    },
  );

  test.each([".", "..", "", "\ud800"])("%j is refused before anything is sent", async (id) => {
    await using server = await scriptedServer(json(200, RECORD));
    const client = createClient({ baseUrl: server.baseUrl });
    const refused = { name: "FastpacaError", code: "invalid_request", status: undefined };
    await expect(client.context(id)).rejects.toMatchObject(refused);
    await expect(client.conversation(id)).rejects.toMatchObject(refused);
    await expect(client.tombstoneConversation(id)).rejects.toMatchObject(refused);
    await expect(client.deleteContext(id)).rejects.toMatchObject(refused);
    expect(() => client.openContext(id)).toThrow(FastpacaError);
    expect(server.requests()).toBe(0);
  });
});

describe("options of the client", () => {
  test.each([
    ["http://localhost:4000/v1", "http://localhost:4000/v1/contexts/c"],
    ["http://localhost:4000/v1/", "http://localhost:4000/v1/contexts/c"],
    ["https://example.com/api/fastpaca/v1//", "https://example.com/api/fastpaca/v1/contexts/c"],
    ["http://[::1]:4000", "http://[::1]:4000/contexts/c"],
  ])("baseUrl %s", async (baseUrl, url) => {
    const urls: string[] = [];
    const fetch = async (url: string) => {
      urls.push(url);
      return Response.json(RECORD);
    };
    await createClient({ baseUrl, fetch }).openContext("c").info();
    expect(urls).toEqual([url]);
  });

  test.each(["", "localhost:4000/v1", "/v1", "ws://localhost/v1", "http://h/v1?x=1", "http://h/v1#x"])(
    "baseUrl %j is refused",
    (baseUrl) => {
      expect(() => createClient({ baseUrl })).toThrow(/baseUrl must be an absolute URL such as/);
    },
  );

  test("neither a password in baseUrl nor a malformed key shows in the error", () => {
    expect(() => createClient({ baseUrl: "http://me:secret@h/v1" })).toThrow(/credentials/);
    expect(() => createClient({ baseUrl: "http://me:secret@h/v1" })).not.toThrow(/secret/);
    expect(() => createClient({ baseUrl: "http://h/v1", apiKey: "secret\nline" })).toThrow(/apiKey/);
    expect(() => createClient({ baseUrl: "http://h/v1", apiKey: "secret\nline" })).not.toThrow(/secret/);
  });

  test.each([
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { deadlineMs: 2 ** 31 },
    { retries: -1 },
    { retries: 0.5 },
  ])("%j is refused", (option) => {
    expect(() => createClient({ baseUrl: "http://h/v1", ...option })).toThrow(FastpacaError);
  });

  test("key and headers are sent, and the API's own headers win", async () => {
    await using server = await scriptedServer(json(200, { ...RECORD, seq: 1 }));
    const headers = {
      "X-Proxy": "p",
      "Content-Type": "text/plain",
      Accept: "text/html",
      Authorization: "Basic x",
    };
    const client = createClient({ baseUrl: server.baseUrl, apiKey: "key-1", headers });
    await client.openContext("c").append(message);
    expect(server.seen[0]?.headers).toMatchObject({
      "x-proxy": "p",
      "content-type": "application/json",
      accept: "application/json",
      authorization: "Bearer key-1",
    });
  });

  test("the key does not show when a client or handle is logged", async () => {
    const { inspect } = await import("node:util");
    const client = createClient({ baseUrl: "http://h/v1", apiKey: "secret" });
    expect(inspect([client, client.openContext("c")], { depth: 9, showHidden: true })).not.toContain(
      "secret",
    );
  });

  test("frameworks that cache fetch are told not to, where the runtime knows the option", async () => {
    const seen: unknown[] = [];
    const fetch = async (_: string, { cache }: { cache?: string }) => {
      seen.push(cache);
      return Response.json(RECORD);
    };
    const context = createClient({ baseUrl: "http://h/v1", fetch }).openContext("c");
    await context.info();
    vi.stubGlobal("Request", Response); // Its prototype has no such property.
    await context.info().finally(() => vi.unstubAllGlobals());
    expect(seen).toEqual(["no-store", undefined]);
  });

  test("without a key nothing is sent as one", async () => {
    await using server = await scriptedServer(json(200, RECORD));
    await createClient({ baseUrl: server.baseUrl, apiKey: "" }).openContext("c").info();
    expect(server.seen[0]?.headers.authorization).toBeUndefined();
  });
});

describe("bodies", () => {
  const client = clientOver({
    baseUrl: "http://localhost:1",
    retries: 0,
    fetch: () => Promise.reject(new Error("sent")),
  });

  test("one tokenCount cannot be for several messages", async () => {
    await expect(client.openContext("c").append([message], { tokenCount: 3 })).rejects.toThrow(
      /single message/,
    );
  });

  test("what JSON cannot hold is refused", async () => {
    const refused = { code: "invalid_request", cause: expect.any(TypeError) };
    await expect(client.openContext("c").append({ ...message, n: 1n })).rejects.toMatchObject(refused);
  });

  test("strange but valid JSON arrives", async () => {
    await using server = await scriptedServer(json(201, { seq: 1, version: 1 }));
    const strange: typeof message = JSON.parse(
      '{"role":"user","parts":[{"type":"text","text":"\\u0000\\ud800"}],"__proto__":{"a":1},"n":1e-7}',
    );
    await createClient({ baseUrl: server.baseUrl }).openContext("c").append(strange, { tokenCount: 2 });
    expect(server.seen[0]?.text).toContain('"text":"\\u0000\\ud800"');
    expect(server.seen[0]?.text).toContain('"__proto__":{"a":1},"n":1e-7,"token_count":2');
  });

  test("each append has a key of its own", async () => {
    await using server = await scriptedServer(json(201, { seq: 1, version: 1 }));
    const context = createClient({ baseUrl: server.baseUrl }).openContext("c");
    await context.append(message);
    await context.append(message);
    const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-/);
    expect(server.seen).toMatchObject([
      { body: { idempotency_key: uuid } },
      { body: { idempotency_key: uuid } },
    ]);
    expect(server.seen[0]?.text).not.toBe(server.seen[1]?.text);
  });
});

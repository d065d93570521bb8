import { describe, expect, test } from "vitest";
import { createClient, FastpacaError } from "../src/index.js";
import { failure, json, noContent, scriptedServer, text, type Step } from "./scripted-server.js";

async function errorOf(step: Step): Promise<unknown> {
  await using server = await scriptedServer(step);
  const client = createClient({ baseUrl: server.baseUrl, retries: 0 });
  return await client
    .openContext("c")
    .context()
    .catch((error: unknown) => error);
}

describe("an error tells", () => {
  test("code, status and the server's words", async () => {
    const error = await errorOf(failure(410, "tombstoned"));
    expect(error).toBeInstanceOf(FastpacaError);
    expect(error).toMatchObject({ code: "tombstoned", status: 410, version: undefined, retryable: false });
    expect(String(error)).toBe("FastpacaError: GET /contexts/c/context: because of tombstoned");
  });

  test("the current version after a conflict", async () => {
    expect(await errorOf(failure(409, "conflict", {}, { version: 0 }))).toMatchObject({
      code: "conflict",
      version: 0,
    });
  });

  test("the field that is wrong", async () => {
    const error = await errorOf(failure(400, "invalid_request", {}, { field: "budget_tokens" }));
    expect(error).toMatchObject({ code: "invalid_request", field: "budget_tokens" });
  });

  test("how a page that is not Fastpaca's begins", async () => {
    const error = await errorOf(text(502, `<html>\n  <h1>Bad "gateway"</h1>${"x".repeat(9999)}`));
    expect(error).toMatchObject({ code: "unavailable", status: 502 });
    expect(String(error)).toContain(
      '502 with something else than Fastpaca: "<html> <h1>Bad \\"gateway\\"</h1>xxx',
    );
    expect(String(error).length).toBeLessThan(300);
  });

  test("where a redirect leads", async () => {
    const error = await errorOf(text(308, "", { location: "https://example.com/v1/contexts/c/context" }));
    expect(error).toMatchObject({ code: "invalid_response", status: 308 });
    expect(String(error)).toContain("redirected to https://example.com/v1/contexts/c/context; set baseUrl");
  });
});

test.each([
  ["an object without the fields", json(200, { ok: true })],
  ["messages that are no list", json(200, { version: 1, messages: {} })],
  ["messages that are no objects", json(200, { version: 1, messages: [null] })],
  ["no body", noContent],
])("an answer with %s is not taken for a window", async (_, step) => {
  expect(await errorOf(step)).toMatchObject({ code: "invalid_response" });
});

test("FastpacaError.is narrows", () => {
  const error: unknown = new FastpacaError("conflict", "no", { version: 4 });
  expect(FastpacaError.is(error)).toBe(true);
  expect(FastpacaError.is(error, "conflict")).toBe(true);
  expect(FastpacaError.is(error, "timeout")).toBe(false);
  expect(FastpacaError.is(new Error("no"))).toBe(false);
  expect(FastpacaError.is(undefined)).toBe(false);
  if (FastpacaError.is(error, "conflict")) {
    const code: "conflict" = error.code;
    expect([code, error.version]).toEqual(["conflict", 4]);
  }
});

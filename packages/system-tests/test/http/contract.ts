import { ERROR_CODES, parseJson } from "@fastpaca/core";
import { expect } from "vitest";
import type { Refusal } from "./client.js";
import { Wire, requestBytes, type Reply } from "./wire.js";

const JSON_TYPE = "application/json; charset=utf-8";

/**
 * What every answer of the server keeps to, whatever was asked: JSON with a code that fits the status, no 500, no
 * stack, no empty body but where HTTP wants none. Returns the body.
 */
export function expectContract(reply: Reply, method: string): unknown {
  const { status, headers, body } = reply;
  expect(status, body).toBeLessThan(500);
  if (status === 204 || status === 304 || method === "HEAD") {
    expect(body).toBe("");
    return undefined;
  }
  if (headers.get("content-type")?.startsWith("text/plain; version=") === true) return undefined;
  expect(headers.get("content-type")).toBe(JSON_TYPE);
  const content: unknown = parseJson(body);
  expect(content).toBeTypeOf("object");
  if (status >= 400) expectRefusal(status, content);
  return content;
}

/** Exactly the documented fields of an error, with its code's status. */
export function expectRefusal(status: number, content: unknown): Refusal {
  // What is claimed here is what the next lines find out.
  const refusal = content as Refusal;
  const code = Object.entries(ERROR_CODES).find(([code]) => code === refusal.error);
  expect(code?.[1].status, `status of ${refusal.error}`).toBe(status);
  expect(refusal.message).toBeTypeOf("string");
  expect(refusal.message).not.toBe("");
  expect(refusal.message).not.toMatch(/^\s*at .*:\d+:\d+|node:internal|\/dist\/|<html/im);
  for (const field of Object.keys(refusal)) expect(["error", "message", "field", "version"]).toContain(field);
  if (refusal.field !== undefined) expect(refusal.field).toBeTypeOf("string");
  if (refusal.error === "conflict") expect(refusal.version).toBeTypeOf("number");
  else expect(refusal.version).toBeUndefined();
  return refusal;
}

/** The server is well: it answers a health check, and takes and returns a message. */
export async function expectWell(port: number): Promise<void> {
  const wire = new Wire(port);
  try {
    const type = [["Content-Type", "application/json"]] as const;
    const health = await wire.exchange(requestBytes("GET", "/health/live", []), "GET");
    expect([health.status, health.body]).toEqual([200, '{"status":"ok"}']);
    const created = await wire.exchange(requestBytes("PUT", "/v1/contexts/well", type, "{}"), "PUT");
    expect([200, 201]).toContain(created.status);
    const message = '{"message":{"role":"user","parts":[{"type":"text","text":"well?"}]}}';
    const appended = await wire.exchange(
      requestBytes("POST", "/v1/contexts/well/messages", type, message),
      "POST",
    );
    expect(appended.status).toBe(201);
    const tail = await wire.exchange(requestBytes("GET", "/v1/contexts/well/tail?limit=1", []), "GET");
    expect(tail.body).toContain('"text":"well?"');
  } finally {
    wire.close();
  }
}

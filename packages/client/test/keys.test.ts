import { afterEach, expect, test, vi } from "vitest";
import { freshKey } from "../src/identifiers.js";

const { crypto } = globalThis;

afterEach(() => {
  vi.unstubAllGlobals();
});

test.each([
  ["with randomUUID", crypto, 36],
  ["in an insecure page", { getRandomValues: (bytes: Uint8Array) => crypto.getRandomValues(bytes) }, 32],
  ["without crypto", undefined, 32],
])("fresh keys %s are different each time", (_, available, length) => {
  vi.stubGlobal("crypto", available);
  const keys = Array.from({ length: 1000 }, freshKey);
  expect(new Set(keys).size).toBe(1000);
  for (const key of keys) expect(key).toMatch(/^[0-9a-f-]+$/);
  for (const key of keys) expect(key).toHaveLength(length);
});

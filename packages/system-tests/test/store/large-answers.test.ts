import { openMemory } from "@fastpaca/driver-memory";
import { expect, test } from "vitest";
import { overriding, shared } from "../drivers.js";
import { ID, numbered, storeOver } from "../harness.js";

const MIB = 1024 * 1024;

test("messages that are too long for one answer are refused by name, before all of them are loaded", async () => {
  const memory = openMemory();
  const writer = storeOver(shared(memory));
  await writer.contexts.put(ID, { token_budget: 1_000_000, policy: { strategy: "manual" } });
  await writer.contexts.append(ID, { messages: Array.from({ length: 600 }, (_, n) => numbered(n)) });
  // One text for all of them: the test needs no memory.
  const body = JSON.stringify({ role: "user", parts: [{ type: "text", text: "x".repeat(MIB) }] });
  const asked: number[] = [];
  const driver = overriding(shared(memory), {
    messages: async (id, from, to) => {
      asked.push(to - from + 1);
      return (await memory.messages(id, from, to)).map((message) => ({ ...message, body }));
    },
  });
  const { contexts } = storeOver(driver);
  const refusal = (field: string): object => ({ code: "payload_too_large", field });
  await expect(contexts.replay(ID, { limit: 600 })).rejects.toMatchObject(refusal("limit"));
  await expect(contexts.tail(ID, { limit: 600 })).rejects.toMatchObject(refusal("limit"));
  await expect(contexts.context(ID)).rejects.toMatchObject(refusal("budget_tokens"));
  expect(Math.max(...asked)).toBe(64);
  expect(asked.reduce((sum, count) => sum + count, 0)).toBeLessThan(3 * 300);
  expect((await contexts.replay(ID, { limit: 20 })).value.messages).toHaveLength(20);
  // To rebuild a window, the store looks through all of it: it loads no more of it at a time.
  asked.length = 0;
  const cold = storeOver(driver);
  await cold.contexts.reset(ID);
  expect(asked[0]).toBe(64);
  expect(Math.max(...asked.slice(1))).toBeLessThanOrEqual(16);
  expect(asked.reduce((sum, count) => sum + count, 0)).toBe(600);
});

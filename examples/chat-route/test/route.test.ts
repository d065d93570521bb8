import { createClient } from "@fastpaca/fastpaca";
import { createStore } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { openMemory } from "@fastpaca/driver-memory";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { expect, test, vi } from "vitest";
import { POST } from "../app/api/chat/route.js";

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

// The model that the route asks for, without OpenAI.
const { asked } = vi.hoisted((): { asked: string[] } => ({ asked: [] }));

vi.mock("@ai-sdk/openai", () => ({
  openai: (modelId: string) => {
    asked.push(modelId);
    return new MockLanguageModelV4({
      doStream: async ({ prompt }) => ({
        stream: simulateReadableStream({
          chunks: [
            { type: "stream-start", warnings: [] },
            { type: "text-start", id: "t" },
            { type: "text-delta", id: "t", delta: `I have read ${prompt.length} ` },
            { type: "text-delta", id: "t", delta: "messages." },
            { type: "text-end", id: "t" },
            { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage },
          ],
        }),
      }),
    });
  },
}));

/** Asks the route, and reads its answer to the end. */
async function ask(message: string): Promise<string> {
  const body = JSON.stringify({ contextId: "chat-1", message });
  const response = await POST(new Request("http://localhost:3000/api/chat", { method: "POST", body }));
  expect(response.status).toBe(200);
  return response.text();
}

test("each answer is streamed and stored, and the next one is given with all of it", async () => {
  await using store = createStore({ driver: openMemory() });
  await using server = await createServer({ store });
  const baseUrl = `${await server.listen({ host: "127.0.0.1", port: 0 })}/v1`;
  vi.stubEnv("FASTPACA_URL", baseUrl);

  expect(await ask("Hello?")).toContain('"delta":"I have read 1 "');
  expect(await ask("And now?")).toContain('"delta":"I have read 3 "');

  expect(asked).toEqual(["gpt-4o-mini", "gpt-4o-mini"]);
  const { messages } = await createClient({ baseUrl }).openContext("chat-1").tail();
  expect(messages).toMatchObject([
    { seq: 1, role: "user", parts: [{ type: "text", text: "Hello?" }] },
    { seq: 2, role: "assistant", parts: [{ type: "step-start" }, { text: "I have read 1 messages." }] },
    { seq: 3, role: "user", parts: [{ type: "text", text: "And now?" }] },
    { seq: 4, role: "assistant", parts: [{ type: "step-start" }, { text: "I have read 3 messages." }] },
  ]);
});

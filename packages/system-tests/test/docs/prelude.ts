/**
 * Loaded before a snippet: what documents leave to the reader. A model in the place of OpenAI's, names that snippets use
 * without declaring them, and a way from the address in the documents to the server of the test.
 */
import { registerHooks } from "node:module";
import { createClient } from "@fastpaca/fastpaca";
import { generateText } from "ai";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};
const finishReason = { unified: "stop", raw: "stop" } as const;

const model = new MockLanguageModelV4({
  doGenerate: async () => ({
    content: [{ type: "text", text: "By npm start." }],
    finishReason,
    usage,
    warnings: [],
  }),
  doStream: async () => ({
    stream: simulateReadableStream({
      chunks: [
        { type: "stream-start", warnings: [] },
        { type: "text-start", id: "t" },
        { type: "text-delta", id: "t", delta: "By npm " },
        { type: "text-delta", id: "t", delta: "start." },
        { type: "text-end", id: "t" },
        { type: "finish", finishReason, usage },
      ],
    }),
  }),
});

/** Writes what the model was asked, for the test to read. */
function report(): void {
  const calls = [...model.doGenerateCalls, ...model.doStreamCalls];
  console.log(`prompts: ${JSON.stringify(calls.map(({ prompt }) => prompt))}`);
}
process.on("exit", report);

const openai = (modelId: string): MockLanguageModelV4 => Object.assign(model, { modelId });

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "@ai-sdk/openai"
      ? { url: "data:text/javascript,export const openai = globalThis.openai;", shortCircuit: true }
      : next(specifier, context),
});

const documented = "http://localhost:4000/v1";
const baseUrl = process.env["FASTPACA_URL"] ?? documented;
const send = globalThis.fetch;
const redirected: typeof fetch = (input, init) =>
  send(typeof input === "string" ? input.replace(documented, baseUrl) : input, init);

class RedirectedWebSocket extends globalThis.WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    const inWebSockets = (address: string): string => address.replace(/^http/, "ws");
    super(String(url).replace(inWebSockets(documented), inWebSockets(baseUrl)), protocols);
  }
}

Object.assign(globalThis, {
  WebSocket: RedirectedWebSocket,
  openai,
  model,
  generateText,
  fetch: redirected,
  ctx: createClient({ baseUrl }).openContext("demo-chat"),
  message: { role: "user", parts: [{ type: "text", text: "Once more?" }] },
  version: 1,
  lastVersion: 0,
  signal: new AbortController().signal,
  mirror: async ({ role }: { role: string }) => console.log(`mirror: ${role}`),
  startOver: async (id: string) => console.log(`startOver: ${id}`),
  compactLater: async (id: string) => console.log(`compactLater: ${id}`),
});

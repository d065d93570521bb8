import { convertToModelMessages, generateText, streamText, type UIMessage } from "ai";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { beforeEach, describe, expect, test } from "vitest";
import { createClient, type AppendOptions, type Conversation, type MessageInput } from "../src/index.js";
import { json, scriptedServer, type ScriptedServer, type Step } from "./scripted-server.js";

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};
const finishReason = { unified: "stop", raw: "stop" } as const;

let model: MockLanguageModelV4;
/** Stands for the provider of the snippets. */
const openai = (modelId: string) => Object.assign(model, { modelId });

beforeEach(() => {
  model = new MockLanguageModelV4({
    doGenerate: async () => ({
      content: [{ type: "text", text: "By docker." }],
      finishReason,
      usage,
      warnings: [],
    }),
    doStream: async () => ({
      stream: simulateReadableStream({
        chunks: [
          { type: "stream-start", warnings: [] },
          { type: "text-start", id: "t" },
          { type: "text-delta", id: "t", delta: "By " },
          { type: "text-delta", id: "t", delta: "docker." },
          { type: "text-end", id: "t" },
          { type: "finish", finishReason, usage },
        ],
      }),
    }),
  });
});

function hasMessage(body: unknown): body is { message: object } {
  return typeof body === "object" && body !== null && "message" in body && typeof body.message === "object";
}

/** Just enough of a server: a log per process, whatever the id. */
async function logServer(): Promise<ScriptedServer & { log: Record<string, unknown>[] }> {
  const log: Record<string, unknown>[] = [];
  const step: Step = (response, request) => {
    const { method, url, body } = request;
    if (method === "POST" && hasMessage(body)) {
      const seq = log.length + 1;
      log.push({
        ...body.message,
        seq,
        version: seq,
        token_count: 2,
        inserted_at: "2025-01-24T12:00:00Z",
      });
      return json(201, { seq, version: seq, token_count: 2, token_estimate: 2 })(response, request);
    }
    if (method === "PUT") return json(201, { id: "c", version: 0 })(response, request);
    const segments = [{ type: "live", from_seq: 1, to_seq: log.length }];
    const window = url.endsWith("/context") ? { used_tokens: 2, needs_compaction: false, segments } : {};
    return json(200, { version: log.length, messages: log, ...window })(response, request);
  };
  return Object.assign(await scriptedServer(step), { log });
}

test("a prompt from the tail", async () => {
  await using server = await logServer();
  process.env["FASTPACA_URL"] = server.baseUrl;

  const fastpaca = createClient({ baseUrl: process.env.FASTPACA_URL || "http://localhost:4000/v1" });

  const convo = await fastpaca.conversation("support-123", {
    metadata: { user_id: "u_123", channel: "web" },
  });

  await convo.append({
    role: "assistant",
    parts: [
      { type: "text", text: "I can help with that." },
      { type: "tool_call", name: "lookup_manual", payload: { article: "installing" } },
    ],
    metadata: { reasoning: "User asked for deployment steps." },
  });

  const { messages } = await convo.tail({ limit: 50 });

  const { text } = await generateText({
    model: openai("gpt-4o-mini"),
    messages,
  });

  await convo.append({
    role: "assistant",
    parts: [{ type: "text", text }],
  });

  await fastpaca.tombstoneConversation("support-123");

  expect(model.doGenerateCalls[0]?.prompt).toMatchObject([
    {
      role: "assistant",
      content: [
        { type: "text", text: "I can help with that." },
        {
          type: "text",
          text: '{"type":"tool_call","name":"lookup_manual","payload":{"article":"installing"}}',
        },
      ],
    },
  ]);
  expect(server.log).toMatchObject([
    { seq: 1, metadata: { reasoning: "User asked for deployment steps." } },
    { seq: 2, role: "assistant", parts: [{ type: "text", text: "By docker." }] },
  ]);
});

test("a chat route that streams and appends the response", async () => {
  // In place of the global one, which says in Node that JSON is unknown.
  type Request = { json(): Promise<{ contextId: string; message: string }> };

  async function POST(req: Request) {
    const { contextId, message } = await req.json();

    const fastpaca = createClient({ baseUrl: process.env.FASTPACA_URL || "http://localhost:4000/v1" });
    const ctx = await fastpaca.context(contextId, { budget: 1_000_000 });

    // Append user message
    await ctx.append({
      role: "user",
      parts: [{ type: "text", text: message }],
    });

    // Get context messages
    const { messages } = await ctx.context();

    // Stream response with auto-append
    return streamText({
      model: openai("gpt-4o-mini"),
      messages,
    }).toUIMessageStreamResponse({
      onFinish: async ({ responseMessage }) => {
        await ctx.append(responseMessage);
      },
    });
  }

  await using server = await logServer();
  process.env["FASTPACA_URL"] = server.baseUrl;
  const sent = { contextId: "demo-chat", message: "How do I deploy this?" };
  const response = await POST({ json: async () => sent });
  expect(await response.text()).toContain('"delta":"docker."');
  expect(model.doStreamCalls[0]?.prompt).toMatchObject([
    { role: "user", content: [{ type: "text", text: "How do I deploy this?" }] },
  ]);
  expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
    "PUT /v1/contexts/demo-chat",
    "POST /v1/contexts/demo-chat/messages",
    "GET /v1/contexts/demo-chat/context",
    "POST /v1/contexts/demo-chat/messages",
  ]);
  expect(server.log[1]).toMatchObject({
    id: "",
    role: "assistant",
    parts: [{ type: "step-start" }, { type: "text", text: "By docker.", state: "done" }],
  });
});

describe("stored messages", () => {
  async function roundTrip(...inputs: MessageInput[]) {
    await using server = await logServer();
    const context = await createClient({ baseUrl: server.baseUrl }).context("c");
    for (const input of inputs) await context.append(input);
    return (await context.context()).messages;
  }

  const png = "data:image/png;base64,iVBORw0KGgo=";

  test("of all roles reach the model", async () => {
    const messages = await roundTrip(
      { role: "system", parts: [{ type: "text", text: "Be kind." }] },
      { role: "user", parts: [{ type: "file", url: png, mediaType: "image/png", filename: "a.png" }] },
      {
        role: "assistant",
        parts: [
          { type: "reasoning", text: "hm" },
          { type: "tool-call", toolCallId: "1", toolName: "look", input: {} },
        ],
      },
      { role: "tool", parts: [{ type: "tool-result", toolCallId: "1", toolName: "look", output: "a cat" }] },
      { role: "user", parts: [{ type: "data-only", data: 1 }] },
    );
    await generateText({ model, messages, allowSystemInMessages: true });
    expect(model.doGenerateCalls[0]?.prompt).toMatchObject([
      { role: "system", content: "Be kind." },
      {
        role: "user",
        content: [{ type: "file", data: { type: "data", data: "iVBORw0KGgo=" }, mediaType: "image/png" }],
      },
      {
        role: "assistant",
        content: [
          { type: "reasoning", text: "hm" },
          { type: "tool-call", toolCallId: "1" },
        ],
      },
      { role: "tool", content: [{ toolCallId: "1", output: { type: "json", value: "a cat" } }] },
      { role: "user", content: [] },
    ]);
  });

  test("with unanswered calls do not end the generation", async () => {
    const messages = await roundTrip(
      { role: "assistant", parts: [{ type: "tool-call", toolCallId: "1", toolName: "look", input: {} }] },
      { role: "user", parts: [{ type: "text", text: "and?" }] },
    );
    expect((await generateText({ model, messages })).text).toBe("By docker.");
  });

  test("are still what ai-sdk's own conversion takes", async () => {
    const output: UIMessage["parts"][number] = {
      type: "dynamic-tool",
      toolName: "look",
      toolCallId: "1",
      state: "output-available",
      input: {},
      output: "a cat",
    };
    const original: UIMessage[] = [{ id: "m1", role: "assistant", parts: [{ type: "step-start" }, output] }];
    const messages = await roundTrip(...original);
    expect(areUIMessages(messages) && (await convertToModelMessages(messages))).toEqual(
      await convertToModelMessages(original),
    );
  });
});

/** Of what this test stored, all are. */
function areUIMessages(messages: readonly object[]): messages is UIMessage[] {
  return messages.every((message) => "id" in message);
}

test("the types of input accept what applications have", () => {
  interface OwnPart {
    type: string;
    note?: string;
  }
  interface OwnMessage {
    role: "user" | "critic";
    parts: OwnPart[];
    weight?: number;
  }
  // Compiled, never run.
  const typed = async (convo: Conversation, ui: UIMessage, own: OwnMessage, options: AppendOptions) => {
    await convo.append(ui);
    await convo.append([ui, ui]);
    await convo.append(own, options);
    await convo.append(Object.freeze([own, ui]));
    await convo.append({
      role: "user",
      parts: [{ type: "text", text: "x", extra: [1] }],
      own: true,
      token_count: 3,
    });
    const { messages } = await convo.tail();
    await convo.append(messages);
    const seq: number | undefined = messages[0]?.seq;
    // @ts-expect-error no role
    await convo.append({ parts: [] });
    // @ts-expect-error a part without a type
    await convo.append({ role: "user", parts: [{ text: "x" }] });
    // @ts-expect-error no such option
    await convo.append(ui, { ifversion: 3 });
    return seq;
  };
  expect(typed).toBeTypeOf("function");
});

import { modelMessageSchema, type ModelMessage } from "ai";
import { describe, expect, test } from "vitest";
import { createClient, type Message } from "../src/index.js";

/** The messages of a page that holds these, as the client returns them. */
async function page(...stored: object[]): Promise<Message[]> {
  const fetch = async () => Response.json({ version: 1, messages: stored });
  const { messages } = await createClient({ baseUrl: "http://h/v1", fetch }).openConversation("c").tail();
  return messages;
}

async function contents(...stored: object[]): Promise<unknown[]> {
  const messages = await page(...stored);
  for (const message of messages) modelMessageSchema.parse(message);
  return messages.map(({ content }) => content);
}

const text = (text: string) => ({ type: "text", text });

describe("content", () => {
  test("of a system message is its text", async () => {
    const parts = [text("Be "), { type: "data-x", data: 1 }, text("kind.")];
    expect(await contents({ role: "system", parts })).toEqual(["Be kind."]);
  });

  test("of a user message is text and files", async () => {
    const parts = [
      text("see"),
      { type: "file", url: "data:image/png;base64,AAAA", mediaType: "image/png", filename: "a.png" },
      { type: "file", data: "AAAA", mediaType: "image/png" },
      { type: "file", url: "https://h/no-type" },
      { type: "reasoning", text: "odd here" },
      { type: "text" },
    ];
    expect(await contents({ role: "user", parts })).toEqual([
      [
        text("see"),
        { type: "file", data: "data:image/png;base64,AAAA", mediaType: "image/png", filename: "a.png" },
        { type: "file", data: "AAAA", mediaType: "image/png" },
      ],
    ]);
  });

  test("of an assistant message leaves out what is for display, and the provider's metadata", async () => {
    const parts = [
      { type: "step-start" },
      { type: "reasoning", text: "hm", state: "done", providerMetadata: { openai: { itemId: "rs_1" } } },
      { ...text("well"), state: "done", providerMetadata: { openai: { itemId: "msg_1" } } },
      { type: "source-url", sourceId: "1", url: "https://h" },
      { type: "source-document", sourceId: "2", mediaType: "a/b", title: "t" },
      { type: "data-weather", data: {} },
      { type: "whatever" },
    ];
    expect(await contents({ role: "assistant", parts })).toEqual([
      [{ type: "reasoning", text: "hm" }, text("well")],
    ]);
  });

  test.each(["tool_call", "tool-search", "dynamic-tool", "tool-call", "tool-result"])(
    "shows a %s part as text, whoever wrote it",
    async (type) => {
      const part = {
        type,
        toolCallId: "1",
        toolName: "search",
        input: { q: 'a "b"' },
        state: "input-available",
      };
      const shown = [text("so"), text(JSON.stringify(part))];
      const parts = [text("so"), part];
      expect(await contents({ role: "assistant", parts }, { role: "user", parts })).toEqual([shown, shown]);
    },
  );

  test("of messages without anything for the model is empty", async () => {
    const parts = [{ type: "step-start" }];
    const roles = ["system", "user", "assistant", "tool"].map((role) => ({ role, parts }));
    expect(await contents(...roles)).toEqual(["", [], [], []]);
  });

  test("of messages of another form is empty too", async () => {
    const [odd, none] = await page({ role: "critic", parts: [null, 3, {}, { type: 1 }, text("no")] }, {});
    expect(odd?.content).toEqual([text("no")]);
    expect(none?.content).toEqual([]);
  });
});

describe("a call and its result", () => {
  const call = (toolCallId: string) => ({ type: "tool-call", toolCallId, toolName: "add", input: { a: 1 } });
  const result = (toolCallId: string, output: unknown = { type: "json", value: 2 }) => ({
    type: "tool-result",
    toolCallId,
    toolName: "add",
    output,
  });

  test("stay what they are when they stand together", async () => {
    expect(
      await contents(
        { role: "assistant", parts: [text("let me"), call("1"), call("2")] },
        { role: "tool", parts: [result("1")] },
        { role: "tool", parts: [result("2")] },
      ),
    ).toEqual([[text("let me"), call("1"), call("2")], [result("1")], [result("2")]]);
  });

  test("are not left dangling when they do not", async () => {
    expect(
      await contents(
        { role: "tool", parts: [result("0")] },
        { role: "assistant", parts: [call("1"), call("2")] },
        { role: "tool", parts: [result("2"), result("3")] },
        { role: "user", parts: [text("and?")] },
        { role: "tool", parts: [result("1")] },
      ),
    ).toEqual([[], [text(JSON.stringify(call("1"))), call("2")], [result("2")], [text("and?")], []]);
  });

  test("are matched by place, because ids are used again", async () => {
    expect(
      await contents(
        { role: "assistant", parts: [call("0")] },
        { role: "tool", parts: [result("0")] },
        { role: "assistant", parts: [call("0")] },
      ),
    ).toEqual([[call("0")], [result("0")], [text(JSON.stringify(call("0")))]]);
  });

  test.each([
    [
      { type: "text", value: "two" },
      { type: "text", value: "two" },
    ],
    [
      { type: "error-text", value: "no" },
      { type: "error-text", value: "no" },
    ],
    [
      { type: "error-json", value: null },
      { type: "error-json", value: null },
    ],
    ["two", { type: "json", value: "two" }],
    [{ sum: 2 }, { type: "json", value: { sum: 2 } }],
    [
      { type: "text", value: 2 },
      { type: "json", value: { type: "text", value: 2 } },
    ],
    [undefined, { type: "json", value: null }],
  ])("output %j", async (output, expected) => {
    // JSON has no undefined: what is undefined here does not arrive.
    const stored = { ...result("1"), output };
    const [, content] = await contents(
      { role: "assistant", parts: [call("1")] },
      { role: "tool", parts: [stored] },
    );
    expect(content).toEqual([result("1", expected)]);
  });
});

describe("the computed content", () => {
  const stored = { role: "user", parts: [text("hi")], metadata: { a: [1] }, seq: 1, "": 0 };

  test("changes nothing about the message", async () => {
    const [message] = await page(stored);
    expect(message).toStrictEqual(stored);
    expect(JSON.stringify(message)).toBe(JSON.stringify(stored));
    expect({ ...message }).not.toHaveProperty("content");
    expect(Object.keys(message ?? {})).toEqual(Object.keys(stored));
    expect(structuredClone(message)).toStrictEqual(stored);
  });

  test("gives way to a content that was stored", async () => {
    const [message] = await page({ ...stored, content: "mine" });
    expect(message).toStrictEqual({ ...stored, content: "mine" });
  });

  test("follows the parts", async () => {
    const [message] = await page(stored);
    message?.parts.push(text("there"));
    expect(message?.content).toEqual([text("hi"), text("there")]);
  });

  test("is of a type that models take", async () => {
    const messages: ModelMessage[] = await page(stored);
    expect(messages).toHaveLength(1);
  });
});

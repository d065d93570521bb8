import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { BACKENDS, type Backend } from "../http/backends.js";
import type { Outcome } from "./child.js";
import { localServer, type LocalServer } from "./documented-server.js";
import { readMarkdown, ROOT, type CodeBlock } from "./markdown.js";
import { moduleOf, SnippetFolder } from "./snippets.js";

/** A compiler run, a child process with the AI SDK in it, and a busy machine. */
const TIMEOUT = 60_000;
const LANGUAGES = ["ts", "typescript"];

function snippetsOf(file: string): CodeBlock[] {
  const found = readMarkdown(file).blocks.filter(({ language }) => LANGUAGES.includes(language));
  expect(found.length, `TypeScript in ${file}`).toBeGreaterThan(0);
  return found;
}

/** Type-checks and runs a module; returns what it printed and what its model was asked. */
async function execute(module: string, url: string): Promise<{ printed: string; prompts: unknown[] }> {
  using folder = new SnippetFolder();
  folder.write("snippet.ts", module);
  succeeded(await folder.check("snippet.ts"));
  return readReport(succeeded(await folder.run("snippet.ts", { FASTPACA_URL: url })));
}

function succeeded(outcome: Outcome): Outcome {
  expect(outcome.status, `${outcome.stdout}\n${outcome.stderr}`).toBe(0);
  return outcome;
}

const REPORT = "prompts: ";

function readReport({ stdout }: Outcome): { printed: string; prompts: unknown[] } {
  const at = stdout.lastIndexOf(REPORT);
  const prompts: unknown = JSON.parse(stdout.slice(at + REPORT.length));
  if (!Array.isArray(prompts)) throw new Error(`no prompts in ${stdout}`);
  return { printed: stdout.slice(0, at), prompts };
}

async function send(method: string, url: string, body?: object): Promise<void> {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  expect(response.ok, `${method} ${url}: ${response.status}`).toBe(true);
}

async function get(url: string): Promise<unknown> {
  const response = await fetch(url);
  expect(response.status, url).toBe(200);
  return await response.json();
}

async function serverOver(backend: Backend): Promise<LocalServer> {
  const { driver, close } = await backend.open();
  onTestFinished(close);
  return localServer(driver);
}

test.each(BACKENDS)(
  "docs/getting-started.md: its snippets run in order, and what they write is there, over $name",
  async (backend) => {
    await using server = await serverOver(backend);
    const { prompts } = await execute(moduleOf(snippetsOf("docs/getting-started.md")), server.url);

    expect(prompts).toMatchObject([
      [{ role: "assistant", content: [{ text: "I can help with that." }, { type: "text" }] }],
    ]);
    expect(await get(`${server.url}/conversations/support-123`)).toMatchObject({
      last_seq: 2,
      version: 2,
      tombstoned: true,
      metadata: { user_id: "u_123", channel: "web" },
    });
    expect(await get(`${server.url}/conversations/support-123/messages`)).toMatchObject({
      messages: [
        {
          seq: 1,
          role: "assistant",
          parts: [
            { type: "text", text: "I can help with that." },
            { type: "tool_call", name: "lookup_manual", payload: { article: "installing" } },
          ],
          metadata: { reasoning: "User asked for deployment steps." },
        },
        { seq: 2, role: "assistant", parts: [{ type: "text", text: "By npm start." }] },
      ],
    });
  },
  TIMEOUT,
);

describe("the chat route of docs/quick-start.md", () => {
  const TITLE = 'title="app/api/chat/route.ts"';
  const routeOf = (): string => {
    const route = snippetsOf("docs/quick-start.md").find(({ title }) => title === TITLE);
    if (route === undefined) throw new Error(`no block of code has ${TITLE}`);
    return route.text;
  };

  test.each(BACKENDS)(
    "streams an answer, and both messages are stored, over $name",
    async (backend) => {
      await using server = await serverOver(backend);
      using folder = new SnippetFolder();
      folder.write("route.ts", routeOf());
      folder.write("main.ts", CALL);
      // The types of Request are those that Next.js compiles with.
      succeeded(await folder.check("main.ts", ["DOM", "DOM.Iterable"]));
      const { printed, prompts } = readReport(
        succeeded(await folder.run("main.ts", { FASTPACA_URL: server.url })),
      );

      expect(printed).toContain('"delta":"start."');
      expect(prompts).toMatchObject([[{ role: "user", content: [{ text: "How do I deploy this?" }] }]]);
      expect(await get(`${server.url}/contexts/demo-chat`)).toMatchObject({
        token_budget: 1_000_000,
        last_seq: 2,
      });
      expect(await get(`${server.url}/contexts/demo-chat/context`)).toMatchObject({
        messages: [
          { seq: 1, role: "user", parts: [{ type: "text", text: "How do I deploy this?" }] },
          {
            seq: 2,
            id: "",
            role: "assistant",
            parts: [{ type: "step-start" }, { type: "text", text: "By npm start." }],
          },
        ],
      });
    },
    TIMEOUT,
  );

  test("is the example's", () => {
    const file = readFileSync(path.join(ROOT, "examples/chat-route/app/api/chat/route.ts"), "utf8");
    const code = file.split("\n").filter((line) => !line.startsWith("// "));
    expect(code.join("\n").trim()).toBe(routeOf());
  });
});

const CALL = `
import { POST } from "./route.ts";

const body = JSON.stringify({ contextId: "demo-chat", message: "How do I deploy this?" });
const response = await POST(new Request("http://localhost:3000/api/chat", { method: "POST", body }));
console.log(response.status, await response.text());
`;

test(
  "docs/semantics.md: its examples hold",
  async () => {
    await execute(moduleOf(snippetsOf("docs/semantics.md")), "http://127.0.0.1:9/v1");
  },
  TIMEOUT,
);

test(
  "README.md: its client snippet",
  async () => {
    await using server = await localServer();
    const { prompts } = await execute(moduleOf(snippetsOf("README.md")), server.url);
    expect(prompts).toMatchObject([[{ role: "user", content: [{ text: "Is it deployed?" }] }]]);
    expect(await get(`${server.url}/contexts/support-1/tail`)).toMatchObject({
      messages: [{ role: "user" }, { role: "assistant", parts: [{ type: "text", text: "By npm start." }] }],
    });
  },
  TIMEOUT,
);

test(
  "docs/websocket-api.md: its snippet follows a context to its end",
  async () => {
    await using server = await localServer();
    await send("PUT", `${server.url}/contexts/support-123`, { policy: { strategy: "manual" } });
    const message = { role: "user", parts: [], token_count: 100 };
    const messages = Array.from({ length: 122 }, () => message);
    await send("POST", `${server.url}/contexts/support-123/messages`, { messages });
    await send("DELETE", `${server.url}/contexts/support-123`);
    const { printed } = await execute(moduleOf(snippetsOf("docs/websocket-api.md")), server.url);
    expect(printed).toBe("121: user\n122: user\ncompactLater: support-123\n");
  },
  TIMEOUT,
);

test(
  "packages/client/README.md: its snippets",
  async () => {
    await using server = await localServer();
    const snippets = snippetsOf("packages/client/README.md");
    const isStream = ({ heading }: CodeBlock): boolean => heading === "The stream";
    await execute(moduleOf(snippets.filter((it) => !isStream(it))), server.url);
    // The snippet of the conflict appends at a version that has passed.
    expect(await get(`${server.url}/contexts/demo-chat`)).toMatchObject({ last_seq: 2 });

    // A stream ends only with its conversation.
    await send("DELETE", `${server.url}/contexts/demo-chat`);
    const { printed } = await execute(moduleOf(snippets.filter(isStream)), server.url);
    expect(printed).toBe("mirror: user\nmirror: assistant\n");
  },
  TIMEOUT,
);

/** Packages whose snippets stand for themselves, and print what the document shows behind them. */
test.each(["packages/core/README.md", "packages/driver-memory/README.md"])(
  "%s: its snippets",
  async (file) => {
    const { blocks } = readMarkdown(file);
    for (const snippet of snippetsOf(file)) {
      const { printed } = await execute(moduleOf([snippet]), "http://127.0.0.1:9/v1");
      const next = blocks[blocks.findIndex(({ line }) => line === snippet.line) + 1];
      const documented = next?.language === "text" ? next.text : "";
      expect(printed.trim(), `${file}:${snippet.line}`).toBe(documented);
    }
  },
  TIMEOUT,
);

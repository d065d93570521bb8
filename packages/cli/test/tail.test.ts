import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createStore, type Store } from "@fastpaca/core";
import type { StreamEvent } from "@fastpaca/fastpaca";
import { createServer } from "@fastpaca/core/server";
import { openMemory } from "@fastpaca/driver-memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeEvent } from "../src/describe-event.js";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));

describe("fastpaca tail", () => {
  let store: Store;
  let server: Awaited<ReturnType<typeof createServer>>;
  let url = "";
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    store = createStore({ driver: openMemory() });
    server = await createServer({ store, apiKeys: ["key"] });
    url = `${await server.listen({ host: "127.0.0.1", port: 0 })}/v1`;
    await store.contexts.put("chat");
    await say("first");
  });

  afterEach(async () => {
    for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
    await server.close();
    await store.close();
  });

  const say = (text: string): Promise<unknown> =>
    store.contexts.append("chat", {
      message: { role: "user", parts: [{ type: "text", text }], token_count: 1 },
    });

  function run(...args: string[]): {
    child: ChildProcess;
    lines: AsyncIterator<string>;
    exit: Promise<unknown[]>;
  } {
    const env = { ...process.env, FASTPACA_API_KEY: "key", FASTPACA_URL: url };
    const child = spawn(process.execPath, [MAIN, "tail", ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    return {
      child,
      lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](),
      exit: once(child, "exit"),
    };
  }

  test("prints a live stream for people, to its end", async () => {
    const { lines, exit } = run("chat", "--cursor", "0");
    expect((await lines.next()).value).toMatch(/^#1 \d\d:\d\d:\d\d user: first$/);
    expect((await lines.next()).value).toBe("-- window at version 1: 1 tokens");
    await say("second");
    expect((await lines.next()).value).toMatch(/^#2 .* user: second$/);
    expect((await lines.next()).value).toBe("-- window at version 2: 2 tokens");
    await store.contexts.remove("chat");
    expect((await lines.next()).value).toBe("-- tombstoned: this is the end");
    expect(await exit).toEqual([0, null]);
  });

  test("prints JSON for programs, and ends when it is told to", async () => {
    const { child, lines, exit } = run("chat", "--cursor", "0", "--json");
    const event: unknown = JSON.parse(String((await lines.next()).value));
    expect(event).toMatchObject({
      type: "message",
      version: 1,
      seq: 1,
      message: { parts: [{ text: "first" }] },
    });
    child.kill("SIGINT");
    expect(await exit).toEqual([0, null]);
  });

  test("says so where the cursor is ahead of the log", async () => {
    const { lines } = run("chat", "--cursor", "99");
    expect((await lines.next()).value).toBe("-- the log ends at version 1, before 100; going on from there");
    await say("second");
    expect((await lines.next()).value).toMatch(/^#2 .* user: second$/);
  });

  test("follows a conversation that has no context", async () => {
    await store.conversations.put("log");
    const { lines } = run("log", "--cursor", "0");
    await store.conversations.append("log", {
      message: { role: "tool", parts: [{ type: "tool-x", input: 1 }] },
    });
    expect((await lines.next()).value).toMatch(/^#1 .* tool: \[tool-x\] {"type":"tool-x","input":1}$/);
  });

  test.each([
    [["nobody"], 1, "fastpaca: GET /conversations/nobody: there is no such conversation"],
    [[], 2, "fastpaca: tail takes one id"],
    [["chat", "--cursor", "x"], 2, "fastpaca: --cursor must be a version"],
    [["chat", "--url", "localhost:4000"], 2, "fastpaca: baseUrl must be an absolute URL"],
    [["."], 2, 'fastpaca: "." cannot be an id'],
  ])("%j ends with a line that says why", async (args, code, message) => {
    const { child, exit } = run(...args);
    let said = "";
    child.stderr?.on("data", (data) => (said += String(data)));
    expect(await exit).toEqual([code, null]);
    expect(said).toContain(message);
    expect(said.trim().split("\n")).toHaveLength(1);
  });
});

test("what is stored does not steer the terminal", () => {
  const message = {
    role: "us\u0007er",
    parts: [{ type: "text", text: "a\u001b[2J\nb\u202e" }],
    seq: 1,
    version: 1,
  };
  // As it comes from a server.
  const event: StreamEvent = JSON.parse(JSON.stringify({ type: "message", version: 1, seq: 1, message }));
  const line = describeEvent(event, false);
  expect(line).toContain("us\\u0007er: a\\u001b[2J\n    b\\u202e");
});

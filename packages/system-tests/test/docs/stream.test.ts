import { DriverUnavailableError, type Driver } from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import { afterEach, expect, test, vi } from "vitest";
import { Child } from "./child.js";
import { curlHome } from "./curl.js";
import { localServer, type LocalServer } from "./documented-server.js";
import { plain, readMarkdown, ROOT, type CodeBlock } from "./markdown.js";
import { shown } from "./shown.js";

const FILE = "docs/websocket-api.md";
const { blocks, rows } = readMarkdown(FILE);
const DOCUMENTED = "//localhost:4000/v1";
const PING = 30_000;
const SILENCE = 90_000;
/** A server, a child process, and a busy machine. */
const TIMEOUT = 30_000;

afterEach(() => {
  vi.useRealTimers();
});

test(
  `${FILE}: the server sends the frames that it shows, and no others`,
  async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    await using server = await localServer();
    const example = block((it) => it.text.startsWith("ws:")).text;

    await call(server, "PUT", "", { token_budget: 1_000_000 });
    await append(server, 7);
    const ahead = await Watcher.open(server, example);
    await ahead.next("gap");
    ahead.close();

    await append(server, 113);
    const watcher = await Watcher.open(server, example);
    await append(server, 1);
    await call(server, "POST", "/compact", {
      replacement: [{ role: "user", parts: [] }],
      through_seq: 80,
    });
    await append(server, 77);
    await call(server, "POST", "/reset");
    await watcher.next("reset");
    vi.advanceTimersByTime(PING);
    await watcher.next("ping");
    watcher.send(block((it) => it.text.includes('"pong"')).text);
    await call(server, "DELETE", "");
    expect(await watcher.closed).toBe(1000);

    const frames = [...ahead.frames, ...watcher.frames];
    for (const { text, line } of blocks.filter((it) => it.language === "json")) {
      if (text.includes('"pong"')) continue;
      const frame = shown(text, ["used_tokens"]);
      expect(frames, `${FILE}:${line}`).toContainEqual(expect.objectContaining(nested(frame)));
    }
    const types = new Set(frames.map(({ type }) => String(type)));
    expect(new Set(column("type", "says"))).toEqual(types);
  },
  TIMEOUT,
);

test(
  `${FILE}: its command gives the events that it shows`,
  async () => {
    await using server = await localServer();
    await call(server, "PUT", "", { token_budget: 1_000_000 });
    await append(server, 121);

    const { text, line } = block((it) => it.text.startsWith("curl "));
    const answer = eventsIn(block((it) => it.line > line && it.language === "text").text);
    expect(answer.length).toBeGreaterThan(0);
    using home = curlHome(Number(new URL(server.url).port));
    const curl = new Child("bash", ["-c", text], { cwd: ROOT, env: { CURL_HOME: home.path } });
    const [printed] = await curl.line(new RegExp(`^(?:(?:.+\\n)+\\n){${answer.length}}`));
    expect(
      eventsIn(printed).map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) })),
    ).toMatchObject(answer.map(({ data, ...event }) => ({ ...event, data: shown(data, ["used_tokens"]) })));
  },
  TIMEOUT,
);

/** How a stream comes to be closed with each code. */
const ENDINGS: Readonly<Record<string, (server: LocalServer, watcher: Watcher) => unknown>> = {
  1000: (server) => call(server, "DELETE", ""),
  1001: (server) => server[Symbol.asyncDispose](),
  1008: (_server, watcher) => watcher.send("hello"),
  1009: (_server, watcher) => watcher.send(JSON.stringify({ type: "pong", filler: "x".repeat(4096) })),
  1011: () => undefined, // Its driver sees to that.
  4408: () => vi.advanceTimersByTime(SILENCE),
};

test(`${FILE} lists these close codes, and no others`, () => {
  expect(column("code", "why", "then")).toEqual(Object.keys(ENDINGS));
});

test.each(Object.entries(ENDINGS))(
  `${FILE}: a stream is closed with %s`,
  async (code, end) => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
    // No clock of a process that runs shows 0.
    vi.advanceTimersByTime(1);
    await using server = await localServer(code === "1011" ? withoutMarks() : openMemory());
    await call(server, "PUT", "", {});
    await call(server, "PUT", "", { token_budget: 1000 });
    const watcher = await Watcher.open(server, `ws:${DOCUMENTED}/contexts/support-123/stream?cursor=0`);
    await end(server, watcher);
    expect(await watcher.closed).toBe(Number(code));
  },
  TIMEOUT,
);

/** A driver that cannot read marks. */
function withoutMarks(): Driver {
  const driver = openMemory();
  driver.marks = () => Promise.reject(new DriverUnavailableError("no route to the database"));
  return driver;
}

type Frame = Readonly<Record<string, unknown>>;

/** A client of a stream that answers nothing by itself. */
class Watcher {
  readonly frames: Frame[] = [];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  #wake: () => void = () => undefined;

  /** @param address as documented */
  static async open({ url }: LocalServer, address: string): Promise<Watcher> {
    const socket = new WebSocket(address.replace(DOCUMENTED, url.replace("http:", "")));
    const watcher = new Watcher(socket);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error(`${address} cannot be opened`)));
    });
    return watcher;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code }) => resolve(code));
    });
    socket.addEventListener("message", ({ data }) => {
      this.frames.push(JSON.parse(String(data)));
      this.#wake();
    });
  }

  /** Resolves when a frame of this type has come. */
  async next(type: string): Promise<void> {
    while (!this.frames.some((frame) => frame["type"] === type)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  close(): void {
    this.#socket.close();
  }
}

async function append(server: LocalServer, count: number): Promise<void> {
  const message = { role: "user", parts: [{ type: "text", text: "Any updates?" }] };
  await call(server, "POST", "/messages", { messages: Array.from({ length: count }, () => message) });
}

async function call({ url }: LocalServer, method: string, path: string, body?: object): Promise<void> {
  const response = await fetch(`${url}/contexts/support-123${path}`, {
    method,
    ...(body !== undefined && {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  expect(response.ok, `${method} ${path}: ${await response.text()}`).toBe(true);
}

interface SentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** The server-sent events of a text. */
function eventsIn(text: string): SentEvent[] {
  return text
    .trim()
    .split("\n\n")
    .map((event) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(event)?.[1] ?? "";
      return { id: field("id"), event: field("event"), data: field("data") };
    });
}

/** Objects in an object may have more fields than are shown, too. */
function nested(frame: object): object {
  const isPlain = (value: unknown): value is object =>
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return Object.fromEntries(
    Object.entries(frame).map(([name, value]) => [
      name,
      isPlain(value) ? expect.objectContaining(nested(value)) : value,
    ]),
  );
}

function block(isWanted: (block: CodeBlock) => boolean): CodeBlock {
  const found = blocks.find(isWanted);
  if (found === undefined) throw new Error(`${FILE} lacks a block of code`);
  return found;
}

/** First cells of the table whose columns are named so. */
function column(...names: readonly string[]): string[] {
  return rows
    .filter(({ header }) => names.every((name, index) => header[index] === name))
    .map(({ cells: [first = ""] }) => plain(first));
}

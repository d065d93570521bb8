import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, open as openFile, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, DriverUnavailableError, type Commit, type Head } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { open } from "../src/index.js";

let folder: string;
let url: string;
let log: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jsonl-test-"));
  url = `jsonl:${folder}`;
  log = join(folder, "log-1.jsonl");
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** The step of conversation `id` that follows revision `base`: one message, whose seq is `base + 1`. */
function step(id: string, base: number, text = "hello"): Commit {
  const seq = base + 1;
  const head: Head = {
    id,
    revision: seq,
    life: 1,
    version: seq,
    lastSeq: seq,
    firstSeq: 1,
    archivedSeq: 0,
    tombstoned: false,
    purged: false,
    metadata: "{}",
    labels: [],
    createdAt: 1,
    updatedAt: seq,
    state: "{}",
  };
  const body = JSON.stringify({ role: "user", parts: [{ type: "text", text }] });
  const key = { key: `k${seq}`, hash: "h", firstSeq: seq, lastSeq: seq, version: seq, tokens: 1 };
  return {
    id,
    base,
    head,
    messages: [{ seq, version: seq, tokens: 1, insertedAt: 1, body }],
    marks: [],
    keys: [key],
  };
}

function purge(id: string, base: number): Commit {
  const { head } = step(id, base);
  const erased = { version: 0, lastSeq: 0, purged: true, tombstoned: true };
  return { id, base, head: { ...head, ...erased }, messages: [], marks: [], keys: [] };
}

/** What every file of the process is written through, to make it fail. */
async function fileMethods(): Promise<{
  appendFile: (bytes: Buffer) => Promise<void>;
  datasync: () => Promise<void>;
  truncate: (length: number) => Promise<void>;
}> {
  const file = await openFile(log, "r");
  await file.close();
  return Object.getPrototypeOf(file);
}

describe("the end of the log", () => {
  test("a last write that was cut off at any byte is discarded, and what came before stays", async () => {
    const first = await open(url);
    await first.commit([step("a", 0, "\u2028 \ud83d\ude00")]);
    const whole = (await readFile(log)).length;
    await first.commit([step("a", 1, "\ud83d\ude00")]);
    await first.close();
    const bytes = await readFile(log);
    for (let length = whole; length < bytes.length; length++) {
      await writeFile(log, bytes.subarray(0, length));
      const driver = await open(url);
      expect((await driver.heads(["a"]))[0]?.revision).toBe(1);
      expect(await driver.messages("a", 1, 9)).toHaveLength(1);
      if (length % 16 !== 0) {
        await driver.close();
        continue;
      }
      // What is written next does not stick to the remains.
      expect(await driver.commit([step("a", 1, "again")])).toEqual([{ status: "committed" }]);
      await driver.close();
      const reopened = await open(url);
      expect(await reopened.messages("a", 1, 9)).toHaveLength(2);
      await reopened.close();
    }
  }, 60_000);

  test("a write of which the middle is missing is discarded from there", async () => {
    const first = await open(url);
    await first.commit([step("z", 0)]);
    const whole = (await readFile(log)).length;
    await first.commit([step("a", 0), step("b", 0), step("c", 0)]);
    await first.close();
    const bytes = await readFile(log);
    bytes.fill(
      0,
      whole + Math.floor((bytes.length - whole) / 2),
      whole + Math.floor((bytes.length - whole) / 2) + 9,
    );
    await writeFile(log, bytes);
    const driver = await open(url);
    const heads = await driver.heads(["z", "a", "b", "c"]);
    expect(heads.map((head) => head?.id)).toEqual(["z", "a", undefined, undefined]);
    await driver.close();
  });

  test("damage before the end is no crash, and is not passed over in silence", async () => {
    const first = await open(url);
    await first.commit([step("a", 0)]);
    await first.commit([step("a", 1)]);
    await first.close();
    const bytes = await readFile(log);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await writeFile(log, bytes);
    await expect(open(url)).rejects.toThrow("is damaged at byte 0");
    expect(await readFile(log)).toEqual(bytes);
    // The lock was given back.
    await truncate(log, 0);
    await (await open(url)).close();
  });
});

describe("the lock", () => {
  test("a second opener is refused until the first has closed", async () => {
    const first = await open(url);
    await expect(open(url)).rejects.toThrow(DriverUnavailableError);
    expect(await first.commit([step("a", 0)])).toEqual([{ status: "committed" }]);
    await first.close();
    const second = await open(url);
    expect((await second.heads(["a"]))[0]?.revision).toBe(1);
    await second.close();
  });

  test("the lock of a process that was killed is gone with it", async () => {
    const module = new URL("../dist/index.js", import.meta.url).href;
    const script = `const { open } = await import(${JSON.stringify(module)}); await open(${JSON.stringify(url)});
      console.log("open"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    try {
      await once(child.stdout, "data");
      await expect(open(url)).rejects.toThrow(DriverUnavailableError);
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
    await (await open(url)).close();
  });
});

describe("a disk that fails", () => {
  test("a full one: nothing is applied, nothing is left behind, and later commits land", async () => {
    const driver = await open(url);
    await driver.commit([step("a", 0)]);
    const before = await readFile(log);
    const file = await fileMethods();
    const write = file.appendFile;
    vi.spyOn(file, "appendFile").mockImplementationOnce(async function half(this: unknown, bytes: Buffer) {
      await write.call(this, bytes.subarray(0, bytes.length / 2));
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    });
    await expect(driver.commit([step("a", 1), step("b", 0)])).rejects.toThrow(DriverUnavailableError);
    expect(await readFile(log)).toEqual(before);
    expect((await driver.heads(["a", "b"])).map((head) => head?.revision)).toEqual([1, undefined]);
    expect(await driver.commit([step("a", 1)])).toEqual([{ status: "committed" }]);
    await driver.close();
  });

  test("where the rest cannot be cut off either, the outcome is unknown until it can", async () => {
    const report = vi.fn();
    const driver = await open(url, { log: report });
    await driver.commit([step("a", 0)]);
    const file = await fileMethods();
    vi.spyOn(file, "datasync").mockRejectedValueOnce(new Error("EIO"));
    const cut = vi.spyOn(file, "truncate").mockRejectedValueOnce(new Error("EIO"));
    const again = step("a", 1);
    expect(await driver.commit([again])).toEqual([{ status: "unknown" }]);
    // A crash now would bring it back.
    const crashed = await mkdtemp(join(tmpdir(), "jsonl-test-"));
    await copyFile(log, join(crashed, "log-1.jsonl"));
    const other = await open(`jsonl:${crashed}`);
    expect((await other.heads(["a"]))[0]?.revision).toBe(2);
    await other.close();
    await rm(crashed, { recursive: true });
    // No reader sees it as long as it could still vanish.
    expect((await driver.heads(["a"]))[0]?.revision).toBe(1);
    cut.mockRejectedValueOnce(new Error("EIO"));
    expect(await driver.commit([again])).toEqual([{ status: "unknown" }]);
    expect(await driver.commit([again])).toEqual([{ status: "committed" }]);
    expect(report).toHaveBeenCalledWith("error", expect.stringContaining("could not be repaired"));
    await driver.close();
    const reopened = await open(url);
    expect(await reopened.messages("a", 1, 9)).toHaveLength(2);
    await reopened.close();
  });
});

test("calls that wait for the disk share a write, and those of one conversation keep their order", async () => {
  const driver = await open(url);
  await driver.commit([step("a", 0)]);
  const sync = vi.spyOn(await fileMethods(), "datasync");
  const outcomes = await Promise.all([
    driver.commit([step("a", 1)]),
    ...["b", "c", "d", "e"].map((id) => driver.commit([step(id, 0)])),
    driver.commit([step("a", 1, "loser")]),
    driver.commit([step("a", 2)]),
  ]);
  expect(outcomes.flat().map(({ status }) => status)).toEqual([
    ...Array.from({ length: 5 }, () => "committed"),
    "conflict",
    "committed",
  ]);
  expect(sync).toHaveBeenCalledTimes(3);
  await driver.close();
});

test("an acknowledgement waits for the disk", async () => {
  const driver = await open(url);
  await driver.commit([step("a", 0)]);
  let synced = (): void => undefined;
  vi.spyOn(await fileMethods(), "datasync").mockReturnValueOnce(new Promise((resolve) => (synced = resolve)));
  const committing = driver.commit([step("a", 1)]);
  const answered = vi.fn();
  void committing.then(answered);
  // A turn of the disk, and then nothing but waiting.
  await readFile(log);
  expect((await driver.heads(["a"]))[0]?.revision).toBe(1);
  expect(answered).not.toHaveBeenCalled();
  const closed = vi.fn();
  const closing = driver.close().then(closed);
  await readFile(log);
  expect(closed).not.toHaveBeenCalled();
  synced();
  expect(await committing).toEqual([{ status: "committed" }]);
  await closing;
});

test("what was purged or pruned leaves the file when it is opened again", async () => {
  const first = await open(url);
  await first.commit([step("a", 0, "secret"), step("b", 0, "pruned")]);
  const kept = step("b", 1, "kept");
  await first.commit([purge("a", 1), { ...kept, head: { ...kept.head, firstSeq: 2 } }]);
  await first.prune("b", 2);
  await first.close();
  expect(await readFile(log, "utf8")).toContain("secret");
  const second = await open(url);
  const text = await readFile(log, "utf8");
  expect(text).not.toContain("secret");
  expect(text).not.toContain("pruned");
  expect((await second.heads(["a", "b"])).map((head) => head?.revision)).toEqual([2, 2]);
  expect((await second.messages("b", 1, 9)).map(({ seq }) => seq)).toEqual([2]);
  expect((await second.keys("b", ["k1", "k2"])).map(({ key }) => key)).toEqual(["k1", "k2"]);
  await second.commit([step("b", 2)]);
  await second.close();
  const before = await readFile(log);
  await (await open(url)).close();
  expect(await readFile(log)).toEqual(before);
});

test("a disk too full to shorten the file is no reason not to open it", async () => {
  const first = await open(url);
  await first.commit([step("a", 0, "secret")]);
  await first.commit([purge("a", 1)]);
  await first.close();
  const report = vi.fn();
  vi.spyOn(await fileMethods(), "appendFile").mockRejectedValueOnce(new Error("ENOSPC"));
  const second = await open(url, { log: report });
  expect((await second.heads(["a"]))[0]?.purged).toBe(true);
  expect(report).toHaveBeenCalledWith("warn", expect.stringContaining("stays as long as it is"));
  expect(await second.commit([{ ...step("a", 2), keys: [] }])).toEqual([{ status: "committed" }]);
  await second.close();
});

test("a URL without a folder is refused", async () => {
  await expect(open("jsonl:")).rejects.toThrow("jsonl: names no folder");
});

test("a server keeps its conversations over a restart", async () => {
  const serve = async <T>(body: (base: string) => Promise<T>): Promise<T> => {
    await using store = createStore({ driver: await open(url) });
    await using server = await createServer({ store });
    return await body(`${await server.listen({ host: "127.0.0.1", port: 0 })}/v1/conversations/support-123`);
  };
  const call = (method: string, body: unknown): RequestInit => ({
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const message = { role: "user", parts: [{ type: "text", text: "My laptop won't turn on" }] };
  await serve(async (base) => {
    expect((await fetch(base, call("PUT", {}))).status).toBe(201);
    expect((await fetch(`${base}/messages`, call("POST", { message }))).status).toBe(201);
  });
  await serve(async (base) => {
    const tail = await (await fetch(`${base}/tail`)).json();
    expect(tail).toMatchObject({ version: 1, messages: [{ seq: 1, ...message }] });
  });
});

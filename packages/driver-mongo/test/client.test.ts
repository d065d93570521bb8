import { setTimeout as pause } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { LastingClient } from "../src/client.js";
import { openMongo } from "../src/index.js";
import { committed, creation, databaseOf, describeWithMongo, opened } from "./fixture.js";

/** What is inside an object of the client library, where it shows no other way. */
function inside(holder: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (found, name) => (typeof found === "object" && found !== null ? Reflect.get(found, name) : undefined),
    holder,
  );
}

function call(holder: unknown, method: string): void {
  const found = inside(holder, method);
  if (typeof found !== "function") throw new Error(`the client library has no ${method}`);
  Reflect.apply(found, holder, []);
}

/** Waits in real time, for as long as the test may take: vitest's own waiting would move the clock. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(10);
}

/** Has a client ask its server how it is while the connection closes, as a server that ends does by chance. */
async function lose(client: MongoClient): Promise<void> {
  const servers = inside(client, "topology", "s", "servers");
  const monitor: unknown =
    servers instanceof Map ? inside([...servers.values()][0], "monitor") : expect.unreachable("no servers");
  const state = (): unknown => inside(monitor, "s", "state");
  for (;;) {
    // What it is told to ask within half a second of the last time, it asks later.
    await pause(600);
    if (state() !== "idle") continue;
    const socket = inside(monitor, "connection", "socket");
    call(monitor, "requestCheck");
    if (state() !== "monitoring") continue;
    call(socket, "destroy");
    return;
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

await describeWithMongo("the client of MongoDB", (server) => {
  test("is replaced where it has lost sight of the server, and ended when its calls have", async () => {
    const { url } = await databaseOf(server);
    const asking = new URL(url);
    asking.searchParams.set("serverMonitoringMode", "poll");
    const log: string[] = [];
    const client = new LastingClient(asking.href, (_, text) => log.push(text));
    onTestFinished(() => client.close());
    const former = client.current;
    await former.db().command({ ping: 1 });
    await lose(former);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(client.current).toBe(former);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.current).not.toBe(former);
    expect(log).toEqual([
      `MongoDB's client does not look after ${decodeURIComponent(asking.host)} any more, and was replaced`,
    ]);
    await expect(client.current.db().command({ ping: 1 })).resolves.toMatchObject({ ok: 1 });
    await vi.advanceTimersByTimeAsync(4_000);
    await pause(100);
    expect(inside(former, "topology")).toBeDefined();
    await vi.advanceTimersByTimeAsync(1_000);
    await until(() => inside(former, "topology") === undefined);
  });

  test("is kept while it asks as often as it should", async () => {
    const { url } = await databaseOf(server);
    const client = new LastingClient(url, () => undefined);
    onTestFinished(() => client.close());
    const former = client.current;
    const heard = new Promise((resolve) => former.once("serverHeartbeatSucceeded", resolve));
    await former.db().command({ ping: 1 });
    await heard;
    // Ten until the next question, and nine for its answer.
    await vi.advanceTimersByTimeAsync(19_000);
    expect(client.current).toBe(former);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.current).not.toBe(former);
  });

  test("is kept while it looks after the server, however long that takes", async () => {
    const { url } = await databaseOf(server);
    const asking = new URL(url);
    asking.searchParams.set("heartbeatFrequencyMS", "500");
    const client = new LastingClient(asking.href, () => undefined);
    onTestFinished(() => client.close());
    const former = client.current;
    await former.db().command({ ping: 1 });
    let heard = 0;
    former.on("serverHeartbeatSucceeded", () => heard++);
    for (let round = 0; round < 3; round++) {
      await vi.advanceTimersByTimeAsync(9_000);
      const before = heard;
      await until(() => heard > before);
    }
    expect(client.current).toBe(former);
  });

  test("is the one that every call and watch goes on with", async () => {
    vi.useRealTimers();
    const { url } = await databaseOf(server);
    const former = new MongoClient(url);
    const next = new MongoClient(url);
    onTestFinished(async () => {
      await Promise.all([former.close(), next.close()]);
    });
    const current = vi.spyOn(LastingClient.prototype, "current", "get").mockReturnValue(former);
    onTestFinished(() => current.mockRestore());
    const driver = await opened(url);
    const other = await openMongo({ client: next, database: new URL(url).pathname.slice(1) });
    onTestFinished(() => other.close());
    const seen = new Set<string>();
    await driver.watch?.((ids) => ids.forEach((id) => seen.add(id)));
    await committed(driver, creation("a"));
    current.mockReturnValue(next);
    await former.close();
    await committed(driver, creation("b"));
    expect((await driver.heads(["a", "b"])).map((found) => found?.id)).toEqual(["a", "b"]);
    expect((await driver.list({ limit: 10, labels: [] })).heads).toHaveLength(2);
    await driver.prune("a", 1);
    await expect
      .poll(async () => {
        const [{ revision = 0 } = {}] = await other.heads(["b"]);
        await committed(other, { ...creation("b", { revision: revision + 1 }), base: revision });
        return [...seen];
      })
      .toContain("b");
  });
});

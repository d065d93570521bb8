import { expect, test } from "vitest";
import { committed, creation, databaseOf, describeWithMongo, opened } from "./fixture.js";
import { asksForMore, wireProxy } from "./wire-proxy.js";

await describeWithMongo("changes in MongoDB", (server) => {
  test("another handle's commits are hinted at, until the watch is ended", async () => {
    const { url } = await databaseOf(server);
    const log: string[] = [];
    const driver = await opened(url, { log: (text) => log.push(text) });
    const other = await opened(url);
    expect(log.join()).toMatch(/changes are told by (change streams|a capped collection)/u);
    await committed(other, creation("before"));
    const seen = new Set<string>();
    const end = await driver.watch?.((ids) => ids.forEach((id) => seen.add(id)));
    await committed(other, creation("a"));
    await other.commit([creation("b"), creation("c")]);
    await expect.poll(() => [...seen].filter((id) => id !== "before").toSorted()).toEqual(["a", "b", "c"]);
    await end?.();
    await end?.();
    const second = new Set<string>();
    await driver.watch?.((ids) => ids.forEach((id) => second.add(id)));
    await committed(other, creation("d"));
    await expect.poll(() => [...second]).toContain("d");
    expect(seen.has("d")).toBe(false);
  });

  test("a handle that is closed ends its watches", async () => {
    const { url } = await databaseOf(server);
    const driver = await opened(url);
    await driver.watch?.(() => undefined);
    await driver.close();
    await expect(driver.watch?.(() => undefined)).rejects.toThrow("closed");
  });

  test("a watch whose question is not answered any more is begun again", async () => {
    const { tcpUrl } = await databaseOf(server);
    let lost = 0;
    const proxy = await wireProxy(tcpUrl, (message) => {
      if (lost > 0 || !asksForMore(message)) return "pass";
      lost += 1;
      return "swallow";
    });
    const log: string[] = [];
    const driver = await opened(proxy, { log: (text) => log.push(text) });
    const other = await opened(tcpUrl);
    const seen = new Set<string>();
    await driver.watch?.((ids) => ids.forEach((id) => seen.add(id)));
    await expect.poll(() => log.join(), { timeout: 20_000 }).toContain("did not answer in time");
    let made = 0;
    await expect
      .poll(async () => {
        await committed(other, creation(`a${++made}`));
        return seen.size;
      })
      .toBeGreaterThan(0);
  }, 60_000);
});

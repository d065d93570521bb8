import { describe, expect, test } from "vitest";
import { DURABLE_BACKENDS } from "../http/backends.js";
import { startServer } from "../http/command.js";
import { Ledger } from "./ledger.js";
import { create, finish, Writers } from "./writers.js";

/** How often each server is killed, unless the environment says otherwise. */
const KILLS = Number(process.env["FASTPACA_KILLS"] ?? 5);
const PATHS = Array.from({ length: 8 }, (_, index) => `/v1/contexts/c${index}`);

describe.each(DURABLE_BACKENDS)("a server over $name", { timeout: 60_000 + KILLS * 20_000 }, (backend) => {
  test(`that is killed ${KILLS} times keeps what it acknowledged, once and in its place`, async () => {
    const database = await backend.createDatabase();
    try {
      const ledger = new Ledger();
      for (let kill = 0; kill < KILLS; kill++) {
        await using server = await startServer([], { FASTPACA_STORE: database.url });
        const url = `http://127.0.0.1:${server.port}`;
        await create(url, PATHS);
        await ledger.audit(url, PATHS);
        // What the last kill left open: half of it is asked for again, the rest stays open for the audits.
        if (kill % 2 === 1) await finish(ledger, url);
        const before = ledger.acknowledged;
        const writers = new Writers(ledger, { urls: [url], paths: PATHS, writers: 16, name: `life${kill}` });
        // From just after the first acknowledgement to well into the load, at no special moment.
        await writers.acknowledge(1 + Math.floor(Math.random() * 300));
        server.signal("SIGKILL");
        await server.exited;
        await writers.stop();
        expect(ledger.acknowledged).toBeGreaterThan(before);
      }
      await using server = await startServer([], { FASTPACA_STORE: database.url });
      const url = `http://127.0.0.1:${server.port}`;
      await ledger.audit(url, PATHS);
      await finish(ledger, url);
      expect(ledger.open).toEqual([]);
      await ledger.audit(url, PATHS);
    } finally {
      await database.drop();
    }
  });
});

import { describe, expect, test } from "vitest";
import { DURABLE_BACKENDS } from "../http/backends.js";
import { Client, type Record } from "../http/client.js";
import { startServer, type ServeProcess } from "../http/command.js";
import { Ledger } from "./ledger.js";
import { create, finish, Writers } from "./writers.js";

const NODES = 4;
/** How long the nodes are under load, in seconds, unless the environment says otherwise. */
const SECONDS = Number(process.env["FASTPACA_NODES_SECONDS"] ?? 4);
const PATHS = Array.from({ length: 24 }, (_, index) => `/v1/contexts/c${index}`);

describe.each(DURABLE_BACKENDS)(
  "several servers over one $name",
  { timeout: 120_000 + SECONDS * 2000 },
  (backend) => {
    test(`take overlapping appends for ${SECONDS} s, one of them restarted meanwhile`, async () => {
      const database = await backend.createDatabase();
      const nodes: ServeProcess[] = [];
      try {
        const start = async (): Promise<ServeProcess> => {
          const node = await startServer([], { FASTPACA_STORE: database.url });
          nodes.push(node);
          return node;
        };
        // All at once, on a database that is empty.
        const [first, ...others] = await Promise.all(Array.from({ length: NODES }, start));
        if (first === undefined) throw new Error("there is no node");
        const urls = others.map(urlOf);
        await create(urlOf(first), PATHS);
        const ledger = new Ledger();
        const writers = new Writers(ledger, { urls, paths: PATHS, writers: 24, name: "stays" });
        const passing = new Writers(ledger, { urls: [urlOf(first)], paths: PATHS, writers: 8, name: "goes" });
        const counts = count(urls, "/v1/contexts/counter");
        await pause((SECONDS * 1000) / 2);
        first.signal("SIGKILL");
        await first.exited;
        await passing.stop();
        const again = await start();
        const back = new Writers(ledger, { urls: [urlOf(again)], paths: PATHS, writers: 8, name: "back" });
        await pause((SECONDS * 1000) / 2);
        await Promise.all([writers.stop(), back.stop()]);
        const { wins, version } = await counts();
        expect(version, "each version was won once").toBe(wins);
        await finish(ledger, urlOf(again));
        for (const node of [again, ...others]) await ledger.audit(urlOf(node), PATHS);
        for (const node of [again, ...others]) {
          node.signal("SIGTERM");
          const { code, stdout } = await node.exited;
          expect(code).toBe(0);
          expect(stdout, "an error that somebody should know of").not.toMatch(/"level":(50|60)/);
        }
      } finally {
        for (const node of nodes) await node[Symbol.asyncDispose]();
        await database.drop();
      }
    });
  },
);

/** Racers that append to one context, each only at the version that it has seen, until the result is asked for. */
function count(urls: readonly string[], path: string): () => Promise<{ wins: number; version: number }> {
  let stopped = false;
  let wins = 0;
  const race = async (url: string): Promise<void> => {
    const client = new Client(url);
    try {
      await client.put(path);
      while (!stopped) {
        const { version } = (await client.get(path)).json<Record>();
        const message = { role: "user", parts: [{ type: "text", text: "one more" }] };
        const { status } = await client.post(`${path}/messages`, { message, if_version: version });
        expect([201, 409]).toContain(status);
        if (status === 201) wins += 1;
      }
    } finally {
      client.close();
    }
  };
  const racing = Promise.all(urls.map(race));
  return async () => {
    stopped = true;
    await racing;
    const client = new Client(urls[0] ?? "");
    const { version } = (await client.get(path)).json<Record>();
    client.close();
    return { wins, version };
  };
}

function urlOf({ port }: ServeProcess): string {
  return `http://127.0.0.1:${port}`;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

import { connect, type Socket } from "node:net";
import { createStore } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { openMemory } from "@fastpaca/driver-memory";
import { describe, expect, onTestFinished, test } from "vitest";
import { overriding } from "../drivers.js";
import { Client, say, type Refusal } from "./client.js";
import { startServer } from "./command.js";
import { expectContract, expectRefusal } from "./contract.js";
import { Disconnected, requestBytes, Wire, type Reply } from "./wire.js";

const CLIENTS = 32;
const JSON_TYPE = [["Content-Type", "application/json"]] as const;
const PATH = "/v1/contexts/busy";

describe.each(["SIGTERM", "SIGINT"] as const)("on %s the command", { timeout: 60_000 }, (signal) => {
  test("answers in whole what it took, and exits with 0", async () => {
    await using server = await startServer();
    const opening = new Wire(server.port);
    await opening.exchange(requestBytes("PUT", PATH, JSON_TYPE, "{}"), "PUT");
    opening.close();

    const enough = Promise.withResolvers<void>();
    const acknowledged: number[] = [];
    let signalled = false;
    const clients = Array.from({ length: CLIENTS }, async (_, who) => {
      const wire = new Wire(server.port);
      for (let turn = 0; ; turn++) {
        const reply = await append(wire, `${who}-${turn}`);
        if (reply === undefined) return;
        if (reply.status === 503) {
          // On an open connection it goes on asking, until the server ends it.
          expect(signalled).toBe(true);
          expect(expectRefusal(503, JSON.parse(reply.body)).error).toBe("unavailable");
          continue;
        }
        expect(reply.status).toBe(201);
        expectContract(reply, "POST");
        acknowledged.push(Number(Object(JSON.parse(reply.body))["seq"]));
        if (acknowledged.length === 20 * CLIENTS) enough.resolve();
      }
    });
    await enough.promise;
    signalled = true;
    server.signal(signal);
    await Promise.all(clients);

    const { code, stdout } = await server.exited;
    expect(code, stdout).toBe(0);
    expect(stdout).toContain('"msg":"closed"');
    expect(new Set(acknowledged).size, "no seq was acknowledged twice").toBe(acknowledged.length);
    // Only what was under way when the connections ended may be missing among the acknowledgements.
    expect(Math.max(...acknowledged)).toBeLessThanOrEqual(acknowledged.length + CLIENTS);
  });
});

test(
  "a write whose database does not answer is told so before the server ends",
  { timeout: 60_000 },
  async () => {
    const asked = Promise.withResolvers<void>();
    const memory = openMemory();
    const driver = overriding(memory, {
      commit: (commits) => {
        if (commits.every(({ messages }) => messages.length === 0)) return memory.commit(commits);
        asked.resolve();
        return new Promise<never>(() => undefined);
      },
    });
    await using store = createStore({ driver, onError: () => undefined });
    const app = await createServer({ store });
    const client = new Client(await app.listen({ host: "127.0.0.1", port: 0 }));
    onTestFinished(() => client.close());
    await client.put(PATH);
    const append = client.post(`${PATH}/messages`, { message: say("a") });
    await asked.promise;
    const closed = app.close();
    const answer = await append;
    expect(answer.status).toBe(503);
    expect(answer.json<Refusal>().error).toBe("outcome_unknown");
    await closed;
  },
);

// What a client can leave behind on a connection; none of it keeps the server from ending.
describe("a connection on which the client", { timeout: 60_000 }, () => {
  test.each([
    ["has never sent anything", ""],
    ["waits after an answer", "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["has sent half of a head", "GET /health/live HTTP/1.1\r\nHo"],
    [
      "has sent half of a body",
      `PUT ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    ],
  ])("%s does not keep the command from exiting with 0", async (_name, bytes) => {
    await using server = await startServer();
    const socket = await leave(server.port, bytes);
    try {
      server.signal("SIGTERM");
      const { code, stdout } = await server.exited;
      expect(code, stdout).toBe(0);
    } finally {
      socket.destroy();
    }
  });
});

/** One append; undefined where the connection ended before the answer began. */
async function append(wire: Wire, text: string): Promise<Reply | undefined> {
  const message = JSON.stringify({ message: { role: "user", parts: [{ type: "text", text }] } });
  try {
    return await wire.exchange(requestBytes("POST", `${PATH}/messages`, JSON_TYPE, message), "POST");
  } catch (error) {
    if (error instanceof Disconnected) return undefined;
    throw error;
  }
}

/** A connection that has sent these bytes, which the server has read. */
async function leave(port: number, bytes: string): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("connect", resolve);
  });
  socket.write(bytes);
  socket.resume();
  // Connections are served in turn, so an answer on a later one says that this one was accepted and read.
  for (let turn = 0; turn < 3; turn++) {
    const wire = new Wire(port);
    await wire.exchange(requestBytes("GET", "/health/live", []), "GET");
    wire.close();
  }
  return socket;
}

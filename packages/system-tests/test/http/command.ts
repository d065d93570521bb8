import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

const manifest = createRequire(import.meta.url).resolve("fastpaca/package.json");
const main = path.join(path.dirname(manifest), "dist", "main.js");

type Environment = Readonly<{ [name: string]: string }>;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `fastpaca serve` as a process of its own. Disposing of it kills it where it still runs. */
export interface ServeProcess extends AsyncDisposable {
  readonly port: number;
  readonly exited: Promise<Exit>;
  signal(name: NodeJS.Signals): void;
}

/** Longest that a command may take that is to end by itself, in milliseconds: its test waits longer. */
const RUN_DEADLINE = 20_000;

/** Starts the command, and resolves when it exits, or is ended because it does not. */
export function run(args: readonly string[], environment: Environment = {}): Promise<Exit> {
  const child = start(args, environment);
  const timer = setTimeout(() => child.kill("SIGKILL"), RUN_DEADLINE);
  return exitOf(child).finally(() => clearTimeout(timer));
}

/** Longest that a start may take, in milliseconds. */
const START_DEADLINE = 60_000;

/** Starts the server on a free port, and resolves when it says that it listens there. */
export async function startServer(
  args: readonly string[] = [],
  environment: Environment = {},
): Promise<ServeProcess> {
  const child = start(["serve", "--port", "0", "--log-format", "json", ...args], environment);
  const exited = exitOf(child);
  const timer = setTimeout(() => child.kill("SIGKILL"), START_DEADLINE);
  const port = await Promise.race([
    portOf(child),
    exited.then(({ stdout, stderr }): never => {
      throw new Error(`the server did not say where it listens: ${stdout}${stderr}`);
    }),
  ]).finally(() => clearTimeout(timer));
  return {
    port,
    exited,
    signal: (name) => child.kill(name),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function start(args: readonly string[], environment: Environment): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("FASTPACA_"));
  return spawn(process.execPath, [main, ...args], {
    // Nothing is left behind where the tests run.
    env: { ...Object.fromEntries(inherited), FASTPACA_STORE: "memory:", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function exitOf(child: ChildProcess): Promise<Exit> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** From the log line that tells where the server listens. */
function portOf(child: ChildProcess): Promise<number> {
  let log = "";
  return new Promise((resolve) => {
    child.stdout?.on("data", (text: string) => {
      log += text;
      const lines = log.split("\n");
      log = lines.pop() ?? "";
      for (const line of lines) {
        const { msg }: { msg?: unknown } = Object(JSON.parse(line));
        const port = /^listening on http:\/\/127\.0\.0\.1:(\d+)\/v1$/.exec(String(msg))?.[1];
        if (port !== undefined) resolve(Number(port));
      }
    });
  });
}

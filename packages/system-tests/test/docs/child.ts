/** Child processes that never outlive a test. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";

/** Longest that a line of output may take, in milliseconds: a build with something to do, on a busy machine. */
const LINE_DEADLINE = 90_000;

export interface Outcome {
  /** Undefined where a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly cwd: string;
  /** Added to {@link plainEnvironment}. */
  readonly env?: Readonly<Record<string, string>>;
}

/** This process's environment without Fastpaca's own settings, which a developer may have set. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("FASTPACA_")));
}

/**
 * A command that runs, and whatever it starts: one process group, which is ended as a whole with the test that started it,
 * also when that test runs out of time.
 */
export class Child {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #output: { stdout: string; stderr: string } = { stdout: "", stderr: "" };
  #failure: Error | undefined;
  #isClosed = false;

  constructor(command: string, args: readonly string[], { cwd, env = {} }: ChildOptions) {
    this.#process = spawn(command, args, {
      cwd,
      env: { ...plainEnvironment(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    for (const name of ["stdout", "stderr"] as const) {
      this.#process[name]?.setEncoding("utf8").on("data", (text: string) => {
        this.#output[name] += text;
      });
    }
    this.#process.on("error", (error) => {
      this.#failure = new Error(`${command} cannot be run, and this test needs it: ${error.message}`, {
        cause: error,
      });
    });
    // Only when everything that holds the pipes is gone, the processes that it started among them.
    this.#closed = once(this.#process, "close")
      .catch(() => undefined)
      .then(() => (this.#isClosed = true));
    const end = (): void => {
      if (!this.#isClosed) signalGroup(this.#process.pid);
    };
    process.once("exit", end);
    onTestFinished(async () => {
      end();
      await this.#closed;
      process.off("exit", end);
    });
  }

  /** Resolves with the first match of `pattern` in the output; rejects when there is none before it ends, or in time. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const refuse = (reason: string): void =>
      reject(this.#failure ?? new Error(`${reason} before ${pattern} was seen:\n${this.#transcript()}`));
    const look = (): void => {
      const found = pattern.exec(this.#output.stdout);
      if (found !== null) resolve(found);
    };
    const timer = setTimeout(() => refuse(`${LINE_DEADLINE} ms went by`), LINE_DEADLINE);
    this.#process.stdout?.on("data", look);
    void this.#closed.then(() => refuse("the process ended"));
    look();
    return promise.finally(() => clearTimeout(timer));
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<Outcome> {
    await this.#closed;
    if (this.#failure !== undefined) throw this.#failure;
    return { status: this.#process.exitCode ?? undefined, ...this.#output };
  }

  #transcript(): string {
    return `${this.#output.stdout}\n${this.#output.stderr}`;
  }
}

function signalGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // Nothing of the group is left.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Runs a command to its end. */
export function run(command: string, args: readonly string[], options: ChildOptions): Promise<Outcome> {
  return new Child(command, args, options).ended();
}

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const SUBJECTS = fileURLToPath(new URL("subjects", import.meta.url));

/** Milliseconds after which a command is ended that does not end by itself. */
const DEADLINE_MS = 230_000;

/** An empty folder that is gone after the test. */
export function emptyFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "fastpaca-kit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with the drivers of `subjects`, far from the workspace. */
export function subjectFolder(): string {
  const folder = emptyFolder();
  cpSync(SUBJECTS, folder, { recursive: true });
  return folder;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs; `output` is what it has said so far. */
export class Running {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #closed: Promise<number | null>;
  #heard: () => void = () => undefined;

  constructor(file: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}) {
    const clean = { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined, NODE_OPTIONS: undefined, ...env };
    this.child = spawn(file, args, {
      cwd,
      env: clean,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: DEADLINE_MS,
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk.toString();
      this.#heard();
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.#closed = once(this.child, "close").then(([code]) => {
      this.#heard();
      return code as number | null;
    });
  }

  /** Resolves when the output so far satisfies. @throws when it ends before */
  async until(satisfied: (stdout: string) => boolean): Promise<void> {
    while (!satisfied(this.stdout)) {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => (this.#heard = resolve));
    }
  }

  async ended(): Promise<Ended> {
    const code = await this.#closed;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }
}

/** Runs the built command to its end. */
export function conformance(args: readonly string[], cwd: string): Promise<Ended> {
  return start(args, cwd).ended();
}

/** Starts the built command. */
export function start(args: readonly string[], cwd: string): Running {
  const running = new Running(process.execPath, [CLI, ...args], cwd);
  // One that failed to end in order must not go on behind the tests that follow.
  onTestFinished(() => void running.child.kill("SIGKILL"));
  return running;
}

/** The arguments of a replay command that the kit printed. */
export function replayArguments(command: string): string[] {
  const [npx, name, ...rest] = command.split(" ");
  if (npx !== "npx" || name !== "@fastpaca/conformance") throw new Error(`no replay command: ${command}`);
  return rest;
}

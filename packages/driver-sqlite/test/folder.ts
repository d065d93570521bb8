import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import type { Driver } from "@fastpaca/core";
import sqlite from "@fastpaca/driver-sqlite";

// Processes are started and locks waited for, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 30_000 });

/** A temporary folder with what a test opens in it; all of it goes when the test ends. */
export interface Folder {
  readonly path: string;
  /** Opens `fastpaca.db` of the folder. */
  open(): Promise<Driver>;
  /** Starts a process that appends to `id` of that file, `count` times or until it is killed. */
  appending(id: string, writer: string, count: number): AppendingProcess;
}

export interface AppendingProcess {
  readonly process: ChildProcessByStdio<null, Readable, null>;
  /** The revisions that were acknowledged so far. */
  readonly revisions: readonly number[];
  /** Resolves when there are at least so many of them; rejects when the process ends before. */
  acknowledged(count: number): Promise<void>;
  /** All of them, when the process has ended. */
  readonly finished: Promise<readonly number[]>;
}

export async function inFolder(body: (folder: Folder) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "fastpaca-sqlite-"));
  const drivers: Driver[] = [];
  const processes: AppendingProcess["process"][] = [];
  try {
    await body({
      path,
      open: async () => {
        const driver = await sqlite.open(`sqlite:${path}/fastpaca.db`);
        drivers.push(driver);
        return driver;
      },
      appending: (id, writer, count) => {
        const script = fileURLToPath(new URL("appending-process.ts", import.meta.url));
        const args = [script, `sqlite:${path}/fastpaca.db`, id, writer, String(count)];
        const process = spawn(globalThis.process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
        processes.push(process);
        return observe(process);
      },
    });
  } finally {
    for (const process of processes) process.kill("SIGKILL");
    await Promise.all(drivers.map((driver) => driver.close()));
    await rm(path, { recursive: true });
  }
}

function observe(process: AppendingProcess["process"]): AppendingProcess {
  const revisions: number[] = [];
  const lines = createInterface({ input: process.stdout });
  const finished = new Promise<readonly number[]>((resolve) => lines.once("close", () => resolve(revisions)));
  lines.on("line", (line) => revisions.push(Number(line)));
  const acknowledged = async (count: number): Promise<void> => {
    while (revisions.length < count) {
      const ended = await Promise.race([once(lines, "line").then(() => false), finished.then(() => true)]);
      if (ended && revisions.length < count) throw new Error(`it ended after ${revisions.length} commits`);
    }
  };
  return { process, revisions, acknowledged, finished };
}

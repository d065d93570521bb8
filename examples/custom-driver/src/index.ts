import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Driver, DriverModule, DriverOpenOptions } from "@fastpaca/core";
import { Conversations, type Change } from "./conversations.js";
import { JsonlDriver } from "./driver.js";
import { lockFolder } from "./lock.js";
import { Log, replaceLog, silent, syncFolder, writeLog, type Report } from "./log.js";

/** The format's version is in the name: a later one would read this file and write one of its own. */
const LOG = "log-1.jsonl";

/**
 * Opens the folder that a URL such as `jsonl:./data` names, and makes it where there is none. Everything in it is read
 * into memory.
 *
 * @throws DriverUnavailableError while it is open elsewhere
 */
export async function open(url: string, { log = silent }: DriverOpenOptions = {}): Promise<Driver> {
  const folder = folderOf(url);
  await makeFolder(folder);
  const lock = lockFolder(join(folder, "lock"));
  try {
    const { conversations, file } = await read(join(folder, LOG), log);
    return new JsonlDriver(conversations, file, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Reads the log; shortens it first where it holds what was purged or pruned. */
async function read(
  path: string,
  report: Report,
): Promise<{ readonly conversations: Conversations; readonly file: Log }> {
  const conversations = new Conversations();
  let waste = false;
  const apply = (change: Change): void => {
    waste = conversations.apply(change) || waste;
  };
  const file = await Log.open(path, apply, report);
  if (!waste) return { conversations, file };
  const shorter = `${path}.new`;
  try {
    await writeLog(shorter, conversations.changes());
  } catch (error) {
    report("warn", `${path} stays as long as it is: ${String(error)}`);
    return { conversations, file };
  }
  await file.close();
  await replaceLog(path, shorter);
  return { conversations, file: await Log.open(path, () => undefined, report) };
}

/** Makes a folder so that it is still there after a power failure. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

function folderOf(url: string): string {
  const path = /^jsonl:(.+)$/is.exec(url)?.[1];
  if (path === undefined) throw new TypeError(`${url} names no folder; write jsonl:./data`);
  return resolve(path);
}

const jsonl: DriverModule = { name: "jsonl", schemes: ["jsonl"], open };

export default jsonl;

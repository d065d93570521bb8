import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DriverUnderTest } from "@fastpaca/conformance";
import type { Driver } from "@fastpaca/core";
import { Conversations, type Change } from "@fastpaca/example-custom-driver/conversations";
import { JsonlDriver } from "@fastpaca/example-custom-driver/driver";
import { lockFolder, type Lock } from "@fastpaca/example-custom-driver/lock";
import { Log } from "@fastpaca/example-custom-driver/log";
import type { Mutant } from "./mutant.js";

type Writing = Pick<Log, "append" | "close">;

/** What a mutant of the example driver changes. */
export interface JsonlChange {
  /** What is made of the changes of the log when it is opened, in order. */
  readonly read?: (changes: readonly Change[]) => readonly Change[];
  /** How changes get into the log. */
  readonly log?: (log: Log) => Writing;
  readonly lock?: (path: string) => Lock;
  readonly driver?: (driver: Driver) => Partial<Driver>;
  /** Before anything else, with the path of the log. */
  readonly before?: (path: string) => Promise<void>;
}

/** The module that processes import to open a mutant, by name, of the example driver. */
const MODULE = new URL("../dist/jsonl-subject.js", import.meta.url);

/** Opens the example driver with a change. */
async function openJsonl(url: string, change: JsonlChange = {}): Promise<Driver> {
  const folder = url.replace(/^jsonl:/, "");
  await mkdir(folder, { recursive: true });
  const lock = (change.lock ?? lockFolder)(join(folder, "lock"));
  try {
    const path = join(folder, "log-1.jsonl");
    await change.before?.(path);
    const changes: Change[] = [];
    const log = await Log.open(path, (line) => changes.push(line));
    const conversations = new Conversations();
    for (const line of change.read?.(changes) ?? changes) conversations.apply(line);
    const driver = new JsonlDriver(conversations, change.log?.(log) ?? log, lock);
    return change.driver === undefined ? driver : changed(driver, change.driver(driver));
  } catch (error) {
    lock.release();
    throw error;
  }
}

export function jsonlSubject(name: string, change: JsonlChange = {}): DriverUnderTest {
  const module = new URL(MODULE);
  module.searchParams.set("mutant", name);
  return {
    name,
    traits: { durable: true, shared: false, watch: false },
    createDatabase: async () => {
      const folder = await mkdtemp(join(tmpdir(), "jsonl-"));
      return { url: `jsonl:${folder}`, drop: () => rm(folder, { recursive: true }) };
    },
    open: (url) => openJsonl(url, change),
    module: module.href,
  };
}

/** A mutant of the example driver. */
export function wrongJsonl(
  name: string,
  says: string,
  invariants: Mutant["invariants"],
  change: JsonlChange,
): Mutant {
  return { name, says, invariants, subject: jsonlSubject(name, change) };
}

/** A driver some of whose methods are others. */
export function changed(driver: Driver, change: Partial<Driver>): Driver {
  return {
    name: driver.name,
    traits: driver.traits,
    limits: driver.limits,
    heads: (ids) => driver.heads(ids),
    commit: (commits) => driver.commit(commits),
    messages: (id, from, to) => driver.messages(id, from, to),
    marks: (id, after, limit) => driver.marks(id, after, limit),
    keys: (id, keys) => driver.keys(id, keys),
    list: (query) => driver.list(query),
    prune: (id, below) => driver.prune(id, below),
    close: () => driver.close(),
    ...change,
  };
}

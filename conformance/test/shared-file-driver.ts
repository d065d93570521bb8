// A small durable driver that several processes may open at once: the first one that comes sets the folder up, each
// commit is a file that only one can create. Slow and plain. It imports nothing of the kit, so that processes that a
// check starts run it as it is.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { linkSync, unlinkSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { Commit, CommitOutcome, Driver, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

export type Wrong =
  | "no"
  /** Looks whether the folder is set up, and then sets it up. */
  | "sets-up-twice"
  /** The same, and whoever comes last empties it. */
  | "empties"
  /** Writes the commit into its place bit by bit. */
  | "bit-by-bit";

class SharedFileDriver implements Driver {
  readonly name = "shared file";
  readonly traits = { durable: true, shared: true };
  readonly limits = { maxCommitBytes: 16 * 1024 * 1024, maxBatch: 100 };
  readonly #folder: string;
  readonly #wrong: Wrong;
  readonly #known = new Map<string, Commit>();
  #closed = false;

  constructor(folder: string, wrong: Wrong) {
    this.#folder = folder;
    this.#wrong = wrong;
  }

  async heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    return this.#answer(() => ids.map((id) => this.#commits(id).at(-1)?.head));
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    return this.#answer(() => Promise.all(commits.map((commit) => this.#commit(commit))));
  }

  async messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    return this.#answer(() =>
      this.#life(id)
        .flatMap(({ messages }) => messages)
        .filter(({ seq }) => seq >= from && seq <= to),
    );
  }

  async marks(id: string, after: number, limit: number): Promise<Mark[]> {
    return this.#answer(() =>
      this.#life(id)
        .flatMap(({ marks }) => marks)
        .filter(({ version }) => version > after)
        .slice(0, limit),
    );
  }

  async keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    return this.#answer(() => this.#held(id, keys));
  }

  async list(): ReturnType<Driver["list"]> {
    throw new Error("this driver has no list");
  }

  async prune(): Promise<void> {
    // What is gone for the head may stay.
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #commit(commit: Commit): Promise<CommitOutcome> {
    const { id, base, keys, head } = commit;
    const stored = this.#commits(id).at(-1)?.head;
    if ((stored?.revision ?? 0) !== base) return { status: "conflict", head: stored };
    const held = head.purged
      ? []
      : this.#held(
          id,
          keys.map(({ key }) => key),
        );
    if (held.length > 0) return { status: "duplicate", held };
    const folder = this.#place(id);
    mkdirSync(folder, { recursive: true });
    const place = join(folder, String(head.revision).padStart(16, "0"));
    const text = JSON.stringify(commit);
    if (this.#wrong === "bit-by-bit") {
      // Readable at any time, and only in the end what it should be.
      writeFileSync(place, JSON.stringify({ ...commit, messages: [], marks: [] }), { flag: "wx" });
      await turn();
      writeFileSync(place, text);
    } else {
      const beside = join(this.#folder, "new", randomUUID());
      writeFileSync(beside, text);
      try {
        linkSync(beside, place);
      } catch {
        return { status: "conflict", head: undefined };
      } finally {
        unlinkSync(beside);
      }
    }
    return { status: "committed" };
  }

  #held(id: string, keys: readonly string[]): KeyRecord[] {
    return this.#life(id)
      .flatMap((commit) => commit.keys)
      .filter(({ key }) => keys.includes(key));
  }

  #life(id: string): Commit[] {
    const all = this.#commits(id);
    return all.slice(all.findLastIndex(({ head }) => head.purged) + 1);
  }

  #commits(id: string): Commit[] {
    const folder = this.#place(id);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .sort()
      .map((name) => this.#read(join(folder, name)));
  }

  /** What is written stays as it is. */
  #read(place: string): Commit {
    const known = this.#known.get(place);
    if (known !== undefined) return known;
    const commit = JSON.parse(readFileSync(place, "utf8")) as Commit;
    if (this.#wrong !== "bit-by-bit") this.#known.set(place, commit);
    return commit;
  }

  #place(id: string): string {
    return join(this.#folder, "conversations", Buffer.from(id).toString("hex"));
  }

  async #answer<T>(call: () => T | Promise<T>): Promise<T> {
    if (this.#closed) throw new Error("the driver is closed");
    await turn();
    return call();
  }
}

async function setUp(folder: string, wrong: Wrong): Promise<void> {
  const place = join(folder, "conversations");
  mkdirSync(join(folder, "new"), { recursive: true });
  if (wrong === "sets-up-twice" || wrong === "empties") {
    if (existsSync(place)) return;
    for (let later = 0; later < 5; later++) await turn();
    if (wrong === "empties") rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: wrong === "empties" });
    return;
  }
  const beside = join(folder, randomUUID());
  mkdirSync(beside);
  try {
    renameSync(beside, place);
  } catch {
    // Somebody else was first, and there is something in it.
    rmSync(beside, { recursive: true });
  }
}

async function open(url: string): Promise<Driver> {
  const [, wrong, folder] = /^shared-([a-z-]+):(.*)$/.exec(url) ?? [];
  if (wrong === undefined || folder === undefined) throw new TypeError(`${url} names no folder`);
  await setUp(folder, wrong as Wrong);
  return new SharedFileDriver(folder, wrong as Wrong);
}

export function sharedFileSubject(wrong: Wrong = "no") {
  return {
    name: "shared file",
    traits: { durable: true, shared: true, watch: false },
    module: import.meta.url,
    createDatabase: async () => {
      const folder = mkdtempSync(join(tmpdir(), "fastpaca-shared-"));
      return {
        url: `shared-${wrong}:${folder}`,
        drop: async () => rmSync(folder, { recursive: true }),
      };
    },
    open,
  };
}

export default sharedFileSubject();

// A small durable driver: a file of JSON lines, one for each call, written before it is answered. It imports nothing of
// the kit, so that processes that a check starts run it as it is. What is wrong with it is said by its URL.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open as openFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Commit, CommitOutcome, Driver, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";

interface Conversation {
  head: Head;
  messages: StoredMessage[];
  marks: Mark[];
  keys: Map<string, KeyRecord>;
}

export type Wrong =
  | "no"
  | "writes-at-close"
  | "writes-later"
  | "writes-after-a-while"
  | "messages-apart"
  | "commits-apart"
  | "forgets-marks"
  | "forgets-keys"
  | "forgets-purges"
  | "drops-running";

type Part = Partial<Pick<Commit, "head" | "messages" | "marks" | "keys">> & { readonly id: string };
type Line = { readonly parts: readonly Part[] } | { readonly prune: string; readonly below: number };

class FileDriver implements Driver {
  readonly name = "file";
  readonly traits = { durable: true, shared: false };
  readonly limits = { maxCommitBytes: 16 * 1024 * 1024, maxBatch: 100 };
  readonly #file: FileHandle;
  readonly #wrong: Wrong;
  readonly #conversations = new Map<string, Conversation>();
  readonly #unwritten: string[] = [];
  readonly #held = new Map<string, Set<string>>();
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(file: FileHandle, text: string, wrong: Wrong) {
    this.#file = file;
    this.#wrong = wrong;
    for (const line of text.split("\n").slice(0, -1)) this.#apply(JSON.parse(line) as Line, true);
  }

  async heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    this.#refuse();
    return ids.map((id) => this.#conversations.get(id)?.head);
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    this.#refuse();
    return this.#alone(async () => {
      const outcomes = commits.map((commit) => this.#decide(commit));
      const parts = commits.filter((_, index) => outcomes[index]?.status === "committed");
      if (parts.length > 0) await this.#write(parts);
      return outcomes;
    });
  }

  async messages(id: string, from: number, to: number): Promise<StoredMessage[]> {
    this.#refuse();
    return (this.#conversations.get(id)?.messages ?? []).filter(({ seq }) => seq >= from && seq <= to);
  }

  async marks(id: string, after: number, limit: number): Promise<Mark[]> {
    this.#refuse();
    const marks = this.#conversations.get(id)?.marks ?? [];
    return marks.filter(({ version }) => version > after).slice(0, limit);
  }

  async keys(id: string, keys: readonly string[]): Promise<KeyRecord[]> {
    this.#refuse();
    return keys.flatMap((key) => this.#conversations.get(id)?.keys.get(key) ?? []);
  }

  async list({ limit, labels, after }: Parameters<Driver["list"]>[0]): ReturnType<Driver["list"]> {
    this.#refuse();
    const order = ({ updatedAt, id }: { updatedAt: number; id: string }): string =>
      `${String(Number.MAX_SAFE_INTEGER - updatedAt).padStart(17, "0")}${id}`;
    const heads = [...this.#conversations.values()]
      .map(({ head }) => head)
      .filter((head) => !head.purged && labels.every((label) => head.labels.includes(label)))
      .filter((head) => after === undefined || order(head) > order(after))
      .sort((a, b) => (order(a) < order(b) ? -1 : 1));
    const page = heads.slice(0, limit);
    const last = page.at(-1);
    return last === undefined || page.length === heads.length
      ? { heads: page }
      : { heads: page, next: { updatedAt: last.updatedAt, id: last.id } };
  }

  async prune(id: string, below: number): Promise<void> {
    this.#refuse();
    await this.#alone(async () => {
      this.#apply({ prune: id, below });
      await this.#put({ prune: id, below });
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#wrong !== "drops-running") await this.#writing;
    if (this.#wrong === "writes-at-close") await this.#file.appendFile(this.#unwritten.join(""));
    await this.#file.close();
  }

  #decide({ id, base, head, keys }: Commit): CommitOutcome {
    const present = this.#conversations.get(id);
    if ((present?.head.revision ?? 0) !== base) return { status: "conflict", head: present?.head };
    if (head.purged || present === undefined) return { status: "committed" };
    const known = this.#wrong === "forgets-keys" ? this.#held.get(id) : present.keys;
    const held = keys.flatMap(({ key }) => (known?.has(key) ? (present.keys.get(key) ?? []) : []));
    return held.length > 0 ? { status: "duplicate", held } : { status: "committed" };
  }

  async #write(parts: readonly Commit[]): Promise<void> {
    if (this.#wrong === "messages-apart") {
      await this.#put({ parts: parts.map(({ id, head, marks, keys }) => ({ id, head, marks, keys })) });
      await this.#put({ parts: parts.map(({ id, messages }) => ({ id, messages })) });
    } else if (this.#wrong === "commits-apart") {
      // Not wrong: the commits of a call are independent.
      for (const part of parts) await this.#put({ parts: [part] });
    } else {
      await this.#put({ parts });
    }
    this.#apply({ parts });
  }

  async #put(line: Line): Promise<void> {
    const text = `${JSON.stringify(line)}\n`;
    if (this.#wrong === "writes-at-close") {
      this.#unwritten.push(text);
    } else if (this.#wrong === "writes-later") {
      setImmediate(() => void this.#file.appendFile(text));
    } else if (this.#wrong === "writes-after-a-while") {
      setTimeout(() => void this.#file.appendFile(text), 3);
    } else {
      await this.#file.appendFile(text);
    }
  }

  #apply(line: Line, read = false): void {
    if ("prune" in line) {
      const present = this.#conversations.get(line.prune);
      if (present === undefined) return;
      const first = Math.min(line.below, present.head.firstSeq);
      present.messages = present.messages.filter(({ seq }) => seq >= first);
      const oldest = present.messages[0]?.version ?? present.head.version + 1;
      const summary = present.marks.findLast(({ kind }) => kind === "compaction");
      present.marks = present.marks.filter((mark) => mark.version >= oldest || mark === summary);
      return;
    }
    for (const { id, head, messages = [], marks = [], keys = [] } of line.parts) {
      if (head?.purged === true) {
        this.#conversations.delete(id);
        if (read && this.#wrong === "forgets-purges") continue;
      }
      let present = this.#conversations.get(id);
      if (present === undefined) {
        if (head === undefined) continue;
        present = { head, messages: [], marks: [], keys: new Map() };
        this.#conversations.set(id, present);
      }
      present.head = head ?? present.head;
      present.messages.push(...messages);
      if (!read || this.#wrong !== "forgets-marks") present.marks.push(...marks);
      const held = this.#held.get(id) ?? new Set();
      this.#held.set(id, held);
      for (const record of keys) {
        present.keys.set(record.key, record);
        if (!read) held.add(record.key);
      }
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(work);
    this.#writing = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #refuse(): void {
    if (this.#closed) throw new Error("the driver is closed");
  }
}

async function open(url: string): Promise<Driver> {
  const [, wrong, path] = /^file-([a-z-]+):(.*)$/.exec(url) ?? [];
  if (wrong === undefined || path === undefined) throw new TypeError(`${url} names no file`);
  const text = readFileSync(path, "utf8");
  // What a kill left of the last line was never acknowledged.
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole !== text) writeFileSync(path, whole);
  return new FileDriver(await openFile(path, "a"), whole, wrong as Wrong);
}

export function fileSubject(wrong: Wrong = "no") {
  return {
    name: "file",
    traits: { durable: true, shared: false, watch: false },
    module: import.meta.url,
    createDatabase: async () => {
      const folder = mkdtempSync(join(tmpdir(), "fastpaca-file-"));
      writeFileSync(join(folder, "log"), "");
      return {
        url: `file-${wrong}:${join(folder, "log")}`,
        drop: async () => rmSync(folder, { recursive: true }),
      };
    },
    open,
  };
}

export default fileSubject();

import { open, rename, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { DriverUnavailableError, type DriverOpenOptions } from "@fastpaca/core";
import type { Change } from "./conversations.js";

/** Hears what an operator should know. */
export type Report = NonNullable<DriverOpenOptions["log"]>;

export const silent: Report = () => undefined;

const NEWLINE = 0x0a;

/** One file that only grows: a line for each change, `["CHECKSUM",SYNCED,CHANGE]`. */
export class Log {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #report: Report;
  /** Bytes that are on disk for good. */
  #size: number;
  /** Behind them there may be remains of a write that failed. */
  #torn = false;

  private constructor(file: FileHandle, path: string, size: number, report: Report) {
    this.#file = file;
    this.#path = path;
    this.#report = report;
    this.#size = size;
  }

  /**
   * Opens the file, hands over each change in it, and cuts off what a crash left of the last write.
   *
   * @throws Error where a change is damaged that once was on disk for good
   */
  static async open(path: string, read: (change: Change) => void, report: Report = silent): Promise<Log> {
    // Each write goes to the end of the file, wherever that is.
    const file = await open(path, "a+");
    try {
      let end = 0;
      let damaged = false;
      for await (const [line, at] of lines(file)) {
        const record = decode(line);
        damaged ||= record === undefined;
        if (record !== undefined && !damaged) {
          read(record.change);
          end = at + line.length;
        } else if (record !== undefined && record.synced > end) {
          // Written after the damaged line had been acknowledged, so this is not the remains of a last write.
          throw new Error(`${path} is damaged at byte ${end}; restore it from a backup`);
        }
      }
      await file.truncate(end);
      // What was read may have been in the operating system's memory only, and from now on readers see it.
      await file.sync();
      await syncFolder(dirname(path));
      return new Log(file, path, end, report);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Writes changes down for good: when this resolves to `written`, they are on disk. `unknown`: they may be there when
   * the file is opened again, or may not.
   *
   * @throws DriverUnavailableError when they certainly are not
   */
  async append(changes: readonly Change[]): Promise<"written" | "unknown"> {
    // What a failed write left may be these same changes, handed over again.
    if (!(await this.#isWhole())) return "unknown";
    const bytes = Buffer.concat(changes.map((change) => encode(change, this.#size)));
    try {
      await this.#file.appendFile(bytes);
      // Without this the bytes are in the operating system's memory, and nothing has been promised yet.
      await this.#file.datasync();
    } catch (cause) {
      this.#torn = true;
      if (!(await this.#isWhole())) return "unknown";
      throw new DriverUnavailableError(`${this.#path} could not be written`, { cause });
    }
    this.#size += bytes.length;
    return "written";
  }

  /** Whether the file ends where it should. Tries to cut off what a failed write left, as often as it is asked. */
  async #isWhole(): Promise<boolean> {
    if (!this.#torn) return true;
    try {
      await this.#file.truncate(this.#size);
      await this.#file.sync();
      this.#torn = false;
    } catch (error) {
      this.#report("error", `${this.#path} could not be repaired: ${String(error)}`);
    }
    return !this.#torn;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Writes a new file beside the old one; {@link replaceLog} puts it into its place. */
export async function writeLog(path: string, changes: Iterable<Change>): Promise<void> {
  const file = await open(path, "w");
  try {
    let size = 0;
    for (const change of changes) {
      const bytes = encode(change, size);
      await file.appendFile(bytes);
      size += bytes.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** From here on the new file is the log, also after a power failure. */
export async function replaceLog(path: string, by: string): Promise<void> {
  await rename(by, path);
  await syncFolder(dirname(path));
}

/** A file is in its folder for good once the folder is synced, too. Windows does so by itself, and refuses to be asked. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** `synced`: bytes of the file that are on disk before this line is written. */
function encode(change: Change, synced: number): Buffer {
  const payload = `${synced},${JSON.stringify(change)}`;
  return Buffer.from(`["${checksum(payload)}",${payload}]\n`);
}

/** Undefined for a line that is not as it was written. */
function decode(line: Buffer): { readonly synced: number; readonly change: Change } | undefined {
  const match = /^\["([0-9a-f]{8})",((\d+),(.*))\]\n$/s.exec(line.toString());
  if (match === null) return undefined;
  const [, expected, payload = "", synced, change = ""] = match;
  if (checksum(payload) !== expected) return undefined;
  return { synced: Number(synced), change: JSON.parse(change) };
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/**
 * The lines of a file, each with the newline that ends it, and where it starts. Split as bytes: Node's `readline` takes
 * U+2028 for the end of a line, which any message may hold.
 */
async function* lines(file: FileHandle): AsyncGenerator<readonly [Buffer, number]> {
  let at = 0;
  let pending: Buffer[] = [];
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
    let rest: Buffer = chunk;
    for (let newline = rest.indexOf(NEWLINE); newline >= 0; newline = rest.indexOf(NEWLINE)) {
      const line = Buffer.concat([...pending, rest.subarray(0, newline + 1)]);
      yield [line, at];
      at += line.length;
      pending = [];
      rest = rest.subarray(newline + 1);
    }
    if (rest.length > 0) pending.push(rest);
  }
}

import { FastpacaError } from "../errors.js";
import type { Command } from "../semantics/commands.js";
import { Mailbox, type MailboxParts, type Written } from "./mailbox.js";

/** Longest that a command may wait for its commit, in milliseconds. */
const DEADLINE = 10_000;
/** How often commands are looked at that wait longer than that, in milliseconds. */
const SWEEP = 500;
/** Commands and bytes that may wait at the same time, over all conversations. */
const MAX_WAITING = 20_000;
const MAX_WAITING_BYTES = 128 * 1024 * 1024;
/** Bytes a commit takes beside its messages: head, marks and keys at their largest. */
const COMMIT_OVERHEAD = 64 * 1024;

/**
 * The writing half of the store: takes commands, within bounds, and runs the mailboxes of their conversations.
 */
export class Writer {
  readonly #parts: MailboxParts;
  readonly #mailboxes = new Map<string, Mailbox>();
  #ready: Mailbox[] = [];
  #waiting = 0;
  #waitingBytes = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor(parts: MailboxParts) {
    this.#parts = parts;
  }

  /** Commands that were taken and not answered yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * @param bytes of what the command adds to a commit, at most
   * @throws FastpacaError what the command was refused for; `unavailable` when nothing was applied,
   * `outcome_unknown` when that is not certain
   */
  execute(id: string, command: Command, bytes: number): Promise<Written> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(bytes);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      this.#waiting += 1;
      this.#waitingBytes += bytes;
      this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP);
      const settle = (outcome: Written | FastpacaError): void => {
        this.#waiting -= 1;
        this.#waitingBytes -= bytes;
        if (outcome instanceof FastpacaError) reject(outcome);
        else resolve(outcome);
        if (this.#waiting === 0) this.#rest();
      };
      const deadline = performance.now() + DEADLINE;
      this.#mailbox(id).push({ command, bytes, deadline, settle });
    });
  }

  /** Takes no more commands; resolves when all that were taken are answered. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#waiting > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #refusal(bytes: number): FastpacaError | undefined {
    if (this.#closed) return new FastpacaError("unavailable", "the store is shutting down");
    if (bytes + COMMIT_OVERHEAD > this.#parts.maxCommitBytes) {
      return new FastpacaError("payload_too_large", "the write is larger than the database takes");
    }
    if (this.#waiting >= MAX_WAITING || this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      return new FastpacaError("unavailable", "too many writes are waiting");
    }
    return undefined;
  }

  #mailbox(id: string): Mailbox {
    const open = this.#mailboxes.get(id);
    if (open !== undefined) return open;
    const mailbox = new Mailbox(id, this.#parts);
    this.#mailboxes.set(id, mailbox);
    // All that arrives in one turn of the event loop shares commits and calls of the driver.
    if (this.#ready.push(mailbox) === 1) setImmediate(() => this.#runReady());
    return mailbox;
  }

  #runReady(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const mailbox of ready) void mailbox.drain(() => this.#mailboxes.delete(mailbox.id));
    this.#parts.batcher.flush();
  }

  #sweep(): void {
    const now = performance.now();
    for (const mailbox of this.#mailboxes.values()) mailbox.expire(now);
    this.#parts.batcher.expire(now);
  }

  #rest(): void {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}

import type { Mark } from "../driver.js";
import type { Conversation } from "../semantics/conversation.js";
import { rangeIn } from "../semantics/message.js";
import { needsCompaction } from "../semantics/window.js";

export type FrameType =
  | "message"
  | "compaction"
  | "reset"
  | "config"
  | "context"
  | "gap"
  | "tombstoned"
  | "ping";

/** Characters of frames handed out at a time: the frame that passes this is the last one. */
export const BATCH_LENGTH = 256 * 1024;

/** Something a stream tells, encoded once for all who are told. */
export class Frame {
  readonly type: FrameType;
  /** Position of the event; of the state that a `context` frame describes. */
  readonly version: number;
  /** Of the message, in a `message` frame. */
  readonly seq: number | undefined;
  /** The frame as JSON text; empty where the event has no frame of its own. */
  readonly json: string;
  #bytes: Buffer | undefined;
  #eventBytes: Buffer | undefined;

  constructor(type: FrameType, version: number, json: string, seq?: number) {
    this.type = type;
    this.version = version;
    this.json = json;
    this.seq = seq;
  }

  /** For a WebSocket. */
  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(this.json);
    return this.#bytes;
  }

  /** As a server-sent event, whose id is where to resume behind it. */
  get eventBytes(): Buffer {
    const id = this.type === "tombstoned" || this.type === "ping" ? "" : `id: ${this.version}\n`;
    this.#eventBytes ??= Buffer.from(`${id}event: ${this.type}\ndata: ${this.json}\n\n`);
    return this.#eventBytes;
  }
}

export const PING = new Frame("ping", 0, '{"type":"ping"}');
/** Marks no position, whence version 0. */
export const TOMBSTONED = new Frame("tombstoned", 0, '{"type":"tombstoned","version":0}');

/** @param text the message as readers get it */
export function messageFrame(version: number, seq: number, text: string): Frame {
  const json = `{"type":"message","version":${version},"seq":${seq},"message":${text}}`;
  return new Frame("message", version, json, seq);
}

export function markFrame({ kind, version, body }: Mark): Frame {
  switch (kind) {
    case "compaction":
      return new Frame(kind, version, `{"type":"compaction","version":${version},"range":${rangeIn(body)}}`);
    case "reset":
      return new Frame(kind, version, `{"type":"reset","version":${version}}`);
    case "config":
      return new Frame(kind, version, "");
  }
}

/** The state of a context; undefined for a conversation without a window. */
export function contextFrame({ window, version }: Conversation): Frame | undefined {
  if (window === undefined) return undefined;
  const due = needsCompaction(window, window.used);
  const json = `{"type":"context","version":${version},"needs_compaction":${due},"used_tokens":${window.used}}`;
  return new Frame("context", version, json);
}

/**
 * Continuity cannot be given.
 * @param expected the version that should have come next
 * @param actual the version that the stream goes on from
 * @param resume the cursor that it goes on behind
 */
export function gapFrame(expected: number, actual: number, resume: number): Frame {
  return new Frame("gap", resume, `{"type":"gap","expected":${expected},"actual":${actual}}`);
}

import type { Mark } from "../driver.js";
import type { Conversation } from "../semantics/conversation.js";
import { existing } from "../semantics/commands.js";
import { PrunedError, type CachedConversation } from "./cached-conversation.js";
import { BATCH_LENGTH, markFrame, messageFrame, type Frame } from "./frame.js";

/** Marks read at a time: that of a compaction can be as large as a request. */
const MARKS = 16;

/** A place in a log. */
export interface Cursor {
  /** The last event that was read. */
  readonly version: number;
  /** The last message up to there, where it is known. */
  readonly seq: number | undefined;
}

export interface Events {
  readonly frames: readonly Frame[];
  /** Behind the last of them. */
  readonly cursor: Cursor;
}

/**
 * Frames of the events behind a cursor, in order and without holes: at most `limit`, and as many as are handed out at
 * a time; at least one where there is one.
 * @throws PrunedError when they are not kept any more
 */
export async function readEvents(cached: CachedConversation, cursor: Cursor, limit: number): Promise<Events> {
  const conversation = existing(cached.conversation, "conversation");
  const after = cursor.version;
  const marks = await marksAfter(cached, conversation, after);
  const before = cursor.seq ?? (await seqAt(cached, conversation, after, marks));
  const messages = await cached.messages(before + 1, Math.min(before + limit, conversation.lastSeq));

  const frames: Frame[] = [];
  let seq = before;
  let mark = 0;
  let length = 0;
  for (let version = after + 1; frames.length < limit && length < BATCH_LENGTH; version++) {
    const message = messages[seq - before];
    const next = marks[mark];
    if (message?.stored.version === version) {
      seq += 1;
      frames.push(messageFrame(version, seq, message.text));
    } else if (next?.version === version) {
      frames.push(markFrame(next));
      mark += 1;
    } else {
      break;
    }
    length += frames.at(-1)?.json.length ?? 0;
  }
  // A mark that is gone is missed here, and counted as a message above.
  if (frames.length === 0 && after < conversation.version)
    throw new PrunedError(`${cached.id} has nothing behind version ${after} any more`);
  return { frames, cursor: { version: after + frames.length, seq } };
}

/**
 * As {@link readEvents}, but only those that are no messages, at most {@link MARKS}; the cursor moves past the
 * messages between them.
 */
export async function readMarks(cached: CachedConversation, { version: after }: Cursor): Promise<Events> {
  const conversation = existing(cached.conversation, "conversation");
  const marks = await marksAfter(cached, conversation, after);
  const last = marks.length === MARKS ? marks.at(-1)?.version : undefined;
  return { frames: marks.map(markFrame), cursor: { version: last ?? conversation.version, seq: undefined } };
}

/**
 * Where continuity begins again for a cursor whose next event was trimmed: everything before the oldest message that
 * is kept is gone. Undefined for a cursor that can be served.
 */
export async function trimmedTo(
  cached: CachedConversation,
  { version: after }: Cursor,
): Promise<Cursor | undefined> {
  const { firstSeq, lastSeq, version } = existing(cached.conversation, "conversation");
  if (firstSeq === 1) return undefined;
  const [oldest] = await cached.messages(firstSeq, Math.min(firstSeq, lastSeq));
  const next = oldest?.stored.version ?? version + 1;
  return after + 1 < next ? { version: next - 1, seq: firstSeq - 1 } : undefined;
}

/** The first marks behind a version. */
async function marksAfter(
  cached: CachedConversation,
  conversation: Conversation,
  after: number,
): Promise<Mark[]> {
  const { version, lastSeq } = conversation;
  if (version === lastSeq || after >= version) return [];
  const marks = await cached.marks(after, MARKS);
  // Commits that landed meanwhile are not part of this reading.
  return marks.filter((mark) => mark.version <= version);
}

/**
 * The last message up to a version: the version less the marks up to it, which are all marks less those behind it.
 * Where those are many, it is searched for among the messages, each of which knows its version.
 */
async function seqAt(
  cached: CachedConversation,
  { version, lastSeq, firstSeq }: Conversation,
  at: number,
  marksBehind: readonly Mark[],
): Promise<number> {
  const marks = version - lastSeq;
  if (marksBehind.length < MARKS) return at - (marks - marksBehind.length);
  let low = Math.max(firstSeq - 1, at - marks);
  let high = Math.min(at, lastSeq);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const [message] = await cached.messages(middle, middle);
    if (message !== undefined && message.stored.version <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

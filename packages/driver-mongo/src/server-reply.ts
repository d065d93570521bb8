/** What a write command answers, as far as it is used. */
export interface WriteReply {
  /** Documents inserted, or matched by updates. */
  readonly n: number;
  readonly errors: readonly WriteError[];
  /** Why what was applied may not be durable yet. */
  readonly doubt: string | undefined;
}

/** Why one of the documents was not written. */
export interface WriteError {
  readonly index: number;
  readonly code: number;
  readonly message: string;
  /** Fields of the unique index that was in the way. */
  readonly fields: readonly string[];
}

export const DUPLICATE_KEY = 11000;

/**
 * Reads the answer of an insert or update. The message of a duplicate quotes what users wrote, so that nothing can be
 * concluded from its words: which index it was is told by the fields.
 */
export function readWriteReply(reply: Readonly<Record<string, unknown>>): WriteReply {
  const { n, writeErrors, writeConcernError } = reply;
  return {
    n: typeof n === "number" ? n : 0,
    errors: Array.isArray(writeErrors) ? writeErrors.map(readWriteError) : [],
    doubt: isRecord(writeConcernError) ? String(writeConcernError["errmsg"]) : undefined,
  };
}

/** Conversations of the commits that a single batch of a find shows. */
export function readConversations({ cursor }: Readonly<Record<string, unknown>>): string[] {
  const batch = isRecord(cursor) ? cursor["firstBatch"] : undefined;
  if (!Array.isArray(batch)) throw new Error("MongoDB answers a find without a batch");
  return batch.map((document: unknown) => {
    const id = isRecord(document) ? document["_id"] : undefined;
    if (!isRecord(id) || typeof id["c"] !== "string") throw new Error("a commit is of no conversation");
    return id["c"];
  });
}

function readWriteError(value: unknown): WriteError {
  if (!isRecord(value) || typeof value["index"] !== "number")
    throw new Error("MongoDB reports an error of nothing");
  const { index, code, errmsg, keyPattern } = value;
  return {
    index,
    code: typeof code === "number" ? code : 0,
    message: String(errmsg),
    fields: isRecord(keyPattern) ? Object.keys(keyPattern) : [],
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

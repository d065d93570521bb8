/** Servers to compare with: what somebody would write who needs no more than this. */
import { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import fastify, { type FastifyInstance } from "fastify";
import { MongoClient } from "mongodb";
import pg from "pg";
import { rowInserter } from "./plain-rows.js";
import { appendBodySchema } from "./workload.js";

type Append = (id: string, body: string, key: string | undefined) => Promise<number>;

/**
 * A transaction for each append, over Postgres: locks the conversation, inserts the message, moves the conversation on,
 * commits. Conversations are created by their first append.
 */
export async function transactionServer(url: string): Promise<FastifyInstance> {
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  await pool.query(`CREATE TABLE plain_conversations (
    id text PRIMARY KEY, last_seq bigint NOT NULL, updated_at timestamptz NOT NULL)`);
  await pool.query(`CREATE TABLE plain_messages (
    id text, seq bigint, body json NOT NULL, key text, inserted_at timestamptz NOT NULL, PRIMARY KEY (id, seq))`);
  await pool.query("CREATE UNIQUE INDEX ON plain_messages (id, key) WHERE key IS NOT NULL");
  const app = appendServer(async (id, body) => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query(
        "INSERT INTO plain_conversations VALUES ($1, 0, now()) ON CONFLICT (id) DO NOTHING",
        [id],
      );
      const { rows } = await client.query<{ last_seq: string }>(
        "SELECT last_seq FROM plain_conversations WHERE id = $1 FOR UPDATE",
        [id],
      );
      const seq = Number(rows[0]?.last_seq ?? 0) + 1;
      await client.query("INSERT INTO plain_messages VALUES ($1, $2, $3, $4, now())", [id, seq, body, null]);
      await client.query("UPDATE plain_conversations SET last_seq = $2, updated_at = now() WHERE id = $1", [
        id,
        seq,
      ]);
      await client.query("COMMIT");
      return seq;
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    } finally {
      client.release();
    }
  });
  app.addHook("onClose", () => pool.end());
  return app;
}

/** Commits one row for each append, and nothing else: the least that a durable append can cost. */
export async function singleRowServer(url: string): Promise<FastifyInstance> {
  const { append, close } = url.startsWith("sqlite:")
    ? sqliteRows(url.slice("sqlite:".length))
    : url.startsWith("mongodb")
      ? await mongoRows(url)
      : await postgresRows(url);
  const app = appendServer(append);
  app.addHook("onClose", close);
  return app;
}

function appendServer(append: Append): FastifyInstance {
  const app = fastify();
  app.post<{ Params: { id: string }; Body: { message: object } }>(
    "/v1/contexts/:id/messages",
    { schema: { body: appendBodySchema } },
    async (request, reply) => {
      const key = request.headers["idempotency-key"];
      const seq = await append(
        request.params.id,
        JSON.stringify(request.body.message),
        typeof key === "string" ? key : undefined,
      );
      return reply
        .code(201)
        .header("content-type", "application/json; charset=utf-8")
        .send(`{"seq":${seq},"version":${seq},"token_count":24,"token_estimate":24}`);
    },
  );
  return app;
}

interface Rows {
  readonly append: Append;
  readonly close: () => Promise<void>;
}

function sqliteRows(file: string): Rows {
  const database = new DatabaseSync(`${file}.plain`);
  const insert = rowInserter(database);
  return {
    append: (id, body) => Promise.resolve(insert(id, body)),
    close: () => {
      database.close();
      return Promise.resolve();
    },
  };
}

/**
 * The same over SQLite in a thread of its own, as every server needs it that answers others while the disk writes:
 * what such a server costs at least.
 */
export function threadedRowServer(url: string): FastifyInstance {
  const file = `${url.slice("sqlite:".length)}.plain-thread`;
  const thread = new Worker(new URL("./row-thread.js", import.meta.url), { workerData: file });
  const waiting = new Map<number, (seq: number) => void>();
  let calls = 0;
  thread.on("message", ([call, seq]: [number, number]) => {
    waiting.get(call)?.(seq);
    waiting.delete(call);
  });
  const app = appendServer((id, body) => {
    calls += 1;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    thread.postMessage([calls, id, body]);
    return new Promise((resolve) => waiting.set(calls, resolve));
  });
  app.addHook("onClose", async () => {
    await thread.terminate();
  });
  return app;
}

async function postgresRows(url: string): Promise<Rows> {
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  await pool.query(
    "CREATE TABLE plain_rows (seq bigserial PRIMARY KEY, id text NOT NULL, body json NOT NULL)",
  );
  return {
    append: async (id, body) => {
      const { rows } = await pool.query<{ seq: string }>({
        name: "insert",
        text: "INSERT INTO plain_rows (id, body) VALUES ($1, $2) RETURNING seq",
        values: [id, body],
      });
      return Number(rows[0]?.seq);
    },
    close: () => pool.end(),
  };
}

async function mongoRows(url: string): Promise<Rows> {
  const client = await MongoClient.connect(url);
  const rows = client.db().collection<{ id: string; body: string }>("plain_rows", {
    writeConcern: { w: "majority", journal: true },
  });
  let seq = 0;
  return {
    append: async (id, body) => {
      await rows.insertOne({ id, body });
      return (seq += 1);
    },
    close: () => client.close(),
  };
}

/** Bulk inserts at the same time: one is prepared by the database while another one is synced. As many as Fastpaca has. */
const BULK_CALLS = 2;
/** Bytes of BSON that a commit of one message takes in Fastpaca's collection beside id, message and key. */
const COMMIT_BYTES = 540;

/**
 * Gathers appends into bulk inserts of a document each, over MongoDB: documents as large as Fastpaca's, acknowledged
 * from the journal like its own, with an index of `_id` and a unique one of the idempotency key, without which a
 * repetition would be inserted twice. Checks nothing and reads nothing: what remains is what MongoDB and its client cost.
 */
export async function bulkServer(url: string): Promise<FastifyInstance> {
  const client = await MongoClient.connect(url, { retryWrites: false });
  const db = client.db();
  const hello = await db.command({ hello: 1 });
  // A single server that is asked for a majority answers before its journal is written.
  const w = hello["setName"] === undefined && hello["msg"] !== "isdbgrid" ? 1 : "majority";
  const rows = db.collection<BulkRow>("plain_bulk", { writeConcern: { w, journal: true } });
  await rows.createIndex(
    { "_id.c": 1, k: 1 },
    { unique: true, partialFilterExpression: { k: { $exists: true } } },
  );
  const filler = "x".repeat(COMMIT_BYTES);
  let waiting: Waiting[] = [];
  let running = 0;
  let revision = 0;
  const start = async (): Promise<void> => {
    while (waiting.length > 0 && running < BULK_CALLS) {
      const batch = waiting;
      waiting = [];
      running += 1;
      try {
        await rows.insertMany(
          batch.map(({ row }) => row),
          { ordered: false },
        );
        for (const { row, landed } of batch) landed(row._id.r);
      } catch (error) {
        for (const { failed } of batch) failed(error);
      } finally {
        running -= 1;
      }
    }
  };
  const app = appendServer((c, body, key) => {
    revision += 1;
    const row: BulkRow = { _id: { c, r: revision }, t: `${body}${filler}` };
    if (key !== undefined) row.k = key;
    return new Promise((landed, failed) => {
      waiting.push({ row, landed, failed });
      if (waiting.length === 1) setImmediate(() => void start());
    });
  });
  app.addHook("onClose", () => client.close());
  return app;
}

interface BulkRow {
  _id: { c: string; r: number };
  /** The message, and as much again as a commit holds beside it. */
  t: string;
  k?: string;
}

interface Waiting {
  readonly row: BulkRow;
  readonly landed: (revision: number) => void;
  readonly failed: (error: unknown) => void;
}

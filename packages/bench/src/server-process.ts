/** One server in a process of its own, as a benchmark's subject. Told what to do over IPC. */
import { createStore, type Driver, type Store } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import memory from "@fastpaca/driver-memory";
import mongo from "@fastpaca/driver-mongo";
import postgres from "@fastpaca/driver-postgres";
import sqlite from "@fastpaca/driver-sqlite";
import fastify, { type FastifyInstance } from "fastify";
import { WebSocketServer } from "ws";
import { bulkServer, singleRowServer, threadedRowServer, transactionServer } from "./plain-servers.js";
import { appendBodySchema, message } from "./workload.js";

/** `bare`: stores nothing. `fastpaca`: the product. All others: see plain-servers. */
export type ServerName = "bare" | "fastpaca" | "transactions" | "single-row" | "threaded-row" | "bulk";

export type ServerRequest =
  | { readonly do: "start"; readonly server: ServerName; readonly store: string }
  /** Contexts `PREFIX0` … with this many messages each. */
  | { readonly do: "fill"; readonly prefix: string; readonly contexts: number; readonly messages: number }
  /** So many contexts more in a database that no server has open yet. */
  | { readonly do: "crowd"; readonly store: string; readonly contexts: number }
  /** What the bare server answers to GET /constant. */
  | { readonly do: "constant"; readonly text: string }
  | { readonly do: "cpu" };

export interface ServerReply {
  readonly port?: number;
  /** Seconds of processor time since the process began. */
  readonly cpu?: number;
  readonly error?: string;
}

let constant = "{}";
let store: Store | undefined;

async function bare(): Promise<FastifyInstance> {
  const app = fastify();
  broadcastAppends(app);
  app.put("/v1/contexts/:id", async () => ({ ok: true }));
  app.post("/v1/contexts/:id/messages", { schema: { body: appendBodySchema } }, async (_request, reply) =>
    reply
      .code(201)
      .header("content-type", "application/json; charset=utf-8")
      .send('{"seq":1000,"version":1000,"token_count":24,"token_estimate":24}'),
  );
  app.get("/constant", async (_request, reply) =>
    reply.header("content-type", "application/json; charset=utf-8").send(constant),
  );
  return app;
}

/** Appends that are nothing but broadcast, to everybody who has opened a WebSocket. */
function broadcastAppends(app: FastifyInstance): void {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  app.server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, () => undefined);
  });
  let version = 0;
  app.post<{ Body: { message: object } }>(
    "/v1/conversations/:id/messages",
    { schema: { body: appendBodySchema } },
    async (request, reply) => {
      version += 1;
      const { message } = request.body;
      const stored = {
        ...message,
        seq: version,
        version,
        inserted_at: new Date().toISOString(),
        token_count: 24,
      };
      const frame = Buffer.from(JSON.stringify({ type: "message", version, seq: version, message: stored }));
      for (const socket of sockets.clients) socket.send(frame, { binary: false });
      return reply
        .code(201)
        .header("content-type", "application/json; charset=utf-8")
        .send(`{"seq":${version},"version":${version},"token_count":24,"token_estimate":24}`);
    },
  );
}

function openDriver(url: string): Promise<Driver> {
  const scheme = url.slice(0, url.indexOf(":"));
  const driver = [memory, sqlite, postgres, mongo].find(({ schemes }) => schemes.includes(scheme));
  if (driver === undefined) throw new Error(`there is no driver for ${scheme}:`);
  return driver.open(url);
}

async function startServer(server: ServerName, url: string): Promise<FastifyInstance> {
  switch (server) {
    case "bare":
      return bare();
    case "fastpaca":
      store = createStore({ driver: await openDriver(url) });
      return createServer({ store });
    case "transactions":
      return transactionServer(url);
    case "single-row":
      return singleRowServer(url);
    case "threaded-row":
      return threadedRowServer(url);
    case "bulk":
      return bulkServer(url);
  }
}

/** Contexts that nobody speaks to, as many as there may be beside those that are busy. */
async function crowd(url: string, contexts: number): Promise<void> {
  const driver = await openDriver(url);
  const other = createStore({ driver, cacheBytes: 1024 * 1024 });
  const size = 1000;
  for (let done = 0; done < contexts; done += size) {
    await Promise.all(
      Array.from({ length: Math.min(size, contexts - done) }, (_, index) =>
        other.contexts.put(`crowd-${(done + index) * 7919}`, { metadata: { user: `u${index}` } }),
      ),
    );
  }
  await other.close();
}

async function fill(prefix: string, contexts: number, messages: number): Promise<void> {
  if (store === undefined) return;
  const { contexts: served } = store;
  const ids = Array.from({ length: contexts }, (_, context) => `${prefix}${context}`);
  await Promise.all(ids.map((id) => served.put(id, { token_budget: 1_000_000 })));
  for (const id of messages === 0 ? [] : ids) {
    for (let done = 0; done < messages; done += 1000) {
      const batch = Array.from({ length: Math.min(1000, messages - done) }, (_, index) =>
        message(done + index),
      );
      await served.append(id, { messages: batch });
    }
  }
}

async function handle(request: ServerRequest): Promise<ServerReply> {
  switch (request.do) {
    case "start": {
      const app = await startServer(request.server, request.store);
      await app.listen({ host: "127.0.0.1", port: 0 });
      const address = app.server.address();
      if (typeof address !== "object" || address === null) throw new Error("the server has no port");
      return { port: address.port };
    }
    case "fill":
      await fill(request.prefix, request.contexts, request.messages);
      return {};
    case "crowd":
      await crowd(request.store, request.contexts);
      return {};
    case "constant":
      constant = request.text;
      return {};
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return { cpu: (user + system) / 1e6 };
    }
  }
}

process.on("message", (request: ServerRequest) => {
  handle(request).then(
    (reply) => process.send?.(reply),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));

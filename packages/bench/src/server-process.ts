/** One server in a process of its own, as a benchmark's subject: `bare` or `fastpaca`. Told what to do over IPC. */
import { createStore, type Store } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { openMemory } from "@fastpaca/driver-memory";
import fastify, { type FastifyInstance } from "fastify";
import { WebSocketServer } from "ws";
import { appendBodySchema, message } from "./workload.js";

export type ServerRequest =
  | { readonly do: "start"; readonly server: "bare" | "fastpaca" }
  /** Contexts `PREFIX0` … with this many messages each. */
  | { readonly do: "fill"; readonly prefix: string; readonly contexts: number; readonly messages: number }
  /** What the bare server answers to GET /constant. */
  | { readonly do: "constant"; readonly text: string }
  | { readonly do: "cpu" };

export interface ServerReply {
  readonly port?: number;
  /** Seconds of processor time since the process began. */
  readonly cpu?: number;
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

async function fill(prefix: string, contexts: number, messages: number): Promise<void> {
  if (store === undefined) return;
  for (let context = 0; context < contexts; context++) {
    await store.contexts.put(`${prefix}${context}`, { token_budget: 1_000_000 });
    for (let done = 0; done < messages; done += 1000) {
      const batch = Array.from({ length: Math.min(1000, messages - done) }, (_, index) =>
        message(done + index),
      );
      await store.contexts.append(`${prefix}${context}`, { messages: batch });
    }
  }
}

async function handle(request: ServerRequest): Promise<ServerReply> {
  switch (request.do) {
    case "start": {
      if (request.server === "fastpaca") store = createStore({ driver: openMemory() });
      const app = store === undefined ? await bare() : await createServer({ store });
      await app.listen({ host: "127.0.0.1", port: 0 });
      const address = app.server.address();
      if (typeof address !== "object" || address === null) throw new Error("the server has no port");
      return { port: address.port };
    }
    case "fill":
      await fill(request.prefix, request.contexts, request.messages);
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
  void handle(request).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit(0));

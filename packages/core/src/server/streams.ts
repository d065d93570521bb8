import { ServerResponse, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { WebSocketServer, type WebSocket } from "ws";
import { FastpacaError } from "../errors.js";
import { PING } from "../store/frame.js";
import type { Contexts, Conversations } from "../store/operations.js";
import type { Subscription } from "../store/subscription.js";
import type { StreamInput } from "../store/check.js";
import type { ServerLog } from "./errors.js";
import type { Refusals } from "./refusals.js";
import {
  CLOSE,
  EventConnection,
  pump,
  WebSocketConnection,
  type StreamConnection,
} from "./stream-connection.js";

/** How often clients are pinged, and how long one may be silent, in milliseconds. */
const HEARTBEAT = 30_000;
const SILENCE = 90_000;
/** Largest frame of a client, in bytes: it has no more to say than that it is there. */
const MAX_CLIENT_FRAME = 4096;
/** Longest that streams may take to hand out what happened before a shutdown, in milliseconds. */
const FAREWELL = 5_000;

interface Stream {
  readonly subscription: Subscription;
  readonly connection: StreamConnection;
}

/** A request that asked for a WebSocket. */
interface Upgrade {
  readonly socket: Socket;
  readonly head: Buffer;
}

/** Any other upgrade that a request proposes is ignored, and the request answered as it is. */
export function asksForWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
}

/** All streams of a server: their number, their heartbeats, their end. */
export class Streams {
  readonly #max: number;
  readonly #log: ServerLog | undefined;
  readonly #open = new Set<Stream>();
  readonly #upgrades = new WeakMap<IncomingMessage, Upgrade>();
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_CLIENT_FRAME,
    perMessageDeflate: false,
  });
  #opening = 0;
  #closing = false;
  #heartbeat: NodeJS.Timeout | undefined;

  /** @param max open streams; one more is refused */
  constructor(max: number, log: ServerLog | undefined) {
    this.#max = max;
    this.#log = log;
  }

  /** Streams that are open, or about to be. */
  get count(): number {
    return this.#open.size + this.#opening;
  }

  /**
   * Lets requests to upgrade take the way of any other request, through the same hooks and to the same routes. Where
   * no stream comes of it they are answered as any other, and the connection is closed.
   */
  attach(app: FastifyInstance, refusals: Refusals): void {
    app.server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      socket.on("error", () => socket.destroy());
      if (!asksForWebSocket(request)) {
        refusals.refuse(
          socket,
          new FastpacaError("invalid_request", "upgrade must be websocket", { field: "upgrade" }),
        );
        return;
      }
      this.#upgrades.set(request, { socket, head });
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.on("finish", () => socket.destroySoon());
      try {
        response.assignSocket(socket);
      } catch (error) {
        // Requests before it on the same connection are not answered yet.
        const message = "upgrade must wait for the answers to earlier requests";
        refusals.refuse(
          socket,
          new FastpacaError("invalid_request", message, { field: "upgrade", cause: error }),
        );
        return;
      }
      app.routing(request, response);
    });
    this.#sockets.on("wsClientError", (cause: Error, socket: Socket) => {
      const message = `this is no WebSocket handshake: ${cause.message}`;
      refusals.refuse(socket, new FastpacaError("invalid_request", message, { field: "upgrade", cause }));
    });
  }

  /** Answers a request for a stream: with a WebSocket where it asks to upgrade, else with server-sent events. */
  async serve(
    log: Conversations | Contexts,
    id: string,
    input: StreamInput,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const upgrade = this.#upgrades.get(request.raw);
    if (
      upgrade === undefined &&
      request.headers.accept?.toLowerCase().includes("text/event-stream") !== true
    ) {
      throw new FastpacaError(
        "invalid_request",
        "accept must be text/event-stream, unless a WebSocket is asked for",
        {
          field: "accept",
        },
      );
    }
    this.#opening += 1;
    try {
      const subscription = await log.subscribe(id, input);
      try {
        if (this.#closing) throw new FastpacaError("unavailable", "the server is shutting down");
        if (this.count > this.#max)
          throw new FastpacaError("unavailable", `there are ${this.#max} streams already`);
        reply.hijack();
        const connection =
          upgrade === undefined
            ? new EventConnection(reply.raw)
            : new WebSocketConnection(await this.#handshake(request.raw, reply.raw, upgrade));
        this.#run({ subscription, connection });
      } catch (error) {
        subscription.close();
        throw error;
      }
    } finally {
      this.#opening -= 1;
    }
  }

  /** Hands out what has happened, says goodbye, and ends every stream. */
  async close(): Promise<void> {
    this.#closing = true;
    const ended = [...this.#open].map(
      ({ subscription, connection }) =>
        new Promise<void>((resolve) => {
          connection.onClose(resolve);
          subscription.finish();
        }),
    );
    const timer = setTimeout(() => {
      for (const { connection } of this.#open) connection.terminate();
    }, FAREWELL);
    await Promise.all(ended);
    clearTimeout(timer);
  }

  #handshake(
    request: IncomingMessage,
    response: ServerResponse,
    { socket, head }: Upgrade,
  ): Promise<WebSocket> {
    response.detachSocket(socket);
    return new Promise((resolve, reject) => {
      const left = (): void => reject(new Error("the client left during the handshake"));
      if (socket.destroyed) left();
      else socket.once("close", left);
      this.#sockets.handleUpgrade(request, socket, head, resolve);
    });
  }

  #run(stream: Stream): void {
    const { subscription, connection } = stream;
    this.#open.add(stream);
    this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT);
    connection.onClose(() => {
      subscription.close();
      this.#open.delete(stream);
      if (this.#open.size > 0) return;
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    });
    pump(subscription, connection).then(
      (code) => connection.close(code, ""),
      (error: unknown) => {
        this.#log?.warn({ err: error }, "stream failed");
        connection.close(CLOSE.failed, "the log cannot be read");
      },
    );
  }

  #beat(): void {
    const silent = performance.now() - SILENCE;
    for (const { connection } of this.#open) {
      if (connection.heardAt <= silent) connection.close(CLOSE.silent, "no pong for 90 seconds");
      else connection.ping(PING);
    }
  }
}

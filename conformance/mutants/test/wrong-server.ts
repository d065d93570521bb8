import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { createStore, type Frame, type Store, type StreamInput, type Subscription } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { openMemory } from "@fastpaca/driver-memory";

// oxlint-disable-next-line typescript/no-explicit-any -- what is tampered with has every form
export type Json = Record<string, any>;

export interface Asked {
  method: string;
  /** With the query. */
  url: string;
  headers: Record<string, string>;
  /** As it was sent; undefined where it is no object of JSON. */
  body: Json | undefined;
}

export interface Told {
  status: number;
  headers: Record<string, string>;
  text: string;
  body: Json;
}

/** What makes a server wrong. */
export interface Tampering {
  /** Answers in the place of the server, or changes what it is asked and what it tells. */
  readonly answer?: (asked: Asked, send: (asked: Asked) => Promise<Told>) => Promise<Told>;
  /** Which frames are told in the place of those that are. */
  readonly frames?: (frames: readonly Frame[], stream: Stream) => readonly Frame[];
  /** What a stream is asked for in the place of what it is. */
  readonly stream?: (input: StreamInput) => StreamInput;
  /** Undefined: streams are opened as they should be. */
  readonly upgrade?: (request: IncomingMessage) => void;
}

export interface Stream {
  readonly surface: "contexts" | "conversations";
  readonly input: StreamInput;
  /** Frames that were told before. */
  told: number;
}

export interface Running extends AsyncDisposable {
  readonly url: string;
}

/** Starts the product's server, with somebody in between who changes what it says. */
export async function startServer(
  { answer, frames, stream, upgrade }: Tampering = {},
  apiKey?: string,
): Promise<Running> {
  const store = createStore({ driver: openMemory() });
  const wrong = frames === undefined && stream === undefined ? store : tampered(store, frames, stream);
  const app = await createServer({ store: wrong, ...(apiKey !== undefined && { apiKeys: [apiKey] }) });
  const send = async ({ method, url, headers }: Asked, payload: Buffer | string): Promise<Told> => {
    const { "content-length": _length, "transfer-encoding": _encoding, connection: _, ...kept } = headers;
    const response = await app.inject({
      method: method as "GET",
      url,
      headers: kept,
      ...(payload.length > 0 && { payload }),
    });
    const { statusCode: status, body: text } = response;
    const told = Object.entries(response.headers).filter(
      ([name]) => !["content-length", "connection", "transfer-encoding"].includes(name),
    );
    const got = Object.fromEntries(told.map(([name, value]) => [name, String(value)]));
    return { status, headers: got, text, body: json(text) ?? {} };
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (answer === undefined || request.headers.accept?.includes("text/event-stream") === true) {
      app.server.emit("request", request, response);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    const { method = "", url = "", headers } = request;
    const asked: Asked = {
      method,
      url,
      headers: headers as Record<string, string>,
      body: json(raw.toString()),
    };
    const told = await answer(asked, (changed) => {
      // JSON that is only passed on must not change on the way.
      const payload = changed.body === asked.body ? raw : JSON.stringify(changed.body ?? "");
      return send(changed, changed.method === "GET" ? "" : payload);
    });
    response.writeHead(told.status, told.headers);
    response.end(method === "HEAD" ? "" : told.text);
  };
  const front = createHttpServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  // As long as the product's: one that ends under a request which is on its way would look like the server's fault.
  front.keepAliveTimeout = 72_000;
  front.on("upgrade", (request, socket, head) => {
    upgrade?.(request);
    app.server.emit("upgrade", request, socket, head);
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  const { port } = front.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      front.closeAllConnections();
      front.close();
      await app.close();
      await store.close();
    },
  };
}

function tampered(store: Store, frames: Tampering["frames"], change: Tampering["stream"]): Store {
  const log = (surface: Stream["surface"]): object =>
    new Proxy(store[surface], {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== "subscribe") return typeof value === "function" ? value.bind(target) : value;
        return async (id: string, input: StreamInput): Promise<object> => {
          const subscription = await target.subscribe(id, change === undefined ? input : change(input));
          return frames === undefined
            ? subscription
            : wrongly(subscription, frames, { surface, input, told: 0 });
        };
      },
    });
  const logs = { contexts: log("contexts"), conversations: log("conversations") };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "contexts" || name === "conversations") return logs[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function wrongly(
  subscription: Subscription,
  frames: NonNullable<Tampering["frames"]>,
  stream: Stream,
): Pick<Subscription, "next" | "finish" | "close"> {
  return {
    next: async () => {
      for (;;) {
        const told = await subscription.next();
        if (told.length === 0) return told;
        const changed = frames(told, stream);
        stream.told += told.length;
        // None at all would end the stream.
        if (changed.length > 0) return changed;
      }
    },
    finish: () => subscription.finish(),
    close: () => subscription.close(),
  };
}

/** A frame that says what it is given. */
export function frame(
  fields: { type: string; version?: number; [field: string]: unknown },
  id?: number,
): Frame {
  const text = JSON.stringify(fields);
  const { type, version } = fields;
  const at = id ?? version;
  // It may say what no frame may: that is what a wrong server is for.
  return {
    ...fields,
    json: text,
    bytes: Buffer.from(text),
    eventBytes: Buffer.from(`${at === undefined ? "" : `id: ${at}\n`}event: ${type}\ndata: ${text}\n\n`),
  } as unknown as Frame;
}

function json(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

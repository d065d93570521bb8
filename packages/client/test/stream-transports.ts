import { WebSocket } from "ws";
import type { ClientOptions, StreamOptions } from "../src/index.js";

/** A way to stream, as a client and a stream are told of it. */
export interface StreamTransport {
  readonly name: string;
  readonly kind: "websocket" | "sse";
  readonly client: Partial<ClientOptions>;
  readonly stream: StreamOptions;
}

export const transports: readonly StreamTransport[] = [
  { name: "events over fetch", kind: "sse", client: {}, stream: { transport: "sse" } },
  { name: "the ws package", kind: "websocket", client: { WebSocket }, stream: {} },
  { name: "the runtime's WebSocket", kind: "websocket", client: {}, stream: {} },
];

/** What events of a WebSocket tell, each kind a part of it. */
export interface WebSocketEvent {
  readonly type: string;
  /** Of `message`: a string where text was sent. */
  readonly data?: unknown;
  /** Of `close`. */
  readonly code?: number;
  /** Of `close`. */
  readonly reason?: string;
  /** Of `error`, outside of browsers. */
  readonly message?: string;
}

/** The part of a WebSocket that is used. */
export interface WebSocketLike {
  addEventListener(
    type: "open" | "message" | "close" | "error",
    listener: (event: WebSocketEvent) => void,
  ): void;
  send(text: string): void;
  close(code?: number): void;
  /** Ends the connection without waiting for the peer, where that can be done. */
  terminate?(): void;
}

/** What opens WebSockets: the global `WebSocket`, or the one of the `ws` package, which can send headers. */
export type WebSocketConstructor = new (
  url: string,
  protocols?: string[],
  options?: { readonly headers?: Record<string, string> },
) => WebSocketLike;

/** The one of the runtime; undefined where it has none. */
export function globalWebSocket(): WebSocketConstructor | undefined {
  const { WebSocket }: { readonly WebSocket?: typeof globalThis.WebSocket } = globalThis; // Absent from Node 20.
  return WebSocket;
}

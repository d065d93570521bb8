import { invalidArgument } from "./errors.js";
import { openEventSource } from "./sse-connection.js";
import type { ConnectionOptions } from "./stream-connection.js";
import type { StreamOptions } from "./stream-events.js";
import type { StreamSource } from "./stream.js";
import type { Transport } from "./transport.js";
import { openWebSocket } from "./websocket-connection.js";
import { globalWebSocket, type WebSocketConstructor } from "./websocket.js";

/**
 * How the connections of one stream are opened.
 *
 * @param path of the stream, below the base URL
 * @param probe a request that the server refuses for the same reasons as the stream. Asked where a WebSocket cannot be
 *   opened, which does not tell why.
 * @throws FastpacaError `invalid_request` when WebSockets are asked for where there are none that could do it
 */
export function connectorTo(
  transport: Transport,
  path: string,
  { includeMessages = true, transport: wanted, timeoutMs = transport.options.timeoutMs }: StreamOptions,
  probe: (signal: AbortSignal) => Promise<unknown>,
): StreamSource["connect"] {
  const WebSocket = wanted === "sse" ? undefined : chooseWebSocket(transport, wanted === "websocket");
  const options: ConnectionOptions = { name: `GET ${path}`, timeoutMs, clock: transport.clock };
  const queryOf = (cursor: number) => ({ cursor, ...(includeMessages ? {} : { include_messages: false }) });
  if (WebSocket === undefined) {
    return (cursor, signal) => openEventSource(transport, path, queryOf(cursor), options, signal);
  }
  const { headers, buffer } = transport.options;
  return async (cursor, signal) => {
    const url = transport.url(path, queryOf(cursor)).replace(/^http/, "ws");
    try {
      return await openWebSocket({ url, headers, WebSocket, buffer }, options, signal);
    } catch (error) {
      await probe(signal);
      throw error;
    }
  };
}

function chooseWebSocket({ options }: Transport, isDemanded: boolean): WebSocketConstructor | undefined {
  const runtimes = globalWebSocket();
  const { WebSocket = runtimes, headers, fetch } = options;
  if (WebSocket === undefined) {
    if (!isDemanded) return undefined;
    throw invalidArgument("there is no WebSocket here; give createClient one, or use the transport sse");
  }
  // Headers given to the runtime's would be lost without a word. In Node they would not, but the type does not say so.
  if (WebSocket === runtimes && Object.keys(headers).length > 0) {
    if (!isDemanded) return undefined;
    throw invalidArgument(
      "the runtime's WebSocket cannot send an API key or headers; " +
        "give createClient the WebSocket of the ws package, or use the transport sse",
    );
  }
  // Who brings their own fetch wants what is sent to go through it.
  if (options.WebSocket === undefined && fetch !== undefined && !isDemanded) return undefined;
  return WebSocket;
}

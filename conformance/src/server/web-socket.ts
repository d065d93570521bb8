import { Violation } from "../violation.js";
import type { Connection, Frames } from "./frames.js";

/** Opens a WebSocket whose messages `frames` takes. @throws Violation when it is refused */
export async function openWebSocket(
  url: string,
  headers: Readonly<Record<string, string>>,
  frames: Frames,
): Promise<Connection> {
  // Node's own WebSocket takes headers in the place of protocols.
  const socket: WebSocket = Reflect.construct(WebSocket, [url, { headers }]);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.addEventListener("open", () => resolve());
  socket.addEventListener("error", () => reject(new Violation("STR-1", "the stream was refused")));
  socket.addEventListener("message", (event) => {
    const data: unknown = event.data;
    if (typeof data === "string") frames.take(data);
    else frames.break(new Violation("STR-1", "a frame came that is no text"));
  });
  socket.addEventListener("close", ({ code }) => frames.end(code));
  await frames.within("the stream was not opened", promise);
  return { send: (text) => socket.send(text), close: () => socket.close() };
}

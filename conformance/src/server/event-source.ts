import { demand, demandEqual, Violation } from "../violation.js";
import { asFields, type Fields } from "./answer.js";
import type { Connection, Frames } from "./frames.js";

/** Opens a stream of server-sent events, whose frames `frames` takes. @throws Violation when it is refused */
export async function openEvents(
  url: string,
  headers: Readonly<Record<string, string>>,
  frames: Frames,
): Promise<Connection> {
  const controller = new AbortController();
  const request = fetch(url, {
    headers: { ...headers, accept: "text/event-stream" },
    signal: controller.signal,
  });
  const response = await frames.within("the stream of events was not answered", request);
  const type = response.headers.get("content-type") ?? "";
  const { body } = response;
  demand(
    response.status === 200 && /^text\/event-stream\b/.test(type) && body !== null,
    "STR-6",
    () => `a stream of events is answered ${response.status} ${type}`,
  );
  void read(body, frames).then(
    () => frames.end(undefined),
    (error: unknown) => {
      if (error instanceof Violation) frames.break(error);
      else frames.end(undefined);
    },
  );
  return { send: () => undefined, close: () => controller.abort() };
}

async function read(body: ReadableStream<Uint8Array>, frames: Frames): Promise<void> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const events = text.split(/\r\n\r\n|\n\n|\r\r/);
    text = events.pop() ?? "";
    for (const event of events) takeEvent(event, frames);
  }
}

/** One event, held to what it says beside the frame. */
function takeEvent(event: string, frames: Frames): void {
  const field = (name: string): string | undefined => {
    const values = event
      .split(/\r\n|\n|\r/)
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).replace(/^ /, ""));
    return values.length === 0 ? undefined : values.join("\n");
  };
  const data = field("data");
  // Comments keep a connection alive.
  if (data === undefined) return;
  let frame: Fields = {};
  try {
    frame = asFields(JSON.parse(data));
  } catch (error) {
    throw new Violation("STR-6", `the data of an event is no JSON: ${data.slice(0, 200)}`, { cause: error });
  }
  const { type, version, actual } = frame;
  demandEqual(field("event"), type, "STR-6", "the name of an event");
  const at = type === "gap" ? actual : type === "tombstoned" || type === "ping" ? undefined : version;
  demandEqual(
    field("id"),
    at === undefined ? undefined : JSON.stringify(at),
    "STR-6",
    `the id of a ${String(type)} event`,
  );
  frames.take(data);
}

import { parentPort, workerData } from "node:worker_threads";
import { explain, isBusy } from "./failure.js";
import { openFile } from "./open-file.js";
import { whenFree } from "./patience.js";
import { Service } from "./service.js";
import type { Reply, Request } from "./wire.js";

// The thread that does everything that may wait for a disk or a lock.
const port = parentPort;
if (port === null || typeof workerData !== "string")
  throw new Error("this module is started by the SQLite driver");
/** Longest that the opening waits for another connection's lock, in milliseconds: another process may be migrating. */
const OPENING = 60_000;
const file = workerData;
const send = (reply: Reply): void => port.postMessage(reply);

async function serve(service: Service, request: Request): Promise<void> {
  const { call } = request;
  try {
    send({ call, answer: await service.serve(request) });
  } catch (error) {
    send({ call, failure: explain(file, error) });
  }
  if (request.kind === "close") port?.close();
}

try {
  const database = await whenFree(performance.now() + OPENING, () => openFile(file));
  const service = new Service(database, (error) => send({ call: 0, failure: explain(file, error) }));
  port.on("message", (request: Request) => void serve(service, request));
  send({ call: 0, answer: undefined });
} catch (error) {
  // All but "busy" is a sentence already.
  send({ call: 0, failure: error instanceof Error && !isBusy(error) ? error : explain(file, error) });
}

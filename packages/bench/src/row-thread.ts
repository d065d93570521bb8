/** The thread of a server that commits single rows: see plain-servers. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { rowInserter } from "./plain-rows.js";

const port = parentPort;
if (port === null || typeof workerData !== "string") throw new Error("this module is started by a server");
const insert = rowInserter(new DatabaseSync(workerData));
port.on("message", ([call, id, body]: [number, string, string]) =>
  port.postMessage([call, insert(id, body)]),
);

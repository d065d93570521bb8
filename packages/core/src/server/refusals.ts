import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastpacaError } from "../errors.js";
import { errorBody, JSON_TYPE } from "./errors.js";

/** Longest that the answers to earlier requests of a connection are waited for, in milliseconds. */
const PATIENCE = 15_000;

/**
 * Answers what never became a request, and ends its connection. Requests that came before on the same connection are
 * answered first: their client would take the refusal for their answer.
 */
export class Refusals {
  readonly #newest = new WeakMap<Socket, Exchange>();
  readonly #refused = new WeakSet<Socket>();

  constructor(server: Server) {
    server.on("request", (request, response) => {
      const { socket } = request;
      const before = this.#newest.get(socket)?.response;
      this.#newest.set(socket, { request, response, before });
    });
  }

  refuse(socket: Socket, error: FastpacaError): void {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const newest = this.#newest.get(socket);
    // What cannot be read may be the rest of a request.
    const last = newest?.request.complete === true ? newest.response : newest?.before;
    if (last === undefined || last.writableFinished) {
      answer(socket, error);
      return;
    }
    const timer = setTimeout(() => socket.destroy(), PATIENCE);
    last.once("close", () => {
      clearTimeout(timer);
      answer(socket, error);
    });
  }
}

/** A request that is being answered, or was. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The response of the request before it on the same connection. Responses are sent in order. */
  readonly before: ServerResponse | undefined;
}

function answer(socket: Socket, error: FastpacaError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = errorBody(error);
  const head = `HTTP/1.1 ${error.status} Refused\r\nContent-Type: ${JSON_TYPE}\r\nConnection: close\r\n`;
  socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  // Also where the client leaves its end open.
  socket.destroySoon();
}

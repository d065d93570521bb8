import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** A request as it arrived. */
export interface Seen {
  readonly method: string;
  /** Path and query, as on the wire. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly body: unknown;
}

/** What the server does with one request. */
export type Step = (response: ServerResponse, request: Seen) => void;

export interface ScriptedServer extends AsyncDisposable {
  readonly baseUrl: string;
  /** In the order of arrival; those that {@link dropUnread} cut off are missing. */
  readonly seen: Seen[];
  /** Connections opened so far. */
  readonly connections: () => number;
  /** Requests whose headers arrived, however they ended. */
  readonly requests: () => number;
}

/** Answers the first request by the first step and so on, and all further ones by the last. */
export async function scriptedServer(...steps: [Step, ...Step[]]): Promise<ScriptedServer> {
  const seen: Seen[] = [];
  let connections = 0;
  let requests = 0;
  const server = createServer((request, response) => {
    const step = steps[Math.min(requests++, steps.length - 1)];
    if (step === undefined || step === dropUnread) {
      request.socket.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const { method = "", url = "", headers } = request;
      const arrived: Seen = { method, url, headers, text, body: text === "" ? undefined : JSON.parse(text) };
      seen.push(arrived);
      step(response, arrived);
    });
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has a port");
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    seen,
    connections: () => connections,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Step {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}

export function failure(
  status: number,
  error: string,
  headers: Record<string, string> = {},
  more: object = {},
): Step {
  return json(status, { error, message: `because of ${error}`, ...more }, headers);
}

export function text(status: number, body: string, headers: Record<string, string> = {}): Step {
  return (response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
}

export const noContent: Step = (response) => {
  response.writeHead(204);
  response.end();
};

/** Cuts the connection before the body was read. */
export const dropUnread: Step = (response) => {
  response.destroy();
};

/** Cuts the connection after the request was read. */
export const dropUnanswered: Step = (response) => {
  response.destroy();
};

/** Cuts the connection in the middle of the answer. */
export const dropHalfway: Step = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
  response.write('{"seq":1,', () => response.destroy());
};

/** Never answers. */
export const silence: Step = () => {};

/** Sends headers and half a body, and then nothing. */
export const halfAnswer: Step = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
  response.write('{"seq":1,');
};

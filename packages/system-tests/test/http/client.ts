import { parseJson } from "@fastpaca/core";
import { Agent, request, type IncomingHttpHeaders } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The number in the `ETag`. */
  readonly revision: number;
  /** The body. A test that names a shape here goes on to compare its fields, and fails where there are none. */
  json<T>(): T;
}

export interface Appended {
  readonly seq: number;
  readonly version: number;
  readonly token_count: number;
  readonly deduplicated?: boolean;
}

export interface Message {
  readonly role: string;
  readonly parts: readonly { readonly type: string; readonly text?: string }[];
  readonly seq?: number;
  readonly version?: number;
  readonly token_count: number;
}

export interface Log {
  readonly messages: readonly Message[];
  readonly version: number;
}

export interface Window extends Log {
  readonly used_tokens: number;
  readonly segments: readonly { readonly type: string; readonly from_seq: number; readonly to_seq: number }[];
}

export interface Record {
  readonly id: string;
  readonly version: number;
  readonly last_seq: number;
  readonly tombstoned: boolean;
  readonly metadata: { readonly [key: string]: unknown };
}

export interface Refusal {
  readonly error: string;
  readonly message: string;
  readonly field?: string;
  readonly version?: number;
}

/** Longest that one answer may take, in milliseconds: after that the server counts as hanging. */
const DEADLINE = 20_000;

/** One caller: requests travel one after the other over one connection that stays open. */
export class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #url: string;
  readonly #headers: Readonly<{ [name: string]: string }>;

  constructor(url: string, headers: Readonly<{ [name: string]: string }> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  get(path: string, headers?: Readonly<{ [name: string]: string }>): Promise<Answer> {
    return this.send("GET", path, undefined, headers);
  }

  put(path: string, body: unknown = {}): Promise<Answer> {
    return this.send("PUT", path, body);
  }

  post(path: string, body: unknown, headers?: Readonly<{ [name: string]: string }>): Promise<Answer> {
    return this.send("POST", path, body, headers);
  }

  delete(path: string): Promise<Answer> {
    return this.send("DELETE", path);
  }

  send(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<{ [name: string]: string }> = {},
  ): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    // Node leaves the length out of methods that seldom have a body.
    const entity =
      text === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const sending = request(
        `${this.#url}${path}`,
        {
          method,
          agent: this.#agent,
          timeout: DEADLINE,
          headers: { ...entity, ...this.#headers, ...headers },
        },
        (response) => {
          let received = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => (received += chunk));
          response.on("error", reject);
          response.on("end", () => resolve(answer(response.statusCode ?? 0, response.headers, received)));
        },
      );
      sending.on("error", reject);
      sending.on("timeout", () => sending.destroy(new Error(`no answer to ${method} ${path}`)));
      sending.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function answer(status: number, headers: IncomingHttpHeaders, text: string): Answer {
  return {
    status,
    headers,
    text,
    revision: Number(/^"(\d+)"$/.exec(headers.etag ?? "")?.[1]),
    json: <T>() => parseJson<T>(text),
  };
}

/** A message of one part, that counts one token. */
export function say(text: string): object {
  return { role: "user", parts: [{ type: "text", text }], token_count: 1 };
}

/** What {@link say} said. */
export function textOf({ parts }: Message): string {
  return parts[0]?.text ?? "";
}

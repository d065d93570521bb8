// A small database behind TCP, in this process: the kit's model, asked by lines of JSON. And drivers of it, honest ones
// and others.
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import {
  DriverUnavailableError,
  type Commit,
  type CommitOutcome,
  type Driver,
  type Head,
  type ListPage,
} from "@fastpaca/core";
import { addressOf } from "../src/fault/address.js";
import { Model } from "../src/model.js";
import type { DriverUnderTest } from "../src/subject.js";

export type Lie =
  | "none"
  /** Says that the database is unavailable when an answer was lost. */
  | "rejects"
  | "claims-success"
  /** Hands a commit over again by itself, and passes on that it conflicts. */
  | "retries-blindly"
  | "never-reconnects"
  | "hangs"
  /** Answers with what it last saw when it cannot ask. */
  | "reads-from-memory"
  /** Takes the answers of a new connection for those that it waited for on the old one. */
  | "mixes-up-answers"
  /** Waits for ever where nothing comes. */
  | "never-gives-up"
  /** Says that the database is unavailable when it has waited for long enough. */
  | "rejects-when-late";

/** Milliseconds that a call may take. */
const PATIENCE_MS = 1000;

interface Request {
  readonly method: "heads" | "commit" | "messages" | "marks" | "keys" | "prune";
  readonly args: readonly unknown[];
}

interface Waiting extends Request {
  readonly promise: Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

async function serve(): Promise<Server> {
  const model = new Model();
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    const lines = createInterface(socket);
    lines.on("line", (line) => {
      const { method, args } = parse(line) ?? {};
      if (method === undefined || args === undefined) return;
      const answer = ask(model, { method, args });
      if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
    });
    lines.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return server;
}

/** Half a line is what is left of a connection that broke. */
function parse(line: string): Request | undefined {
  try {
    return JSON.parse(line) as Request;
  } catch {
    return undefined;
  }
}

function ask(model: Model, { method, args }: Request): unknown {
  const [first, second, third] = args;
  switch (method) {
    case "heads":
      return (first as string[]).map((id) => model.head(id) ?? null);
    case "commit":
      return (first as Commit[]).map((commit) => model.commit(commit));
    case "messages":
      return model.messages(first as string, second as number, third as number);
    case "marks":
      return model.marks(first as string, second as number, third as number);
    case "keys":
      return model.keys(first as string, second as string[]);
    case "prune":
      return model.prune(first as string, second as number) ?? null;
  }
}

class TcpDriver implements Driver {
  readonly name = "tcp";
  readonly traits = { durable: true, shared: true };
  readonly limits = { maxCommitBytes: 16 * 1024 * 1024, maxBatch: 100 };
  readonly #url: string;
  readonly #lie: Lie;
  readonly #seen = new Map<string, Head | undefined>();
  #connection: Promise<Socket> | undefined;
  #waiting: Waiting[] = [];
  #connected = false;
  #closed = false;

  constructor(url: string, lie: Lie) {
    this.#url = url;
    this.#lie = lie;
  }

  async heads(ids: readonly string[]): Promise<(Head | undefined)[]> {
    try {
      const answer = (await this.#ask("heads", [ids])) as (Head | null)[];
      const heads = answer.map((head) => head ?? undefined);
      for (const [n, id] of ids.entries()) this.#seen.set(id, heads[n]);
      return heads;
    } catch (error) {
      if (this.#lie !== "reads-from-memory") throw error;
      return ids.map((id) => this.#seen.get(id));
    }
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    const all = (status: "committed" | "unknown"): CommitOutcome[] => commits.map(() => ({ status }));
    // Whoever cannot connect has sent nothing.
    await this.#connect();
    for (;;) {
      try {
        return (await this.#ask("commit", [commits])) as CommitOutcome[];
      } catch (error) {
        if (this.#lie === "rejects") throw error;
        if (this.#lie === "rejects-when-late" && error instanceof LateError) throw error;
        if (this.#lie === "claims-success") return all("committed");
        if (this.#lie !== "retries-blindly") return all("unknown");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  messages(id: string, from: number, to: number) {
    return this.#ask("messages", [id, from, to]) as ReturnType<Driver["messages"]>;
  }

  marks(id: string, after: number, limit: number) {
    return this.#ask("marks", [id, after, limit]) as ReturnType<Driver["marks"]>;
  }

  keys(id: string, keys: readonly string[]) {
    return this.#ask("keys", [id, keys]) as ReturnType<Driver["keys"]>;
  }

  async list(): Promise<ListPage> {
    throw new Error("this driver has no list");
  }

  async prune(id: string, below: number): Promise<void> {
    await this.#ask("prune", [id, below]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const socket = await this.#connection?.catch(() => undefined);
    await Promise.allSettled(this.#waiting.map(({ promise }) => promise));
    socket?.destroy();
    this.#lost(new DriverUnavailableError("the driver is closed"));
  }

  async #ask(method: Request["method"], args: readonly unknown[]): Promise<unknown> {
    const socket = await this.#connect();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const waiting: Waiting = {
      method,
      args,
      promise,
      resolve,
      reject,
      timer: setTimeout(() => {
        if (this.#lie === "mixes-up-answers") {
          this.#waiting = this.#waiting.filter((other) => other !== waiting);
          reject(new LateError("the database does not answer"));
        } else if (this.#lie !== "never-gives-up")
          socket.destroy(new LateError("the database does not answer"));
      }, PATIENCE_MS),
    };
    this.#waiting.push(waiting);
    socket.write(`${JSON.stringify({ method, args })}\n`);
    return promise;
  }

  #connect(): Promise<Socket> {
    if (this.#closed) return Promise.reject(new Error("the driver is closed"));
    if (this.#lie === "never-reconnects" && this.#connected && this.#connection === undefined) {
      return Promise.reject(new DriverUnavailableError("there is no connection"));
    }
    this.#connection ??= this.#dial();
    return this.#connection;
  }

  async #dial(): Promise<Socket> {
    const { host, port } = addressOf(this.#url) ?? {};
    if (host === undefined || port === undefined) throw new TypeError(`${this.#url} names no server`);
    const socket = createConnection({ host, port, noDelay: true });
    const ready = Promise.withResolvers<void>();
    socket.once("connect", ready.resolve);
    socket.on("error", (error) => {
      ready.reject(new DriverUnavailableError("the database cannot be reached", { cause: error }));
    });
    socket.once("close", () => {
      ready.reject(new DriverUnavailableError("the database closed the connection"));
      this.#connection = undefined;
      this.#lost(
        socket.errored instanceof LateError
          ? socket.errored
          : new DriverUnavailableError("the connection broke"),
      );
    });
    const lines = createInterface(socket);
    lines.on("error", () => undefined);
    lines.on("line", (line) => this.#hear(line));
    await ready.promise;
    this.#connected = true;
    return socket;
  }

  #hear(line: string): void {
    let answer: unknown;
    try {
      answer = JSON.parse(line);
    } catch {
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }

  #lost(error: Error): void {
    if (this.#lie === "hangs") return;
    const some = this.#lie === "mixes-up-answers" && !this.#closed ? [] : this.#waiting.splice(0);
    for (const { timer, reject } of some) {
      clearTimeout(timer);
      reject(error);
    }
  }
}

class LateError extends DriverUnavailableError {}

/** A database of its own for each; `lie` says what is wrong with the driver. */
export function tcpSubject(lie: Lie = "none"): DriverUnderTest {
  return {
    name: `tcp (${lie})`,
    traits: { durable: false, shared: true, watch: false },
    createDatabase: async () => {
      const server = await serve();
      const sockets = new Set<Socket>();
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      });
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      return {
        url: `model://127.0.0.1:${port}/database`,
        drop: async () => {
          for (const socket of sockets) socket.destroy();
          await new Promise((resolve) => server.close(resolve));
        },
      };
    },
    open: async (url) => {
      const driver = new TcpDriver(url, lie);
      await driver.heads([]);
      return driver;
    },
  };
}

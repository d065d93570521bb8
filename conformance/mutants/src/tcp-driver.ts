import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { DriverUnderTest } from "@fastpaca/conformance";
import {
  DriverUnavailableError,
  type Commit,
  type CommitOutcome,
  type Driver,
  type Head,
} from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import type { Mutant } from "./mutant.js";

/** What the client makes of a connection that fails. All of it right: what is not said otherwise. */
export interface TcpChange {
  /** What is said of commits whose answers got lost; `unknown` by default. */
  readonly lost?: (
    commits: readonly Commit[],
    again: () => Promise<CommitOutcome[]>,
  ) => Promise<CommitOutcome[]>;
  /** What is said of heads whose answer got lost; by default the call rejects. */
  readonly lostHeads?: (ids: readonly string[]) => (Head | undefined)[];
  /** Whether a commit is known to be lost where the connection could not be made; by default it rejects. */
  readonly unmade?: CommitOutcome;
  /** Rejects with errors of any class. */
  readonly plain?: true;
  /** Connects once, and never again. */
  readonly connectsOnce?: true;
  /** Waits for an answer for ever, whatever happens to the connection. */
  readonly waits?: true;
  /** Keeps a connection on which an answer did not come in time, and takes the next answer for that of the next call. */
  readonly answersInOrder?: true;
}

/** Milliseconds after which a connection on which an answer is due is given up: long for a busy machine, too. */
const PATIENCE_MS = 2000;

/** The connection was lost after the call had been sent. */
class LostError extends Error {
  override readonly name = "LostError";
}

/** Hands over each line. Not by `readline`, for which U+2028 ends one. */
function onLine(socket: Socket, hear: (line: string) => void): void {
  let pending = "";
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    const lines = (pending + text).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) hear(line);
  });
}

interface Pending {
  readonly hear: (answer: string) => void;
  readonly reject: (error: Error) => void;
}

/** One connection: lines of JSON, each with the number of its call. */
class Connection {
  readonly #socket: Socket;
  readonly #made: Promise<unknown>;
  readonly #pending = new Map<number, Pending>();
  readonly #change: TcpChange;
  #count = 0;
  #lost = false;

  constructor(host: string, port: number, change: TcpChange) {
    this.#change = change;
    this.#socket = createConnection({ host, port, noDelay: true });
    this.#made = once(this.#socket, "connect");
    this.#made.catch(() => undefined);
    // What it means is said on "close".
    this.#socket.on("error", () => undefined);
    this.#socket.on("end", () => this.#socket.destroy());
    this.#socket.on("close", () => {
      this.#lost = true;
      if (change.waits === true) return;
      for (const { reject } of this.#pending.values()) reject(new LostError("the connection was lost"));
    });
    onLine(this.#socket, (line) => this.#hear(line));
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** @throws DriverUnavailableError where the call was not sent; LostError where it was */
  async call<T>(method: string, args: readonly unknown[]): Promise<T> {
    try {
      await this.#made;
    } catch (cause) {
      throw new DriverUnavailableError("the server cannot be reached", { cause });
    }
    if (this.#lost) throw new DriverUnavailableError("the connection is lost");
    const call = (this.#count += 1);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const hear = (answer: string): void => {
      const { result, error } = JSON.parse(answer);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    this.#pending.set(call, { hear, reject });
    const late = setTimeout(() => {
      if (this.#change.answersInOrder === true) reject(new LostError("the answer did not come"));
      else if (this.#change.waits !== true) this.#socket.destroy();
    }, PATIENCE_MS);
    this.#socket.write(`${JSON.stringify({ call, method, args })}\n`);
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      this.#pending.delete(call);
    }
  }

  #hear(answer: string): void {
    const [oldest = 0] = this.#pending.keys();
    const call = this.#change.answersInOrder === true ? oldest : Number(JSON.parse(answer).call);
    this.#pending.get(call)?.hear(answer);
  }

  /** Gives up what is still waited for. */
  close(): void {
    this.#socket.destroy();
  }
}

async function openTcp(url: string, change: TcpChange = {}): Promise<Driver> {
  const { hostname, port } = new URL(url);
  const running = new Set<Promise<unknown>>();
  let connection: Connection | undefined;
  let closed = false;
  const call = async <T>(method: string, ...args: readonly unknown[]): Promise<T> => {
    if (closed) throw new Error("the driver is closed");
    if (connection === undefined || (connection.lost && change.connectsOnce !== true)) {
      connection = new Connection(hostname, Number(port), change);
    }
    const answering = connection.call<T>(method, args);
    running.add(answering);
    try {
      return await answering;
    } catch (error) {
      const lost = error instanceof LostError && method !== "commit";
      if (change.plain === true && (lost || error instanceof DriverUnavailableError)) {
        throw new Error(`${method} failed`, { cause: error });
      }
      if (lost) throw new DriverUnavailableError(`${method} was not answered`, { cause: error });
      throw error;
    } finally {
      running.delete(answering);
    }
  };
  const commit = async (commits: readonly Commit[]): Promise<CommitOutcome[]> => {
    try {
      return await call<CommitOutcome[]>("commit", commits);
    } catch (error) {
      if (error instanceof LostError) {
        return change.lost?.(commits, () => commit(commits)) ?? commits.map(() => ({ status: "unknown" }));
      }
      const { unmade } = change;
      if (error instanceof DriverUnavailableError && unmade !== undefined) return commits.map(() => unmade);
      throw error;
    }
  };
  await call("heads", []);
  return {
    name: "tcp",
    traits: { durable: false, shared: true },
    limits: { maxCommitBytes: 4 * 1024 * 1024, maxBatch: 100 },
    heads: async (ids) => {
      try {
        const heads = await call<(Head | null)[]>("heads", ids);
        return heads.map((head) => head ?? undefined);
      } catch (error) {
        if (error instanceof DriverUnavailableError && change.lostHeads !== undefined)
          return change.lostHeads(ids);
        throw error;
      }
    },
    commit,
    messages: (id, from, to) => call("messages", id, from, to),
    marks: (id, after, limit) => call("marks", id, after, limit),
    keys: (id, keys) => call("keys", id, keys),
    list: (query) => call("list", query),
    prune: async (id, below) => void (await call("prune", id, below)),
    close: async () => {
      closed = true;
      await Promise.allSettled(running);
      connection?.close();
    },
  };
}

/** Answers each line with a line, in order. */
async function serve(
  memory: Driver,
): Promise<{ readonly server: Server; readonly port: number; readonly end: () => Promise<void> }> {
  const methods: Readonly<Record<string, (args: ReturnType<typeof JSON.parse>) => Promise<unknown>>> = {
    heads: ([ids]) => memory.heads(ids),
    commit: ([commits]) => memory.commit(commits),
    messages: ([id, from, to]) => memory.messages(id, from, to),
    marks: ([id, after, limit]) => memory.marks(id, after, limit),
    keys: ([id, keys]) => memory.keys(id, keys),
    list: ([query]) => memory.list(query),
    prune: ([id, below]) => memory.prune(id, below),
  };
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    // A client that is gone hears of nothing any more.
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    let last: Promise<void> = Promise.resolve();
    onLine(socket, (line) => {
      last = last.then(async () => {
        const { call, method, args } = JSON.parse(line);
        const answer = await methods[method]?.(args).then(
          (result) => ({ call, result }),
          (error: unknown) => ({ call, error: String(error) }),
        );
        if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen");
  const end = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  return { server, port: address.port, end };
}

/** A driver whose database is behind a network: a server of its own for each database. */
export function tcpSubject(name = "tcp", change: TcpChange = {}): DriverUnderTest {
  return {
    name,
    traits: { durable: false, shared: true, watch: false },
    createDatabase: async () => {
      const { port, end } = await serve(openMemory());
      return { url: `tcp://127.0.0.1:${port}`, drop: end };
    },
    open: (url) => openTcp(url, change),
  };
}

/** A mutant of the driver behind a network. */
export function wrongTcp(
  name: string,
  says: string,
  invariants: Mutant["invariants"],
  change: TcpChange,
): Mutant {
  return { name, says, invariants, subject: tcpSubject(name, change) };
}

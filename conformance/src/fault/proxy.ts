import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { Address } from "./address.js";

/** Where bytes come from. */
export type Direction = "client" | "server";

/** What happens to the network, and when. */
export interface Fault {
  /** Whose bytes are counted and disturbed. */
  readonly from: Direction;
  /** Happens when this many chunks, or bytes, have come from there since it was armed: 1 or more. */
  readonly after: number;
  readonly unit: "chunks" | "bytes";
  /**
   * `cut`: resets every connection; what is in hand is lost. `deliver-and-cut`: hands on what is in hand, and then
   * resets every connection on the client's side only, so that the server works through what it has got. `end`: half-closes the connection in that direction. `delay`: holds everything from there for a while.
   * `hold-and-cut`: the same, and then resets every connection, and nothing that was held arrives. `silence`: holds it
   * until the network is healed.
   */
  readonly action: "cut" | "deliver-and-cut" | "end" | "delay" | "hold-and-cut" | "silence";
  /** Milliseconds: of a delay, or for which new connections are refused after a cut. */
  readonly lasts: number;
}

/** Bytes that a side may have waiting in this process before its reading stops. */
const MOST_WAITING = 8 * 1024 * 1024;

/**
 * A network between a driver and its database, on a port of its own of this machine, which can be disturbed. Bytes
 * pass unchanged and in order, or not at all.
 */
export class Proxy {
  readonly #server: Server;
  readonly #upstream: Address;
  readonly #links = new Set<Link>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #held: Record<Direction, boolean> = { client: false, server: false };
  #armed: { readonly fault: Fault; seen: number } | undefined;
  #refusing = false;
  /** Connections that were made through it. */
  connections = 0;
  /** Faults that happened. */
  happened = 0;

  private constructor(server: Server, upstream: Address) {
    this.#server = server;
    this.#upstream = upstream;
    server.on("connection", (client) => this.#connect(client));
  }

  static async listen(upstream: Address): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new Proxy(server, upstream);
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    return proxy;
  }

  get address(): Address {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return { host: "127.0.0.1", port: address.port };
  }

  /** Has something happen to the bytes that come from now on; replaces what has not happened yet. */
  arm(fault: Fault): void {
    this.#armed = { fault, seen: 0 };
  }

  /** Ends every disturbance. What was held goes on its way. */
  heal(): void {
    this.#armed = undefined;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#refusing = false;
    this.#release("client");
    this.#release("server");
  }

  /** Whether everything that came in has gone out. */
  get idle(): boolean {
    return [...this.#links].every(({ client, server }) => client.waiting === 0 && server.waiting === 0);
  }

  async close(): Promise<void> {
    this.heal();
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    this.#reset();
    await closed.promise;
  }

  #connect(socket: Socket): void {
    if (this.#refusing) {
      socket.on("error", () => undefined);
      socket.resetAndDestroy();
      return;
    }
    this.connections += 1;
    const upstream = createConnection({ ...this.#upstream, allowHalfOpen: true, noDelay: true });
    const link: Link = {
      client: new Pipe(socket, upstream),
      server: new Pipe(upstream, socket),
      parted: false,
    };
    this.#links.add(link);
    for (const end of [socket, upstream]) {
      // One side broke: the other one hears of it the same way.
      end.on("error", () => {
        if (!link.parted) reset(link);
      });
      end.on("close", () => {
        if (socket.closed && upstream.closed) this.#links.delete(link);
        if (!link.parted && !end.readableEnded) reset(link);
      });
    }
    for (const from of ["client", "server"] as const) {
      link[from].hold(this.#held[from]);
      link[from].start((chunk) => this.#pass(link, from, chunk));
    }
  }

  /** Hands a chunk on, up to the place where something happens. */
  #pass(link: Link, from: Direction, chunk: Buffer): void {
    const armed = this.#armed;
    if (armed?.fault.from !== from) return link[from].write(chunk);
    const before = armed.seen;
    armed.seen += armed.fault.unit === "chunks" ? 1 : chunk.length;
    if (armed.seen < armed.fault.after) return link[from].write(chunk);
    this.#armed = undefined;
    const through = armed.fault.unit === "chunks" ? 0 : armed.fault.after - before;
    link[from].write(chunk.subarray(0, through));
    this.#happen(armed.fault, link, chunk.subarray(through));
  }

  #happen({ action, from, lasts }: Fault, link: Link, rest: Buffer): void {
    this.happened += 1;
    switch (action) {
      case "cut":
        this.#refuse(lasts);
        this.#reset();
        break;
      case "deliver-and-cut":
        link[from].write(rest);
        this.#refuse(lasts);
        for (const each of this.#links) part(each);
        break;
      case "end":
        link[from].write(rest);
        link[from].end();
        break;
      case "delay":
        this.#hold(from);
        link[from].write(rest);
        this.#later(lasts, () => this.#release(from));
        break;
      case "hold-and-cut":
        this.#hold(from);
        link[from].write(rest);
        this.#later(lasts, () => {
          this.#reset();
          this.#release(from);
        });
        break;
      case "silence":
        this.#hold(from);
        link[from].write(rest);
        break;
    }
  }

  #refuse(milliseconds: number): void {
    if (milliseconds === 0) return;
    this.#refusing = true;
    this.#later(milliseconds, () => {
      this.#refusing = false;
    });
  }

  #hold(from: Direction): void {
    this.#held[from] = true;
    for (const link of this.#links) link[from].hold(true);
  }

  #release(from: Direction): void {
    this.#held[from] = false;
    for (const link of this.#links) link[from].hold(false);
  }

  #reset(): void {
    for (const link of this.#links) reset(link);
  }

  #later(milliseconds: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, milliseconds);
    this.#timers.add(timer);
  }
}

interface Link {
  /** From the client to the server. */
  readonly client: Pipe;
  /** From the server to the client. */
  readonly server: Pipe;
  /** The client's side is gone on purpose, and the server may finish. */
  parted: boolean;
}

function part(link: Link): void {
  link.parted = true;
  link.client.end();
  link.client.drop();
}

function reset({ client, server }: Link): void {
  client.drop();
  server.drop();
}

/** One direction of a connection. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  #kept: Buffer[] = [];
  #held = false;
  #ended = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
  }

  /** Bytes that came in and have not gone out. */
  get waiting(): number {
    return this.#kept.reduce((sum, { length }) => sum + length, this.#to.writableLength);
  }

  start(pass: (chunk: Buffer) => void): void {
    this.#from.on("data", pass);
    this.#from.on("end", () => this.end());
    this.#to.on("drain", () => this.#flow());
  }

  write(chunk: Buffer): void {
    if (chunk.length === 0 || this.#ended) return;
    if (this.#held) this.#kept.push(chunk);
    else if (this.#to.writable) this.#to.write(chunk);
    this.#flow();
  }

  hold(held: boolean): void {
    this.#held = held;
    if (held) return;
    for (const chunk of this.#kept.splice(0)) if (this.#to.writable) this.#to.write(chunk);
    if (this.#ended) this.#to.end();
    this.#flow();
  }

  /** Nothing more comes this way. */
  end(): void {
    this.#ended = true;
    if (!this.#held) this.#to.end();
  }

  /** Resets the side that sends. What was held of it goes nowhere, unless the end has been announced. */
  drop(): void {
    if (!this.#ended) this.#kept = [];
    this.#from.resetAndDestroy();
  }

  #flow(): void {
    if (this.waiting > MOST_WAITING) this.#from.pause();
    else if (this.#from.isPaused()) this.#from.resume();
  }
}

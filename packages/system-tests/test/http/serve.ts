import { createStore, type Driver, type StoreOptions } from "@fastpaca/core";
import { createServer, type ServerOptions } from "@fastpaca/core/server";
import type { Backend } from "./backends.js";
import { Client } from "./client.js";

export interface ServeOptions {
  readonly server?: Omit<ServerOptions, "store">;
  readonly store?: Omit<StoreOptions, "driver">;
  /** Puts another driver in front of the backend's. */
  readonly wrap?: (driver: Driver) => Driver;
}

/** A server on a port of its own, over an empty database, and the clients that were connected to it. */
export interface Serving extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Another client, with a connection of its own. */
  connect(headers?: Readonly<Record<string, string>>): Client;
  clients(count: number): Client[];
}

/** Disposing of the result closes clients, server, store and database, in this order. */
export async function serve(backend: Backend, options: ServeOptions = {}): Promise<Serving> {
  const { driver, close } = await backend.open();
  return serveOver(driver, close, options);
}

/** Two servers over one empty database. Disposing of the result closes both, and removes the database. */
export async function servePair(
  backend: Backend,
  options: ServeOptions = {},
): Promise<AsyncDisposable & { readonly nodes: readonly [Serving, Serving] }> {
  await using opening = new AsyncDisposableStack();
  const database = await backend.createDatabase();
  opening.defer(() => database.drop());
  const start = async (): Promise<Serving> => {
    const driver = await database.open();
    return opening.use(await serveOver(driver, () => driver.close(), options));
  };
  const nodes = [await start(), await start()] as const;
  const resources = opening.move();
  return { nodes, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

async function serveOver(
  driver: Driver,
  close: () => Promise<void>,
  options: ServeOptions,
): Promise<Serving> {
  await using opening = new AsyncDisposableStack();
  opening.defer(close);
  const store = createStore({
    onError: () => undefined,
    ...options.store,
    driver: (options.wrap ?? same)(driver),
  });
  opening.use(store);
  const app = await createServer({ ...options.server, store });
  opening.defer(() => app.close());
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const resources = opening.move();
  const connect = (headers: Readonly<Record<string, string>> = {}): Client => {
    const client = new Client(url, headers);
    resources.defer(() => client.close());
    return client;
  };
  return {
    url,
    port: Number(new URL(url).port),
    connect,
    clients: (count) => Array.from({ length: count }, () => connect()),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function same(driver: Driver): Driver {
  return driver;
}

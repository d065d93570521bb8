import { openDatabase, type StoreName } from "./databases.js";
import { median, run, type Load, type Measured, type Request } from "./load.js";
import { Subject } from "./subject.js";
import type { ServerName } from "./server-process.js";
import { message } from "./workload.js";

const CONTEXTS = 100;
const ACTIVE = 1000;
const CONNECTIONS = 32;
const MANY_CONNECTIONS = 256;

/** How much is measured. */
interface Extent {
  readonly seconds: number;
  readonly rounds: number;
  /** Requests that each server answers before it is measured. */
  readonly warmup: number;
  /** Messages of a long conversation. */
  readonly deep: number;
  /** Conversations of a full database. */
  readonly crowd: number;
}

const SHORT: Extent = { seconds: 1, rounds: 1, warmup: 5_000, deep: 20_000, crowd: 20_000 };
const FULL: Extent = { seconds: 2, rounds: 3, warmup: 40_000, deep: 100_000, crowd: 1_000_000 };

/**
 * The server against bare Fastify routes that do as little as can be done, in one run: figures that do not depend on
 * the machine are the ratios. Each round has processes of its own, because two processes of the same program differ
 * by as much as is to be measured, and each load follows right behind the one it is compared with.
 */
export async function benchmarkHttp(short: boolean, store: StoreName): Promise<void> {
  const extent = short ? SHORT : FULL;
  const comparisons = new Map<string, Comparison[]>();
  const add = (name: string, comparison: Comparison): void => {
    comparisons.set(name, [...(comparisons.get(name) ?? []), comparison]);
  };
  for (let round = 0; round < extent.rounds; round++) await playRound(store, extent, add);
  if (store !== "memory") await playCrowd(store, extent, add);
  console.log(`Fastpaca over HTTP, ${store} driver, window of 200 messages of 100 bytes`);
  console.log(
    `${CONNECTIONS} connections unless stated otherwise; medians of ${extent.rounds} rounds of ${extent.seconds} s. ` +
      `Each ratio is to the load right before it, on the server named.\n`,
  );
  print(comparisons);
}

interface Comparison {
  /** What it is compared with. */
  readonly to: string;
  readonly bare: Measured;
  readonly measured: Measured;
}

type Add = (name: string, comparison: Comparison) => void;

const APPENDS = Array.from({ length: CONTEXTS }, (_, index) => append(`c${index}`));
const BARE = "bare route";

async function playRound(store: StoreName, extent: Extent, add: Add): Promise<void> {
  const { seconds, warmup, deep } = extent;
  await using database = await openDatabase(store);
  await using bare = await Subject.start("bare");
  await using fastpaca = await Subject.start("fastpaca", database.url);
  await fastpaca.ask({ do: "fill", prefix: "c", contexts: CONTEXTS, messages: 0 });
  await fastpaca.ask({ do: "fill", prefix: "empty", contexts: 1, messages: 0 });
  await fastpaca.ask({ do: "fill", prefix: "short", contexts: 1, messages: 200 });
  await fastpaca.ask({ do: "fill", prefix: "five", contexts: 1, messages: 5000 });
  await fastpaca.ask({ do: "fill", prefix: "deep", contexts: 1, messages: deep });
  await fastpaca.ask({ do: "fill", prefix: "long", contexts: 1, messages: deep });
  const window = await (await fetch(fastpaca.url("/v1/contexts/short0/context"))).text();
  await bare.ask({ do: "constant", text: window });

  const load = (requests: readonly Request[], changes: Partial<Load> = {}): Load => ({
    connections: CONNECTIONS,
    seconds,
    requests,
    ...changes,
  });
  const read = (id: string): Request[] => [{ method: "GET", path: `/v1/contexts/${id}/context` }];
  const constant: Request[] = [{ method: "GET", path: "/constant" }];

  // What the engine compiles late should be compiled on both sides: what counts for that is requests, not time.
  // Half of them with keys, which take statements of their own.
  for (const subject of [bare, fastpaca]) {
    for (const withKeys of [false, true]) {
      await run(subject, load(APPENDS, { amount: warmup / 2, keyed: withKeys }));
    }
  }

  const compare = async (name: string, bareLoad: Load, ownLoad: Load): Promise<void> => {
    add(name, { to: BARE, bare: await run(bare, bareLoad), measured: await run(fastpaca, ownLoad) });
  };
  const keyed = { keyed: true };
  await compare("append, 100 contexts", load(APPENDS), load(APPENDS));
  await compare("keyed append, 100 contexts", load(APPENDS, keyed), load(APPENDS, keyed));
  await compare("append, one empty context", load(APPENDS), load([append("empty0")]));
  await compare(`append, one context of ${deep}`, load(APPENDS), load([append("long0")]));
  const many = { ...keyed, connections: MANY_CONNECTIONS };
  await compare(`keyed, ${MANY_CONNECTIONS} connections`, load(APPENDS, many), load(APPENDS, many));
  await compare("read, log of 200", load(constant), load(read("short0")));
  await compare("read, log of 5000", load(constant), load(read("five0")));
  await compare(`read, log of ${deep}`, load(constant), load(read("deep0")));
  if (store === "memory") return;

  const one = load(APPENDS, { ...keyed, connections: 1 });
  const rows: readonly (readonly [ServerName, string])[] = [
    ["single-row", "single row"],
    ...(store === "sqlite" ? [["threaded-row", "… in a thread"] as const] : []),
  ];
  for (const [server, to] of rows) {
    await using row = await Subject.start(server, database.url);
    await run(row, { ...one, seconds: 1 });
    add(`keyed, 1 connection, ${to}`, { to, bare: await run(row, one), measured: await run(fastpaca, one) });
  }
  if (store === "mongo") {
    await using bulk = await Subject.start("bulk", database.url);
    await run(bulk, load(APPENDS, { ...keyed, seconds: 1 }));
    for (const connections of [CONNECTIONS, MANY_CONNECTIONS]) {
      const both = load(APPENDS, { ...keyed, connections });
      add(`keyed append, ${connections} connections`, {
        to: "bulk inserts",
        bare: await run(bulk, both),
        measured: await run(fastpaca, both),
      });
    }
  }
  if (store !== "postgres") return;
  await using transactions = await Subject.start("transactions", database.url);
  await run(transactions, load(APPENDS, { seconds: 1 }));
  add("keyed append", {
    to: "transactions",
    bare: await run(transactions, load(APPENDS, keyed)),
    measured: await run(fastpaca, load(APPENDS, keyed)),
  });
}

/** The same load on a database that is empty otherwise, and on one that is full of other conversations. */
async function playCrowd(
  store: StoreName,
  { seconds, rounds, warmup, crowd }: Extent,
  add: Add,
): Promise<void> {
  await using empty = await openDatabase(store);
  await using full = await openDatabase(store);
  {
    await using filler = Subject.idle();
    await filler.ask({ do: "crowd", store: full.url, contexts: crowd });
  }
  await using few = await Subject.start("fastpaca", empty.url);
  await using among = await Subject.start("fastpaca", full.url);
  for (const subject of [few, among]) {
    await subject.ask({ do: "fill", prefix: "a", contexts: ACTIVE, messages: 0 });
  }
  const requests = Array.from({ length: ACTIVE }, (_, index) => append(`a${index}`));
  const load: Load = { connections: CONNECTIONS, seconds, requests, keyed: true };
  for (const subject of [few, among]) await run(subject, { ...load, amount: warmup });
  for (let round = 0; round < rounds; round++) {
    add(`keyed, ${ACTIVE} of ${crowd + ACTIVE} contexts`, {
      to: `of ${ACTIVE}`,
      bare: await run(few, load),
      measured: await run(among, load),
    });
  }
}

function append(id: string): Request {
  return {
    method: "POST",
    path: `/v1/contexts/${id}/messages`,
    body: JSON.stringify({ message: message(1) }),
  };
}

function print(comparisons: ReadonlyMap<string, readonly Comparison[]>): void {
  const row = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(38) : cell.padStart(12))).join("");
  console.log(row(["", "ratio", "to", "per second", "that one", "busy", "p50 ms", "p99 ms"]));
  for (const [name, rounds] of comparisons) {
    const figure = (read: (comparison: Comparison) => number): number => median(rounds.map(read));
    console.log(
      row([
        name,
        `${(100 * figure(({ measured, bare }) => measured.perSecond / bare.perSecond)).toFixed(0)} %`,
        rounds[0]?.to ?? "",
        figure(({ measured }) => measured.perSecond).toFixed(0),
        figure(({ bare }) => bare.perSecond).toFixed(0),
        figure(({ measured }) => measured.busy).toFixed(2),
        figure(({ measured }) => measured.p50).toFixed(1),
        figure(({ measured }) => measured.p99).toFixed(1),
      ]),
    );
  }
}

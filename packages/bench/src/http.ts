import { median, run, type Load, type Measured, type Request } from "./load.js";
import { Subject } from "./subject.js";
import { message } from "./workload.js";

const CONTEXTS = 100;
const CONNECTIONS = 32;

/**
 * The server against bare Fastify routes that do as little as can be done, in one run: figures that do not depend on
 * the machine are the ratios. Each round has processes of its own, because two processes of the same program differ
 * by as much as is to be measured, and each load follows right behind the one it is compared with.
 */
export async function benchmarkHttp(short: boolean): Promise<void> {
  const seconds = short ? 1 : 2;
  const rounds = short ? 1 : 5;
  const deep = short ? 20_000 : 100_000;
  const comparisons = new Map<string, Comparison[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, comparison] of await playRound(seconds, deep)) {
      comparisons.set(name, [...(comparisons.get(name) ?? []), comparison]);
    }
  }
  console.log(
    `Fastpaca over HTTP, memory driver, ${CONNECTIONS} connections, window of 200 messages of 100 bytes`,
  );
  console.log(`Medians of ${rounds} rounds of ${seconds} s; ratios are to the bare route right before.\n`);
  print(comparisons);
}

interface Comparison {
  readonly bare: Measured;
  readonly measured: Measured;
}

async function playRound(seconds: number, deep: number): Promise<Map<string, Comparison>> {
  await using bare = await Subject.start("bare");
  await using fastpaca = await Subject.start("fastpaca");
  await fastpaca.ask({ do: "fill", prefix: "c", contexts: CONTEXTS, messages: 0 });
  await fastpaca.ask({ do: "fill", prefix: "empty", contexts: 1, messages: 0 });
  await fastpaca.ask({ do: "fill", prefix: "short", contexts: 1, messages: 200 });
  await fastpaca.ask({ do: "fill", prefix: "five", contexts: 1, messages: 5000 });
  await fastpaca.ask({ do: "fill", prefix: "deep", contexts: 1, messages: deep });
  await fastpaca.ask({ do: "fill", prefix: "long", contexts: 1, messages: deep });
  const window = await (await fetch(fastpaca.url("/v1/contexts/short0/context"))).text();
  await bare.ask({ do: "constant", text: window });

  const load = (requests: readonly Request[], keyed = false): Load => ({
    connections: CONNECTIONS,
    seconds,
    requests,
    keyed,
  });
  const appends = Array.from({ length: CONTEXTS }, (_, index) => append(`c${index}`));
  const read = (id: string): Request[] => [{ method: "GET", path: `/v1/contexts/${id}/context` }];
  const constant: Request[] = [{ method: "GET", path: "/constant" }];

  // What the engine compiles late should be compiled on both sides.
  for (const subject of [bare, fastpaca]) await run(subject, { ...load(appends), seconds: 2 });

  const comparisons = new Map<string, Comparison>();
  const compare = async (name: string, bareLoad: Load, ownLoad: Load): Promise<void> => {
    comparisons.set(name, { bare: await run(bare, bareLoad), measured: await run(fastpaca, ownLoad) });
  };
  await compare("append, 100 contexts", load(appends), load(appends));
  await compare("keyed append, 100 contexts", load(appends, true), load(appends, true));
  await compare("append, one empty context", load(appends), load([append("empty0")]));
  await compare(`append, one context of ${deep}`, load(appends), load([append("long0")]));
  await compare("read, log of 200", load(constant), load(read("short0")));
  await compare("read, log of 5000", load(constant), load(read("five0")));
  await compare(`read, log of ${deep}`, load(constant), load(read("deep0")));
  return comparisons;
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
    cells.map((cell, column) => (column === 0 ? cell.padEnd(34) : cell.padStart(12))).join("");
  console.log(row(["", "ratio", "per second", "bare", "busy", "p50 ms", "p99 ms"]));
  for (const [name, rounds] of comparisons) {
    const figure = (read: (comparison: Comparison) => number): number => median(rounds.map(read));
    console.log(
      row([
        name,
        `${(100 * figure(({ measured, bare }) => measured.perSecond / bare.perSecond)).toFixed(0)} %`,
        figure(({ measured }) => measured.perSecond).toFixed(0),
        figure(({ bare }) => bare.perSecond).toFixed(0),
        figure(({ measured }) => measured.busy).toFixed(2),
        figure(({ measured }) => measured.p50).toFixed(1),
        figure(({ measured }) => measured.p99).toFixed(1),
      ]),
    );
  }
}

import { alternate, run, type Load, type Measured, type Request } from "./load.js";
import { Subject } from "./subject.js";
import { message } from "./workload.js";

const CONTEXTS = 100;
const CONNECTIONS = 32;

/**
 * The server against bare Fastify routes that do as little as can be done, in one run: figures that do not depend on
 * the machine are the ratios.
 */
export async function benchmarkHttp(short: boolean): Promise<void> {
  const seconds = short ? 1 : 4;
  const rounds = short ? 1 : 5;
  const deep = short ? 20_000 : 100_000;
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

  // What the engine compiles late should be compiled on both sides.
  for (const subject of [bare, fastpaca]) await run(subject, { ...load(appends), seconds: 2 });

  const measured = await alternate(rounds, {
    "bare append": () => run(bare, load(appends)),
    "append, 100 contexts": () => run(fastpaca, load(appends)),
    "keyed append, 100 contexts": () => run(fastpaca, load(appends, true)),
    "append, one empty context": () => run(fastpaca, load([append("empty0")])),
    [`append, one context of ${deep}`]: () => run(fastpaca, load([append("long0")])),
    "bare read": () => run(bare, load([{ method: "GET", path: "/constant" }])),
    "read, log of 200": () => run(fastpaca, load(read("short0"))),
    "read, log of 5000": () => run(fastpaca, load(read("five0"))),
    [`read, log of ${deep}`]: () => run(fastpaca, load(read("deep0"))),
  });
  console.log(
    `Fastpaca over HTTP, memory driver, ${CONNECTIONS} connections, window of 200 messages of 100 bytes`,
  );
  print(measured, "bare append", (name) => name.includes("append"));
  print(measured, "bare read", (name) => name.includes("read"));
}

function append(id: string): Request {
  return {
    method: "POST",
    path: `/v1/contexts/${id}/messages`,
    body: JSON.stringify({ message: message(1) }),
  };
}

function print(
  measured: ReadonlyMap<string, Measured>,
  baseline: string,
  belongs: (name: string) => boolean,
): void {
  const base = measured.get(baseline);
  if (base === undefined) return;
  const row = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(34) : cell.padStart(12))).join("");
  console.log(`\n${row(["", "ratio", "per second", "cpu µs", "busy", "p50 ms", "p99 ms"])}`);
  for (const [name, { perSecond, cpuMicros, busy, p50, p99 }] of measured) {
    if (!belongs(name)) continue;
    const ratio = `${((100 * perSecond) / base.perSecond).toFixed(0)} %`;
    const cells = [
      ratio,
      perSecond.toFixed(0),
      cpuMicros.toFixed(1),
      busy.toFixed(2),
      p50.toFixed(1),
      p99.toFixed(1),
    ];
    console.log(row([name, ...cells]));
  }
}

import autocannon from "autocannon";
import type { Subject } from "./subject.js";

export interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
}

export interface Load {
  readonly connections: number;
  readonly seconds: number;
  readonly requests: readonly Request[];
  /** Puts a key of its own into each request's `Idempotency-Key` header. */
  readonly keyed?: boolean;
}

export interface Measured {
  readonly perSecond: number;
  /** Processor time of the server for one request, in microseconds. */
  readonly cpuMicros: number;
  /** Part of one processor that the server was busy with: near 1, it is what limits the run. */
  readonly busy: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Puts one load on one server. @throws Error when an answer was not a success */
export async function run(subject: Subject, load: Load): Promise<Measured> {
  const before = await subject.ask({ do: "cpu" });
  const started = performance.now();
  const headers = { "content-type": "application/json" };
  let keys = 0;
  const result = await autocannon({
    url: subject.url("/"),
    connections: load.connections,
    duration: load.seconds,
    requests: load.requests.map((request) => ({
      ...request,
      headers,
      ...(load.keyed === true && {
        setupRequest: (sent: autocannon.Request): autocannon.Request => ({
          ...sent,
          headers: { ...headers, "idempotency-key": `key-${started}-${keys++}` },
        }),
      }),
    })),
  });
  const elapsed = (performance.now() - started) / 1000;
  const after = await subject.ask({ do: "cpu" });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} requests failed, ${result.errors} were not answered`);
  }
  const cpu = (after.cpu ?? 0) - (before.cpu ?? 0);
  const { total } = result.requests;
  return {
    perSecond: total / elapsed,
    cpuMicros: (cpu * 1e6) / total,
    busy: cpu / elapsed,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}

/** Runs several loads in turn, A B A B …, and returns the median of each figure for each of them. */
export async function alternate(
  rounds: number,
  runs: Readonly<Record<string, () => Promise<Measured>>>,
): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured[]>(Object.keys(runs).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, once] of Object.entries(runs)) measured.get(name)?.push(await once());
  }
  return new Map([...measured].map(([name, all]) => [name, medians(all)]));
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function medians(all: readonly Measured[]): Measured {
  const of = (figure: keyof Measured): number => median(all.map((one) => one[figure]));
  return {
    perSecond: of("perSecond"),
    cpuMicros: of("cpuMicros"),
    busy: of("busy"),
    p50: of("p50"),
    p99: of("p99"),
  };
}

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
  /** So many requests instead, however long they take. */
  readonly amount?: number;
  readonly requests: readonly Request[];
  /** Puts a key of its own into each request's `Idempotency-Key` header. */
  readonly keyed?: boolean;
}

export interface Measured {
  readonly perSecond: number;
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
    ...(load.amount === undefined ? { duration: load.seconds } : { amount: load.amount }),
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
    busy: cpu / elapsed,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

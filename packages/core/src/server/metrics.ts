import type { FastifyReply, FastifyRequest } from "fastify";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Store } from "../store/store.js";

/** What `/metrics` shows: requests, how long they took, writes under way, and the process. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Map<string, { readonly labels: RequestLabels; count: number }>();
  readonly #seconds: Histogram;

  constructor(store: Store) {
    const registers = [this.#registry];
    const requests = this.#requests;
    // Counted in a plain map and handed over when somebody looks: it is on the path of every request.
    void new Counter({
      name: "fastpaca_http_requests_total",
      help: "Requests answered",
      labelNames: ["method", "route", "status"],
      registers,
      collect() {
        this.reset();
        for (const { labels, count } of requests.values()) this.inc({ ...labels }, count);
      },
    });
    this.#seconds = new Histogram({
      name: "fastpaca_http_request_duration_seconds",
      help: "Time from the request's head to the end of its answer",
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    });
    this.#gauge("fastpaca_pending_writes", "Writes that were taken and not answered yet", () => store.pendingWrites);
    this.#gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
    this.#gauge("process_start_time_seconds", "Start of the process, since 1970", () => performance.timeOrigin / 1000);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  observe(request: FastifyRequest, reply: FastifyReply): void {
    const { method } = request;
    const route = request.routeOptions.url ?? "none";
    const status = String(reply.statusCode);
    const key = `${method} ${route} ${status}`;
    const seen = this.#requests.get(key);
    if (seen === undefined) this.#requests.set(key, { labels: { method, route, status }, count: 1 });
    else seen.count += 1;
    this.#seconds.observe(reply.elapsedTime / 1000);
  }

  #gauge(name: string, help: string, read: () => number): void {
    // Registers itself.
    void new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }
}

interface RequestLabels {
  readonly method: string;
  readonly route: string;
  readonly status: string;
}

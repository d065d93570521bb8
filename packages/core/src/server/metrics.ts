import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Store } from "../store/store.js";

/** What `/metrics` shows: requests, how long they took, writes under way, and the process. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #routes: RouteCount[] = [];
  readonly #seconds: Histogram;

  constructor(store: Store, streams: { readonly count: number }) {
    const registers = [this.#registry];
    const routes = this.#routes;
    void new Counter({
      name: "fastpaca_http_requests_total",
      help: "Requests answered",
      labelNames: ["method", "route", "status"],
      registers,
      collect() {
        this.reset();
        for (const { method, route, statuses } of routes) {
          for (const [status, count] of statuses) this.inc({ method, route, status }, count);
        }
      },
    });
    this.#seconds = new Histogram({
      name: "fastpaca_http_request_duration_seconds",
      help: "Time from a request's head to its answer",
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    });
    this.#gauge(
      "fastpaca_pending_writes",
      "Writes that were taken and not answered yet",
      () => store.pendingWrites,
    );
    this.#gauge("fastpaca_streams", "Open streams", () => streams.count);
    this.#gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
    this.#gauge(
      "process_start_time_seconds",
      "Start of the process, since 1970",
      () => performance.timeOrigin / 1000,
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * The meter of one route, to be called with each answer's status and the seconds it took. It only counts; what it
   * counted is handed over when somebody looks.
   */
  meter(method: string, route: string): (status: number, seconds: number) => void {
    const statuses = new Map<number, number>();
    this.#routes.push({ method, route, statuses });
    return (status, seconds) => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      this.#seconds.observe(seconds);
    };
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

interface RouteCount {
  readonly method: string;
  readonly route: string;
  readonly statuses: ReadonlyMap<number, number>;
}

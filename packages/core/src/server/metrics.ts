import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** What `/metrics` shows: requests, how long they took, writes under way, and the process. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #routes: RouteCount[] = [];
  readonly #seconds: Histogram;

  constructor() {
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
      help: "Time that a route took for a success, without receiving the request and sending the answer",
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    });
    this.gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
    this.gauge(
      "process_start_time_seconds",
      "Start of the process, since 1970",
      () => performance.timeOrigin / 1000,
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * The meter of one route, to be called with the status of each success and the seconds it took. It only counts; what
   * it counted is handed over when somebody looks.
   */
  meter(method: string, route: string): (status: number, seconds: number) => void {
    const statuses = this.#statuses(method, route);
    return (status, seconds) => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      this.#seconds.observe(seconds);
    };
  }

  /** Counts a request that was refused; those of no route together. */
  refused(method: string, route: string | undefined, status: number): void {
    const statuses = route === undefined ? this.#statuses("any", "none") : this.#statuses(method, route);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }

  #statuses(method: string, route: string): Map<number, number> {
    const present = this.#routes.find((count) => count.method === method && count.route === route);
    if (present !== undefined) return present.statuses;
    const statuses = new Map<number, number>();
    this.#routes.push({ method, route, statuses });
    return statuses;
  }

  /** Adds a figure that is read when somebody looks. */
  gauge(name: string, help: string, read: () => number): void {
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
  readonly statuses: Map<number, number>;
}

import type { Progress } from "../runner.js";
import { duration, shorten } from "../report/plain.js";
import type { Paint } from "../report/text.js";

/** Milliseconds between two looks at the clock while a check runs. */
const REDRAW_MS = 200;

/** Where progress is told. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Tells how far a run is: on a terminal one line that is drawn over and over, elsewhere a line for each check.
 */
export class LiveProgress {
  readonly #out: Output;
  readonly #paint: Paint;
  readonly #live: boolean;
  #timer: NodeJS.Timeout | undefined;
  #checks = 0;
  #done = 0;
  #failed = 0;
  #current = "";
  #started = 0;
  #drawn = false;

  constructor(out: Output, paint: Paint, live: boolean) {
    this.#out = out;
    this.#paint = paint;
    this.#live = live;
  }

  /** Name of the check that is running. */
  get current(): string {
    return this.#current;
  }

  readonly tell = (progress: Progress): void => {
    switch (progress.type) {
      case "started":
        this.#checks = progress.checks;
        this.#started = performance.now();
        if (!this.#live) this.#out.write(`${progress.checks} checks, seed ${progress.seed}\n`);
        else this.#timer = setInterval(() => this.#draw(), REDRAW_MS).unref();
        break;
      case "checking":
        this.#current = `${progress.check} (${progress.invariants.join(" ")})`;
        this.#draw();
        break;
      case "checked": {
        this.#done += 1;
        const { check, invariants, runs, milliseconds, failure } = progress.result;
        if (failure !== undefined) this.#failed += 1;
        if (this.#live && failure === undefined) break;
        this.#clear();
        const found = failure === undefined ? this.#paint("green", "ok  ") : this.#paint("red", "FAIL");
        const what =
          failure === undefined ? invariants.join(" ") : (failure.invariant ?? "could not be played");
        const place = `${String(this.#done).padStart(String(this.#checks).length)}/${this.#checks}`;
        this.#out.write(`${found} ${place} ${check} ${what}, ${runs} runs, ${duration(milliseconds)}\n`);
        break;
      }
    }
  };

  /** Takes the line away. */
  end(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #draw(): void {
    if (!this.#live) return;
    const elapsed = duration(performance.now() - this.#started);
    const failed = this.#failed === 0 ? "" : `, ${this.#failed} failed`;
    const text = `check ${Math.min(this.#done + 1, this.#checks)}/${this.#checks} ${this.#current} ${elapsed}${failed}`;
    this.#out.write(`\r\u001b[2K${shorten(text, (this.#out.columns || 80) - 1)}`);
    this.#drawn = true;
  }

  #clear(): void {
    if (this.#drawn) this.#out.write("\r\u001b[2K");
    this.#drawn = false;
  }
}

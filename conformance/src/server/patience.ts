/** Milliseconds that anything may take at first: far more than a busy machine needs. */
const FIRST = 15_000;
/** Milliseconds from then on. */
const LATER = 3_000;

/** How long a server is waited for. One that let it pass is wrong already: smaller cases need not wait as long. */
export class Patience {
  #milliseconds = FIRST;

  get milliseconds(): number {
    return this.#milliseconds;
  }

  /** Nothing came in time. */
  lose(): void {
    this.#milliseconds = LATER;
  }
}

/** Longest that running requests are waited for, in milliseconds: longer than the store waits for its database. */
const FAREWELL = 12_000;

/** The requests that are being answered. */
export class Requests {
  #running = 0;
  #closing = false;
  #idle: (() => void) | undefined;

  /** @returns false when no more are taken; otherwise {@link leave} is due when this one is answered */
  enter(): boolean {
    if (this.#closing) return false;
    this.#running += 1;
    return true;
  }

  leave(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#idle?.();
  }

  /** Takes no more; resolves when those that were taken are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, FAREWELL);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

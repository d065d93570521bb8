/** Reads an array of strings and numbers from its beginning, as it was packed. */
export class FlatReader {
  readonly #values: readonly unknown[];
  #position = 0;

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  get ended(): boolean {
    return this.#position >= this.#values.length;
  }

  /** Whether the next value is a string. */
  get atText(): boolean {
    return typeof this.#values[this.#position] === "string";
  }

  /** @throws TypeError when it is something else */
  text(): string {
    const value = this.#values[this.#position++];
    if (typeof value !== "string") throw new TypeError("values are not packed as they should be");
    return value;
  }

  /** @throws TypeError when it is something else */
  number(): number {
    const value = this.#values[this.#position++];
    if (typeof value !== "number") throw new TypeError("values are not packed as they should be");
    return value;
  }

  /** As many as the next number says. */
  many<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.number(); left > 0; left -= 1) items.push(read());
    return items;
  }
}

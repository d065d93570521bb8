import { expect } from "vitest";
import type { Life, StreamFrame } from "./log-record.js";

export interface Expected {
  /** What the stream was opened with; undefined: from now on. */
  readonly cursor: number | undefined;
  /** The conversation's version before the stream was asked for, and when it was there. */
  readonly opened: readonly [least: number, most: number];
  readonly context: boolean;
  readonly messages: boolean;
}

/**
 * Holds one stream to the log: after its cursor everything that it shows, in order and as it was committed; states that
 * were current; gaps only over what is gone or was never there; the tombstone last.
 */
export class Checker {
  readonly life: Life;
  readonly #expected: Expected;
  /** The last version told is between these: at the start, one knows only when the stream was opened. */
  #least: number;
  #most: number;
  /** Versions up to here are those of another stream, or gone. */
  #base: number;
  #contexts: StreamFrame[] = [];
  #first = true;
  ended = false;

  constructor(life: Life, expected: Expected) {
    this.life = life;
    this.#expected = expected;
    const { cursor, opened } = expected;
    [this.#least, this.#most] = cursor === undefined ? opened : [cursor, cursor];
    this.#base = this.#least;
  }

  /** Where a later stream goes on. */
  get cursor(): number {
    return this.#most;
  }

  take(frame: StreamFrame): void {
    const story = `${JSON.stringify(frame).slice(0, 200)} behind ${this.#least}, of ${JSON.stringify(this.#expected)}`;
    expect(this.ended, `${story}: nothing follows the tombstone`).toBe(false);
    switch (frame.type) {
      case "gap":
        this.#takeGap(frame, story);
        break;
      case "context":
        this.#takeContext(frame, story);
        break;
      case "tombstoned":
        expect(frame).toEqual({ type: "tombstoned", version: 0 });
        expect(this.life.purged || this.life.tombstoned, story).toBe(true);
        if (!this.life.purged) this.#expectComplete(story);
        this.ended = true;
        break;
      default:
        this.#takeEvent(frame, story);
    }
    this.#first = false;
  }

  /** Everything that was committed has been told, and every state that was told was one. */
  async finish(): Promise<void> {
    if (!this.ended) this.#expectComplete("at the end");
    await this.expectStates();
  }

  async expectStates(): Promise<void> {
    for (const frame of this.#contexts)
      expect(frame, "the state at that version").toEqual(await this.life.contextFrame(frame.version ?? 0));
  }

  /** Whether nothing is missing. */
  get complete(): boolean {
    const { life } = this;
    const { context, messages } = this.#expected;
    if (life.purged || life.tombstoned) return this.ended;
    if (this.#first && this.#most > this.#expected.opened[1]) return false;
    if (life.shows(this.#most, life.version, messages)) return false;
    // Whether the first of several versions came before or behind the start, only a frame could tell.
    const settled = this.#base >= life.version || (this.#first && this.#most >= life.version);
    return !context || settled || this.#contexts.at(-1)?.version === life.version;
  }

  #expectComplete(story: string): void {
    const { life } = this;
    const { messages, context } = this.#expected;
    expect(life.shows(this.#most, life.version, messages), `${story}: events up to ${life.version}`).toBe(
      false,
    );
    if (!context || this.#base >= life.version || (this.#first && this.#most >= life.version)) return;
    expect(this.#contexts.at(-1)?.version, `${story}: the newest state`).toBe(life.version);
  }

  #takeEvent(frame: StreamFrame, story: string): void {
    const { version = 0 } = frame;
    const { messages } = this.#expected;
    expect(frame, story).toEqual(this.life.frame(version, messages));
    expect(version, story).toBeGreaterThan(this.#least);
    expect(this.life.shows(this.#most, version - 1, messages), `${story}: left out`).toBe(false);
    this.#moveTo(version);
  }

  #takeContext(frame: StreamFrame, story: string): void {
    const { version = 0 } = frame;
    const { context, messages } = this.#expected;
    expect(context, story).toBe(true);
    expect(version, `${story}: of a version that the client knows`).toBeGreaterThan(this.#base);
    expect(version, story).toBeGreaterThanOrEqual(this.#least);
    expect(version, `${story}: twice`).toBeGreaterThan(this.#contexts.at(-1)?.version ?? -1);
    expect(version, story).toBeLessThanOrEqual(this.life.version);
    expect(this.life.shows(this.#most, version, messages), `${story}: left out`).toBe(false);
    this.#contexts.push(frame);
    this.#moveTo(version);
  }

  #takeGap(frame: StreamFrame, story: string): void {
    const { expected = NaN, actual = NaN } = frame;
    expect(frame, story).toEqual({ type: "gap", expected, actual });
    const {
      cursor = 0,
      opened: [least, most],
      messages,
    } = this.#expected;
    if (this.#first && cursor > least && actual < expected) {
      expect(expected, story).toBe(cursor + 1);
      expect(actual, story).toBeGreaterThanOrEqual(least);
      expect(actual, story).toBeLessThanOrEqual(most);
      this.#moveTo(actual);
      this.#base = actual;
      return;
    }
    // A stream may have moved past what it does not show.
    expect(expected, story).toBeGreaterThan(this.#least);
    expect(this.life.shows(this.#most, expected - 1, messages), `${story}: left out`).toBe(false);
    expect([...this.life.trimmedTo], `${story}: nothing was trimmed up to there`).toContain(actual);
    expect(actual, `${story}: nothing is missing`).toBeGreaterThan(expected);
    this.#moveTo(actual - 1);
    this.#base = actual - 1;
  }

  #moveTo(version: number): void {
    this.#least = version;
    this.#most = version;
  }
}

import type { Head } from "@fastpaca/core";

/** Heads that are remembered, by their size in memory: 32 MiB. */
const MAX_BYTES = 32 * 1024 * 1024;
/** What a head takes beside its text, in bytes. */
const OVERHEAD = 512;

/** What this process knows of a conversation. It may have gone on since. */
export interface Known {
  /** No failure can take this revision back, so that the next one may be inserted on it. */
  readonly head: Head;
  /** Slot of the listing in which this process has seen to an entry, with these labels. */
  readonly listed: Listed | undefined;
}

export interface Listed {
  readonly slot: number;
  readonly life: number;
  readonly labels: string;
}

/** The latest heads that this process has seen, those that were not asked for the longest forgotten first. */
export class HeadCache {
  readonly #known = new Map<string, Known>();
  #bytes = 0;

  get(id: string): Known | undefined {
    const known = this.#known.get(id);
    if (known === undefined) return undefined;
    this.#known.delete(id);
    this.#known.set(id, known);
    return known;
  }

  /** Takes note of a head, unless a later one is known already: answers may overtake each other. */
  put(known: Known): void {
    const { id, revision } = known.head;
    const present = this.#known.get(id);
    if (present !== undefined) {
      if (present.head.revision > revision) return;
      this.#known.delete(id);
      this.#bytes -= bytesOf(present);
    }
    this.#known.set(id, known);
    this.#bytes += bytesOf(known);
    for (const [oldest, forgotten] of this.#known) {
      if (this.#bytes <= MAX_BYTES) break;
      this.#known.delete(oldest);
      this.#bytes -= bytesOf(forgotten);
    }
  }
}

function bytesOf({ head: { id, metadata, state, labels }, listed }: Known): number {
  let characters = id.length + metadata.length + state.length + (listed?.labels.length ?? 0);
  for (const label of labels) characters += label.length;
  return OVERHEAD + 2 * characters;
}

interface Item {
  readonly seq: number;
  readonly tokens: number;
}

export interface WindowConfig {
  readonly budget: number;
  readonly ratio: number;
  /** Undefined: `manual`. */
  readonly limit: number | undefined;
  readonly retain: number | undefined;
}

/** A window of messages whose sizes are given, worked out message by message. Leaving out parts is not part of it. */
export class WindowModel {
  config: WindowConfig;
  #log: Item[] = [];
  #live: Item[] = [];
  #summary:
    | { readonly from: number; readonly to: number; readonly tokens: number; readonly count: number }
    | undefined;
  marks = 0;

  constructor(config: WindowConfig) {
    this.config = config;
  }

  get lastSeq(): number {
    return this.#log.length;
  }

  get version(): number {
    return this.lastSeq + this.marks;
  }

  /** First seq that a compaction may go through. */
  get start(): number {
    return this.#summary?.to ?? this.#live[0]?.seq ?? this.lastSeq;
  }

  /** First seq that the window stands for. */
  get firstSeq(): number {
    return this.#summary?.from ?? this.#live[0]?.seq ?? 1;
  }

  get used(): number {
    return (this.#summary?.tokens ?? 0) + this.#live.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  get needsCompaction(): boolean {
    return this.used > this.config.budget * this.config.ratio;
  }

  get seqs(): number[] {
    return this.#live.map(({ seq }) => seq);
  }

  get summaryCount(): number {
    return this.#summary?.count ?? 0;
  }

  get segments(): object[] {
    const [first] = this.#live;
    const summary = this.#summary;
    return [
      ...(summary === undefined ? [] : [{ type: "summary", from_seq: summary.from, to_seq: summary.to }]),
      ...(first === undefined ? [] : [{ type: "live", from_seq: first.seq, to_seq: this.lastSeq }]),
    ];
  }

  append(tokens: number): void {
    const item = { seq: this.lastSeq + 1, tokens };
    this.#log.push(item);
    this.#live.push(item);
    this.#applyRules();
  }

  configure(config: WindowConfig): void {
    this.config = config;
    this.marks += 1;
    this.#applyRules();
  }

  compact(tokens: readonly number[], through: number): void {
    const from = this.firstSeq;
    const sum = tokens.reduce((total, count) => total + count, 0);
    this.#live = this.#live.filter(({ seq }) => seq > through);
    this.#summary = { from, to: through, tokens: sum, count: tokens.length };
    this.marks += 1;
    this.#applyRules();
  }

  reset(): void {
    const log = this.#log;
    this.#log = [];
    this.#live = [];
    this.#summary = undefined;
    this.marks += 1;
    for (const { tokens } of log) this.append(tokens);
  }

  /** What a reader is shown who has another budget. */
  within(budget: number): { seqs: number[]; used: number; needsCompaction: boolean } {
    const live = [...this.#live];
    let { used } = this;
    // The newest message is never left out, and without one there is nothing to leave out.
    while (used > budget && live.length > 1) used -= live.shift()?.tokens ?? 0;
    return { seqs: live.map(({ seq }) => seq), used, needsCompaction: used > budget * this.config.ratio };
  }

  #applyRules(): void {
    const { limit, retain = limit, budget } = this.config;
    if (limit === undefined || retain === undefined) return;
    const size = (): number => this.summaryCount + this.#live.length;
    if (size() > limit) while (size() > retain && this.#droppable) this.#live.shift();
    while (this.used > budget && this.#droppable) this.#live.shift();
  }

  /** The newest message of the log is never dropped. */
  get #droppable(): boolean {
    const [oldest] = this.#live;
    return oldest !== undefined && oldest.seq < this.lastSeq;
  }
}

import { setTimeout as pause } from "node:timers/promises";
import type { CommitOutcome, Driver, Head } from "@fastpaca/core";
import { commitOn } from "../commits.js";
import { audit } from "../crash/audit.js";
import { Ledger, describe, type Attempt } from "../crash/ledger.js";
import { stepOf, type Move } from "../crash/writer.js";
import type { Handle } from "../handle.js";
import { Violation, show } from "../violation.js";
import type { World } from "../world.js";
import { addressOf, withAddress } from "./address.js";
import { Proxy, type Fault } from "./proxy.js";
import { Reads } from "./reads.js";
import { demandUnavailable } from "./rejections.js";

/** Milliseconds in which everything works again after the network does. */
const RECOVERY_MS = 15_000;
/** How often a commit is tried while the network may be down, and milliseconds in between. */
const TRIES = 20;
const PAUSE_MS = 15;
/** Milliseconds for what the proxy still holds to go out, after it was healed. */
const DRAIN_MS = 5000;

/** A fault, and the commit with which it is armed, counted from the beginning of the trial. */
export interface Planned extends Fault {
  readonly at: number;
}

/** One conversation that only one handle commits to. */
interface Line {
  readonly id: string;
  readonly handle: Handle;
  /** The newest head that was acknowledged. */
  head: Head | undefined;
  /** An answer that cannot be right, if nothing else explains it. */
  odd?: string;
}

/**
 * Commits and reads through a network that breaks, and afterwards holds what was said against what is there, as seen
 * through a network that does not.
 */
export class Trial {
  readonly ledger = new Ledger({ lost: "ERR-5", partial: "ERR-5", refused: "ERR-5" });
  readonly #world: World;
  readonly #name: string;
  readonly #proxy: Proxy;
  readonly #handles: Handle[] = [];
  readonly #lines: Line[] = [];
  readonly #reads = new Reads();
  /** Committed to by a handle that nothing disturbs. */
  #foreign: Line | undefined;
  #plan: readonly Planned[] = [];
  #begun = 0;
  #tokens = 0;

  private constructor(world: World, name: string, proxy: Proxy) {
    this.#world = world;
    this.#name = name;
    this.#proxy = proxy;
  }

  /** Opens handles behind a proxy, and makes a first commit to each conversation while all is well. */
  static async run(world: World, name: string, work: (trial: Trial) => Promise<void>): Promise<void> {
    const upstream = addressOf(world.url);
    if (upstream === undefined) throw new Error("the URL of the database names no host and port");
    const proxy = await Proxy.listen(upstream);
    try {
      const trial = new Trial(world, name, proxy);
      await trial.#open();
      await work(trial);
      await trial.#conclude();
    } finally {
      await proxy.close();
    }
  }

  /** Commits through every handle while the faults happen, and reads all the time. */
  async disturb(plan: readonly Planned[], script: readonly Move[], steps: number): Promise<void> {
    this.#plan = plan;
    this.#begun = 0;
    let over = false;
    const writing = this.#lines.map(async (line, n) => {
      for (let step = 0; step < steps; step++) await this.#step(line, script[(step + n) % script.length]);
    });
    const foreign = this.#writeElsewhere(() => over);
    const reading = this.#handles.map((handle) => this.#readUntil(handle, () => over));
    // All are waited for from the beginning, so that no rejection is without a listener.
    const all = Promise.allSettled([...writing, foreign, ...reading]);
    await Promise.allSettled(writing);
    over = true;
    for (const one of await all) if (one.status === "rejected") throw one.reason;
  }

  /** Lets nothing through any more in one direction, and waits for one call of each kind to be given up. */
  async silence(from: Fault["from"], script: readonly Move[]): Promise<void> {
    const ids = this.#lines.map(({ id }) => id);
    this.#proxy.arm({ from, after: 1, unit: "chunks", action: "silence", lasts: 0 });
    await Promise.all([
      ...this.#lines.map((line, n) => this.#try(line, this.#enter(line, script[n % script.length]))),
      ...this.#handles.map((handle) => this.#reads.heads(handle, ids, () => this.#known())),
    ]);
  }

  async #open(): Promise<void> {
    const url = withAddress(this.#world.url, this.#proxy.address);
    const count = this.#world.subject.traits.shared ? 2 : 1;
    this.#handles.push(
      ...(await Promise.all(Array.from({ length: count }, () => this.#world.open({ url, mayFail: true })))),
    );
    for (const [n, handle] of this.#handles.entries()) {
      for (const part of ["a", "b"]) {
        const id = this.#world.id(`${this.#name}${n}${part}`);
        this.#lines.push({ id, handle, head: undefined });
      }
    }
    await Promise.all(this.#lines.map((line) => this.#settled(line)));
    // Some connect with their first call only.
    if (this.#proxy.connections === 0) {
      throw new Error(
        `opening ${url} connected to somewhere else: the driver must use the host and port of its URL`,
      );
    }
  }

  /** One step of a conversation, through whatever happens to the network. Gives up if that does not end. */
  async #step(line: Line, move: Move | undefined): Promise<void> {
    if (line.odd !== undefined) return;
    let attempt = this.#undecided(line) ?? this.#enter(line, move);
    for (let time = 0; time < TRIES; time++) {
      if (time > 0) await pause(PAUSE_MS);
      if (await this.#try(line, attempt)) return;
      // A store that knows that nothing was applied decides anew; while it does not know, it asks for the same again.
      if (attempt.told === "refused" || attempt.told === "rejected") attempt = this.#enter(line, move);
    }
  }

  #enter(line: Line, move: Move = { kind: "append", count: 1, size: 1 }): Attempt {
    const step = stepOf(move, line.head, `${this.#name}.${(this.#tokens += 1)}`);
    return this.ledger.enter(commitOn(line.head, line.id, step), line.head);
  }

  /** What nobody knows of yet, and has to be settled first. */
  #undecided(line: Line): Attempt | undefined {
    const last = this.ledger.attempts(line.id).at(-1);
    return last?.told === "open" && last.parent?.commit.head === line.head ? last : undefined;
  }

  /** Hands a commit over. @returns whether the conversation is done with it */
  async #try(line: Line, attempt: Attempt): Promise<boolean> {
    const { handle } = line;
    const planned = this.#plan.find(({ at }) => at === this.#begun);
    this.#begun += 1;
    const doubtful = attempt.doubtful;
    const answered = (async () => {
      try {
        return await this.ledger.submit(handle, [attempt]);
      } catch (error) {
        demandUnavailable("commit", error);
        return undefined;
      }
    })();
    // Only what the call makes the network do is counted.
    if (planned !== undefined) this.#proxy.arm(planned);
    const [outcome] = (await answered) ?? [];
    switch (outcome?.status) {
      case "committed":
        line.head = attempt.commit.head;
        return true;
      case "conflict":
        // Handed over again after it had landed.
        if (doubtful && (await this.#landed(line, attempt, outcome))) line.head = attempt.commit.head;
        else
          line.odd = `${describe(attempt)} conflicts with ${show(outcome.head)}, and nobody else commits to it`;
        return true;
      case "duplicate":
        line.odd = `${describe(attempt)} is a duplicate of ${show(outcome.held)}, and its keys are new`;
        return true;
      case "unknown":
      case undefined:
        return false;
    }
  }

  async #landed(
    line: Line,
    attempt: Attempt,
    { head }: Extract<CommitOutcome, { status: "conflict" }>,
  ): Promise<boolean> {
    const stored = head ?? (await this.#recovered(async () => (await line.handle.heads([line.id]))[0]));
    return stored !== undefined && this.ledger.author(stored) === attempt;
  }

  /** Somebody else commits meanwhile, over a network that works, to what these handles only read. */
  async #writeElsewhere(over: () => boolean): Promise<void> {
    if (!this.#world.subject.traits.shared) return;
    const handle = await this.#world.handle();
    const line: Line = { id: this.#world.id(`${this.#name}f`), handle, head: undefined };
    this.#foreign = line;
    while (!over()) {
      const attempt = this.#enter(line);
      await this.ledger.submit(handle, [attempt]);
      if (attempt.told !== "committed") return;
      line.head = attempt.commit.head;
      await pause(PAUSE_MS);
    }
  }

  async #readUntil(handle: Handle, over: () => boolean): Promise<void> {
    for (let turn = 0; !over(); turn++) {
      const lines = this.#foreign === undefined ? this.#lines : [this.#foreign, ...this.#lines];
      const line = lines[turn % lines.length];
      if (line === undefined) return;
      const known = (): ReadonlyMap<string, Head | undefined> => this.#known();
      const ids = lines.map(({ id }) => id);
      await Promise.all([
        this.#reads.heads(handle, turn % 2 === 0 ? ids : ids.toReversed(), known),
        turn % 2 === 0
          ? this.#reads.messages(handle, line.id, known)
          : this.#reads.marks(handle, line.id, known),
      ]);
      await pause(PAUSE_MS / 3);
    }
  }

  /** What has been acknowledged by now. */
  #known(): ReadonlyMap<string, Head | undefined> {
    const lines = this.#foreign === undefined ? this.#lines : [...this.#lines, this.#foreign];
    return new Map(lines.map(({ id, head }) => [id, head]));
  }

  /** Heals the network, has everything settled, and looks at what there is. */
  async #conclude(): Promise<void> {
    this.#world.history.note("kit", "the network works again");
    this.#proxy.heal();
    const end = performance.now() + DRAIN_MS;
    while (!this.#proxy.idle && performance.now() < end) await pause(1);
    await Promise.all(
      this.#handles.map((handle) => this.#recovered(() => handle.heads([this.#world.id("none")]))),
    );
    const shared = this.#world.subject.traits.shared;
    let clean: Driver | undefined = shared ? await this.#world.handle() : this.#handles[0];
    if (clean === undefined) return;
    await audit(clean, this.ledger);
    for (const line of this.#lines) if (line.odd !== undefined) throw new Violation("ERR-5", line.odd);
    // Then whatever is still on its way finds its base taken.
    await Promise.all(this.#lines.map((line) => this.#settled(line)));
    await Promise.all(this.#handles.map((handle) => handle.close()));
    clean = shared ? clean : await this.#world.open();
    const ids = this.ledger.ids;
    const heads = await audit(clean, this.ledger);
    for (const [n, id] of ids.entries()) this.#reads.judge(id, this.ledger.chain(id, heads[n]));
  }

  /** Settles what is open in a conversation and commits to it, through the handle that went through all this. */
  async #settled(line: Line): Promise<void> {
    await this.#recovered(async () => {
      const open = this.#undecided(line);
      const attempt = open ?? this.#enter(line);
      const done = await this.#try(line, attempt);
      if (line.odd !== undefined) throw new Violation("ERR-5", line.odd);
      if (!done || attempt === open) throw new Error(`${describe(attempt)} is ${attempt.told}`);
    });
  }

  /** Tries until it succeeds. @throws Violation if it does not within the time of a recovery */
  async #recovered<T>(call: () => Promise<T>): Promise<T> {
    const end = performance.now() + RECOVERY_MS;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (error instanceof Violation) throw error;
        if (performance.now() > end) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new Violation(
            "ERR-6",
            `${RECOVERY_MS / 1000} s after the network came back, calls still fail: ${reason}`,
            { cause: error },
          );
        }
      }
      await pause(PAUSE_MS);
    }
  }
}

import type { Commit, CommitOutcome, Head } from "@fastpaca/core";
import { commitOn, type Step } from "../commits.js";
import type { Handle } from "../handle.js";
import { demandLegalHistory } from "../history-checker.js";
import type { World } from "../world.js";

/** More than any conversation of a race holds. */
export const EVERYTHING = 1000;

/** The handles that a race runs on; one handle several times where a database cannot be shared. */
export async function racingHandles(world: World, count: number): Promise<readonly Handle[]> {
  if (world.subject.traits.shared) return world.handles(count);
  const only = await world.handle();
  return Array.from({ length: count }, () => only);
}

/** Lets others go first, so many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A writer that decides on what it last saw, as a node of the store does. */
export class Actor {
  readonly name: string;
  readonly handle: Handle;
  readonly #known = new Map<string, Head>();
  readonly #labels: readonly string[];
  #steps = 0;

  constructor(world: World, handle: Handle, name: string) {
    this.name = name;
    this.handle = handle;
    this.#labels = [runLabel(world)];
  }

  known(id: string): Head | undefined {
    return this.#known.get(id);
  }

  /** Believes that this is the head now. */
  believe(head: Head | undefined): void {
    if (head !== undefined) this.#known.set(head.id, head);
  }

  async look(ids: readonly string[]): Promise<void> {
    for (const head of await this.handle.heads(ids)) this.believe(head);
  }

  /** A commit on the head that it knows of, unlike any other one. */
  decide(id: string, { size = 0, ...step }: Omit<Step, "token"> & { readonly size?: number } = {}): Commit {
    const token = `${this.name}${this.#steps++}`;
    const messages = Array.from({ length: size }, (_, index) => JSON.stringify({ in: id, by: token, index }));
    return commitOn(this.#known.get(id), id, { labels: this.#labels, messages, ...step, token });
  }

  /** Hands commits over, and learns what there is to learn from the outcomes. */
  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    const outcomes = await this.handle.commit(commits);
    const lost: string[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const commit = commits[index];
      if (commit === undefined) continue;
      if (outcome.status === "committed") this.believe(commit.head);
      else if (outcome.status === "conflict" && outcome.head) this.believe(outcome.head);
      else if (outcome.status === "conflict") lost.push(commit.id);
    }
    if (lost.length > 0) await this.look(lost);
    return outcomes;
  }
}

/** What the conversations of one run have in common, for lists. */
export function runLabel(world: World): string {
  return `run=${world.id("race")}`;
}

/** As many actors as there are handles, named a, b, c … */
export function actorsOn(world: World, handles: readonly Handle[]): readonly Actor[] {
  return handles.map((handle, index) => new Actor(world, handle, String.fromCodePoint(97 + index)));
}

/**
 * Reads everything back through every handle, and holds the whole history to what is legal. @throws Violation
 */
export async function audit(world: World, handles: readonly Handle[], ids: readonly string[]): Promise<void> {
  const keys = new Map<string, Set<string>>();
  for (const { method, args } of world.history.calls) {
    if (method !== "commit") continue;
    for (const commit of commitsIn(args[0])) {
      const own = keys.get(commit.id) ?? new Set<string>();
      for (const { key } of commit.keys) own.add(key);
      keys.set(commit.id, own);
    }
  }
  for (const handle of new Set(handles)) {
    await handle.heads(ids);
    await Promise.all(
      ids.flatMap((id): Promise<unknown>[] => {
        const used = [...(keys.get(id) ?? [])];
        return [
          handle.messages(id, 1, EVERYTHING),
          ...(handle === handles[0] ? [handle.marks(id, 0, EVERYTHING)] : []),
          ...(handle === handles[0] && used.length > 0 ? [handle.keys(id, used)] : []),
        ];
      }),
    );
  }
  demandLegalHistory(world.history.calls, { faults: false });
}

function commitsIn(value: unknown): readonly Commit[] {
  return isCommits(value) ? value : [];
}

function isCommits(value: unknown): value is readonly Commit[] {
  return Array.isArray(value);
}

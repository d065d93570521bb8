import type { Commit, CommitOutcome, ListQuery, Mark, StoredMessage } from "@fastpaca/core";
import { field, plain, plainRows, same, type Kind } from "./answers.js";
import { blameAltered, blameExtra, blameHead, blameKeys, blameOutcome, cutOff, named } from "./blame.js";
import type { InvariantId } from "./catalogue.js";
import { commitOn, type Step } from "./commits.js";
import type { Handle } from "./handle.js";
import { listAll, readPage, type Page } from "./listing.js";
import { Model } from "./model.js";
import { demand, demandEqual, show, Violation } from "./violation.js";
import type { World } from "./world.js";

/** The most marks and messages that {@link Lockstep.verify} asks for. */
const EVERYTHING = 1_000_000_000;

/** Which invariant a difference counts against; by default it judges by what it looks like. */
export interface Blame {
  readonly blame?: InvariantId | undefined;
}

/** A lockstep over `handles` handles of the world, or one where the database is not shared. */
export async function lockstep(
  world: World,
  { handles = 2, blame }: Blame & { readonly handles?: number } = {},
): Promise<Lockstep> {
  return new Lockstep(await world.handles(world.subject.traits.shared ? handles : 1), { blame });
}

/**
 * Does to a driver and to the model the same things, one after the other, and compares every answer. Calls go round
 * the handles, so that what was written through one is read through another.
 */
export class Lockstep {
  readonly model = new Model();
  readonly #handles: readonly Handle[];
  readonly #blame: InvariantId | undefined;
  /** Lives and ids that were pruned. */
  readonly #prunes = new Set<string>();
  #turn = 0;

  constructor(handles: readonly Handle[], { blame }: Blame = {}) {
    this.#handles = handles;
    this.#blame = blame;
  }

  /** The handle whose turn it is: they take turns, and after some rounds one is left out, so that roles change. */
  next(): Handle {
    const turn = this.#turn++;
    const shift = Math.floor(turn / (2 * this.#handles.length));
    const handle = this.#handles[(turn + shift) % this.#handles.length];
    if (handle === undefined) throw new Error("a lockstep needs a handle");
    return handle;
  }

  /** Takes a conversation one step on. @returns the commit, which landed */
  async step(id: string, step: Step, { blame }: Blame = {}): Promise<Commit> {
    const commit = commitOn(this.model.head(id), id, step);
    const [outcome] = await this.commit([commit], { blame });
    if (outcome?.status !== "committed") throw new Error(`the kit made a commit that is ${outcome?.status}`);
    return commit;
  }

  /**
   * Hands over commits of different conversations, in one call if the driver takes as many.
   *
   * @returns the outcomes, which are those that the model has too
   */
  async commit(commits: readonly Commit[], options: Blame = {}): Promise<CommitOutcome[]> {
    const outcomes: CommitOutcome[] = [];
    for (const some of this.#slices(commits)) outcomes.push(...(await this.#commit(some, options)));
    return outcomes;
  }

  async #commit(commits: readonly Commit[], { blame = this.#blame }: Blame): Promise<CommitOutcome[]> {
    const handle = this.next();
    const outcomes = await this.#ask(blame, () => handle.commit(commits), handle);
    demand(Array.isArray(outcomes), named(blame, "CAS-6"), () => "commit did not answer with a list");
    const expected = commits.map((commit) => this.model.foresee(commit));
    const statuses = outcomes.map((outcome: unknown) => field(outcome, "status"));
    const wanted = expected.map(({ status }) => status);
    demand(
      outcomes.length === commits.length,
      named(blame, "CAS-6"),
      () => `${commits.length} commits were answered with ${outcomes.length} outcomes`,
    );
    const wrong = wanted.findIndex((status, index) => status !== statuses[index]);
    const commit = commits[wrong];
    const should = expected[wrong];
    if (commit !== undefined && should !== undefined) {
      const shuffled = show(statuses.map(String).sort()) === show([...wanted].sort());
      const refused = should.status === "committed" && wanted.some((status) => status !== "committed");
      let usual = blameOutcome(this.model, commit, should, statuses[wrong]);
      if (usual === "CAS-1" && statuses[wrong] === "conflict") {
        // Perhaps this handle does not know of the stored revision.
        const { id } = commit;
        const [seen] = await this.#ask(blame, () => handle.heads([id]), handle);
        if (blameHead(this.model, id, seen, this.model.head(id), [id]) === "VER-2") usual = "VER-2";
      }
      const held = statuses[wrong] === "duplicate" && wanted.includes("duplicate");
      const along = usual === "CAS-1" ? refused : usual === "KEY-5" && held;
      const name = shuffled ? "CAS-6" : along ? "ISO-2" : usual;
      const of = commits.length === 1 ? "" : `commit ${wrong + 1} of ${commits.length}, `;
      throw new Violation(
        named(blame, name),
        `${of}a commit of ${show(commit.id, 80)} on revision ${commit.base} was answered ${show(outcomes[wrong])}, ` +
          `and should be ${show(should)}`,
      );
    }
    for (const [index, should] of expected.entries()) {
      const outcome: unknown = outcomes[index];
      const id = commits[index]?.id ?? "";
      const what = `the outcome of a commit of ${show(id, 80)}`;
      if (should.status === "conflict") {
        const shown = field(outcome, "head");
        const right = shown === undefined || same("head", shown, should.head);
        const others = commits.some((other) => other.id !== id && other.id === field(shown, "id"));
        demand(
          right,
          named(blame, others ? "CAS-6" : "CAS-4"),
          () => `${what} shows the head ${show(plain("head", shown))}, not ${show(should.head)}`,
        );
      }
      if (should.status === "duplicate") {
        const held = field(outcome, "held");
        const pruned = this.#pruned(id);
        this.#sameSet("key", held, should.held, named(blame, pruned ? "KEY-3" : "KEY-1"), what);
      }
    }
    for (const commit of commits) this.model.commit(commit);
    return expected;
  }

  async heads(ids: readonly string[], options: Blame = {}): Promise<void> {
    for (const some of this.#slices(ids)) await this.#heads(some, options);
  }

  async #heads(ids: readonly string[], { blame = this.#blame }: Blame): Promise<void> {
    const answer = await this.#ask(blame, (handle) => handle.heads(ids));
    const expected = ids.map((id) => this.model.head(id));
    const actual = plainRows("head", answer);
    demand(
      actual?.length === ids.length,
      named(blame, "VER-4"),
      () => `${ids.length} heads were asked for, and the answer is ${show(answer)}`,
    );
    for (const [index, should] of expected.entries()) {
      const head = actual[index];
      if (same("head", head, should)) continue;
      const id = ids[index] ?? "";
      const elsewhere = should !== undefined && actual.some((other) => same("head", other, should));
      const usual = blameHead(this.model, id, head, should, ids);
      throw new Violation(
        named(blame, elsewhere && usual !== "ISO-1" ? "VER-4" : usual),
        `the head of ${show(id, 80)} is ${show(head)}, and should be ${show(plain("head", should))}`,
      );
    }
  }

  async messages(id: string, from: number, to: number, { blame = this.#blame }: Blame = {}): Promise<void> {
    const handle = this.next();
    const read = (from: number, to: number): Promise<unknown> =>
      this.#ask(blame, () => handle.messages(id, from, to), handle);
    const expected = this.model.messages(id, from, to);
    const what = `messages ${from} to ${to} of ${show(id, 80)}`;
    const absent = this.#absent("message", id, await read(from, to), expected, blame, what);
    const [first, last] = [absent[0], absent.at(-1)];
    if (first === undefined || last === undefined) return;
    const long = expected.length > 100 && absent.length > 1;
    const other = () => read(Math.max(1, first - 1), Math.min(last + 1, Number.MAX_SAFE_INTEGER));
    const cut = await cutOff("seq", absent, () => read(from, to), other);
    throw new Violation(
      named(blame, cut ? (long ? "SEQ-3" : "SEQ-2") : this.#pruned(id) ? "TRM-1" : "GAP-2"),
      `${what} lack seq ${show(absent, 80)}`,
    );
  }

  async marks(id: string, after: number, limit: number, { blame = this.#blame }: Blame = {}): Promise<void> {
    const handle = this.next();
    const read = (after: number, limit: number): Promise<unknown> =>
      this.#ask(blame, () => handle.marks(id, after, limit), handle);
    const expected = this.model.marks(id, after, limit);
    const what = `at most ${limit} marks of ${show(id, 80)} after version ${after}`;
    const absent = this.#absent("mark", id, await read(after, limit), expected, blame, what);
    const [first] = absent;
    if (first === undefined) return;
    const cut = await cutOff(
      "version",
      absent,
      () => read(after, limit),
      () => read(Math.max(0, first - 2), 3),
    );
    throw new Violation(
      named(blame, cut ? "CMP-2" : this.#pruned(id) ? "TRM-4" : "GAP-2"),
      `${what} lack version ${show(absent, 80)}`,
    );
  }

  async keys(id: string, keys: readonly string[], { blame = this.#blame }: Blame = {}): Promise<void> {
    const answer = await this.#ask(blame, (handle) => handle.keys(id, keys));
    const what = `of ${keys.length} keys of ${show(id, 80)}, what is held`;
    const expected = this.model.keys(id, keys);
    const usual = blameKeys(this.model, id, answer, expected) ?? (this.#pruned(id) ? "KEY-3" : "KEY-6");
    this.#sameSet("key", answer, expected, named(blame, usual), what);
  }

  /** Pages through a whole list: `limit` heads at a time. */
  async list(labels: readonly string[], limit: number, { blame = this.#blame }: Blame = {}): Promise<void> {
    const next = (query: ListQuery): Promise<Page> =>
      this.#ask(blame, (handle) => readPage(handle, query, blame));
    await listAll(next, this.model, { labels, limit }, blame);
  }

  async prune(id: string, below: number): Promise<void> {
    const answer: unknown = await this.#ask(this.#blame, (handle) => handle.prune(id, below));
    demand(answer === undefined, named(this.#blame, "TRM-1"), () => `prune answered ${show(answer)}`);
    this.model.prune(id, below);
    this.#prunes.add(`${this.model.head(id)?.life} ${id}`);
  }

  /** Reads all that there is of some conversations, also what there must not be. */
  async verify(ids: readonly string[] = this.model.ids, options: Blame = {}): Promise<void> {
    await this.heads(ids, options);
    const commits = this.model.ids.flatMap((id) => [...this.model.landed(id), ...this.model.refused(id)]);
    const keys = [...new Set(commits.flatMap((commit) => commit.keys.map(({ key }) => key)))];
    for (const id of ids) {
      await this.messages(id, 1, EVERYTHING, options);
      await this.marks(id, 0, 1000, options);
      if (keys.length > 0) await this.keys(id, keys, options);
    }
  }

  /** A call, through the handle whose turn it is. Its rejection may count against what the check is about. */
  async #ask<T>(
    blame: InvariantId | undefined,
    call: (handle: Handle) => Promise<T>,
    handle: Handle = this.next(),
  ): Promise<T> {
    try {
      return await call(handle);
    } catch (error) {
      if (!(error instanceof Violation) || error.invariant !== "ERR-2") throw error;
      throw new Violation(named(blame, "ERR-2"), error.message, { cause: error });
    }
  }

  /** As many as the driver takes in one call; one call for nothing. */
  #slices<T>(all: readonly T[]): (readonly T[])[] {
    const size = Math.max(1, Math.floor(this.#handles[0]?.limits.maxBatch ?? 1));
    const count = Math.max(1, Math.ceil(all.length / size));
    return Array.from({ length: count }, (_, slice) => all.slice(slice * size, (slice + 1) * size));
  }

  /** Whether the present life was pruned. */
  #pruned(id: string): boolean {
    return this.#prunes.has(`${this.model.head(id)?.life} ${id}`);
  }

  #sameSet(
    kind: Kind,
    answer: unknown,
    expected: readonly unknown[],
    blame: InvariantId,
    what: string,
  ): void {
    const order = (rows: readonly unknown[]): string[] => rows.map((row) => show(row, Infinity)).sort();
    const actual = plainRows(kind, answer);
    demand(actual !== undefined, blame, () => `${what} is ${show(answer)}, which is no list`);
    demandEqual(order(actual), order(plainRows(kind, expected) ?? []), blame, what);
  }

  /** Compares rows that are there. @returns the places of those that are not */
  #absent(
    kind: "message" | "mark",
    id: string,
    answer: unknown,
    expected: readonly (StoredMessage | Mark)[],
    blame: InvariantId | undefined,
    what: string,
  ): number[] {
    const order = kind === "message" ? "SEQ-1" : "CMP-1";
    const actual = plainRows(kind, answer);
    demand(actual !== undefined, named(blame, order), () => `${what} are ${show(answer)}, which is no list`);
    const place = kind === "message" ? "seq" : "version";
    const known = new Map(expected.map((row) => [field(row, place), row]));
    for (const row of actual) {
      const should = known.get(field(row, place));
      if (should !== undefined && same(kind, row, should)) continue;
      const extra = blameExtra(this.model, id, kind, row);
      const altered = should === undefined ? order : blameAltered(kind, row, should);
      const why =
        extra === undefined ? (should === undefined ? "" : `, not ${show(should)}`) : ` that ${extra.why}`;
      throw new Violation(named(blame, extra?.invariant ?? altered), `${what} hold ${show(row)}${why}`);
    }
    const places = actual.map((row) => Number(field(row, place)));
    const wanted = [...known.keys()].map(Number);
    const absent = wanted.filter((at) => !places.includes(at));
    demand(
      absent.length > 0 || show(places, Infinity) === show(wanted, Infinity),
      named(blame, order),
      () => `${what} are not in ascending order, each once: ${place} ${show(places, 200)}`,
    );
    return absent;
  }
}

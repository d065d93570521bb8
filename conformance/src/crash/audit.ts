import { isDeepStrictEqual } from "node:util";
import type { Driver, Head } from "@fastpaca/core";
import { plainRows, type Kind } from "../answers.js";
import { commitOn } from "../commits.js";
import { describe, type Attempt, type Ledger } from "./ledger.js";
import { Violation, show } from "../violation.js";

/** More than any of these conversations holds. */
const ALL = 100_000;
const MOST_MARKS = 1000;
/** Keys asked for in one call. */
const KEYS_PER_CALL = 100;
/** How often a conversation may change while it is being read. */
const READS = 20;

/** What a database shows of one conversation, all of it read while the head stayed the same. */
interface Seen {
  readonly head: Head | undefined;
  readonly messages: readonly unknown[];
  readonly marks: readonly unknown[];
  readonly keys: readonly unknown[];
}

/**
 * Reads everything that is left of conversations and holds it against what was tried: whatever was told as committed
 * is there exactly, what was refused is not, and what nobody knows is there as a whole or not at all.
 *
 * @returns the heads, in the order of the ids
 * @throws Violation of what the ledger puts the finding down to
 */
export async function audit(
  driver: Driver,
  ledger: Ledger,
  ids: readonly string[] = ledger.ids,
): Promise<readonly (Head | undefined)[]> {
  return Promise.all(ids.map(async (id) => (await auditOne(driver, ledger, id)).head));
}

async function auditOne(driver: Driver, ledger: Ledger, id: string): Promise<Seen> {
  const tried = [
    ...new Set(ledger.attempts(id).flatMap(({ commit }) => commit.keys.map(({ key }) => key))),
  ].sort();
  const seen = await look(driver, ledger, id, tried);
  const { head } = seen;
  const chain = ledger.chain(id, head);
  const life = chain.slice(chain.findLastIndex(({ commit }) => commit.head.purged) + 1);
  const entries = <T>(part: (attempt: Attempt) => readonly T[]): Placed<T>[] =>
    life.flatMap((attempt) => part(attempt).map((entry) => ({ entry, attempt })));
  const messages = entries(({ commit }) => commit.messages);
  // Pruning may have freed what the head no longer promises, in part or all of it.
  const firstSeq = head?.firstSeq ?? 1;
  const oldest =
    messages.find(({ entry }) => entry.seq >= firstSeq)?.entry.version ?? (head?.version ?? 0) + 1;
  const marks = entries(({ commit }) => commit.marks);
  const summary = marks.findLast(({ entry }) => entry.kind === "compaction")?.entry;
  const compare = comparison(ledger, id);
  compare(
    "message",
    seen.messages,
    messages,
    ({ seq }) => seq,
    ({ seq }) => seq >= firstSeq,
  );
  compare(
    "mark",
    seen.marks,
    marks,
    ({ version }) => version,
    (mark) => mark.version >= oldest || mark === summary,
  );
  const keys = entries(({ commit }) => commit.keys).sort((a, b) => byKey(a.entry, b.entry));
  compare(
    "key",
    seen.keys,
    keys,
    ({ key }) => key,
    () => true,
  );
  return seen;
}

interface Placed<T> {
  readonly entry: T;
  readonly attempt: Attempt;
}

function comparison(ledger: Ledger, id: string) {
  return <T>(
    what: Kind,
    found: readonly unknown[],
    committed: readonly Placed<T>[],
    place: (entry: T) => string | number,
    kept: (entry: T) => boolean,
  ): void => {
    const there = (entry: T): boolean => found.some((one) => isDeepStrictEqual(one, entry));
    const expected = committed.filter(({ entry }) => kept(entry) || there(entry));
    for (let index = 0; index < Math.max(found.length, expected.length); index++) {
      const wanted = expected[index];
      if (isDeepStrictEqual(found[index], wanted?.entry)) continue;
      if (wanted === undefined) {
        throw new Violation(
          ledger.blame.partial,
          `${id} holds a ${what} of no commit that landed: ${show(found[index])}`,
        );
      }
      throw new Violation(
        wanted.attempt.told === "committed" ? ledger.blame.lost : ledger.blame.partial,
        `${what} ${place(wanted.entry)} of ${describe(wanted.attempt)}, which landed (and was told: ${wanted.attempt.told}), ` +
          `is ${show(found[index], 300)}, and should be ${show(wanted.entry, 300)}`,
      );
    }
  };
}

async function look(driver: Driver, ledger: Ledger, id: string, tried: readonly string[]): Promise<Seen> {
  const rows = (kind: Kind, answer: unknown): unknown[] => {
    const found = plainRows(kind, answer);
    if (found !== undefined) return found;
    throw new Violation(
      ledger.blame.partial,
      `the ${kind}s of ${id} were answered with ${show(answer, 200)}`,
    );
  };
  for (let read = 0; read < READS; read++) {
    const [head] = await driver.heads([id]);
    const [messages, marks, ...keys] = await Promise.all([
      driver.messages(id, 1, ALL),
      driver.marks(id, 0, MOST_MARKS),
      ...slices(tried).map((some) => driver.keys(id, some)),
    ]);
    const [after] = await driver.heads([id]);
    if (!isDeepStrictEqual(head, after)) continue;
    return {
      head,
      messages: rows("message", messages),
      marks: rows("mark", marks),
      keys: keys.flatMap((some) => rows("key", some)).sort(byKey),
    };
  }
  throw new Violation(ledger.blame.partial, `the head of ${id} changes although nobody commits to it`);
}

function byKey(a: unknown, b: unknown): number {
  const [one, other] = [a, b].map((record) => JSON.stringify(record));
  return (one ?? "") < (other ?? "") ? -1 : 1;
}

function slices(keys: readonly string[]): readonly (readonly string[])[] {
  const count = Math.ceil(keys.length / KEYS_PER_CALL);
  return Array.from({ length: count }, (_, n) => keys.slice(n * KEYS_PER_CALL, (n + 1) * KEYS_PER_CALL));
}

/**
 * Settles what was left open in a conversation, as a store would: hands the newest commit over again, unchanged, until
 * it is known. Afterwards its base is taken, so that no copy of it can land any more.
 *
 * @throws Violation where the answers contradict each other
 */
export async function resolve(
  ledger: Ledger,
  id: string,
  again: (attempt: Attempt) => Promise<string>,
): Promise<void> {
  const open = ledger.attempts(id).filter(({ told }) => told === "open");
  for (const attempt of open) {
    const status = await again(attempt);
    if (status === "duplicate") {
      throw new Violation(
        ledger.blame.partial,
        `${describe(attempt)} had been left open; handed over again it is a duplicate: its keys are there and its head is not`,
      );
    }
  }
}

/** Tries a key that a conversation holds once more, on the right base. @throws Violation unless it is refused as a duplicate */
export async function probeKey(
  driver: Driver,
  ledger: Ledger,
  id: string,
  head: Head,
  token: string,
): Promise<void> {
  const chain = ledger.chain(id, head);
  const life = chain.slice(chain.findLastIndex(({ commit }) => commit.head.purged) + 1);
  const held = life.flatMap(({ commit }) => commit.keys).at(-1);
  if (held === undefined) return;
  const commit = commitOn(head, id, { token, messages: ['"again"'], keys: [held.key] });
  const [outcome] = await ledger.submit(driver, [ledger.enter(commit, head)]);
  if (outcome?.status === "duplicate" && isDeepStrictEqual(plainRows("key", outcome.held), [held])) return;
  throw new Violation(
    ledger.blame.lost,
    `${id} holds the key ${show(held)}, and a commit with it was answered ${show(outcome)}`,
  );
}

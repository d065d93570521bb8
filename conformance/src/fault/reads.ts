import { isDeepStrictEqual } from "node:util";
import type { Head } from "@fastpaca/core";
import { plain, plainRows } from "../answers.js";
import type { Attempt } from "../crash/ledger.js";
import type { Handle } from "../handle.js";
import { Violation, show } from "../violation.js";
import { demandUnavailable } from "./rejections.js";

/** More than any of these conversations holds. */
const ALL = 100_000;
const MOST_MARKS = 1000;

type Known = () => ReadonlyMap<string, Head | undefined>;

interface Read {
  readonly of: "head" | "message" | "mark";
  readonly answer: unknown;
  /** The newest head that was acknowledged before the read began. */
  readonly known: Head | undefined;
}

/**
 * What reads answered while the network was disturbed. They may reject; but what they answer is a state that the
 * conversation was in, and none before the one that was acknowledged when the read began.
 */
export class Reads {
  readonly #byId = new Map<string, Read[]>();

  async heads(handle: Handle, ids: readonly string[], known: Known): Promise<void> {
    const before = known();
    await answered("heads", async () => {
      const answer: unknown = await handle.heads(ids);
      if (!Array.isArray(answer) || answer.length !== ids.length) {
        throw new Violation(
          "ERR-5",
          `${ids.length} heads were asked for, and the answer is ${show(answer, 300)}`,
        );
      }
      for (const [n, id] of ids.entries()) {
        this.#add(id, { of: "head", answer: answer[n], known: before.get(id) });
      }
    });
  }

  async messages(handle: Handle, id: string, known: Known): Promise<void> {
    const before = known().get(id);
    await answered("messages", async () => {
      this.#add(id, { of: "message", answer: await handle.messages(id, 1, ALL), known: before });
    });
  }

  async marks(handle: Handle, id: string, known: Known): Promise<void> {
    const before = known().get(id);
    await answered("marks", async () => {
      this.#add(id, { of: "mark", answer: await handle.marks(id, 0, MOST_MARKS), known: before });
    });
  }

  /** Holds the answers against the commits that landed in the end. @throws Violation for one that never was true */
  judge(id: string, chain: readonly Attempt[]): void {
    for (const { of, answer, known } of this.#byId.get(id) ?? []) {
      const since = known === undefined ? 0 : chain.findIndex(({ commit }) => commit.head === known);
      const states = chain.slice(since);
      const honest = of === "head" ? isHead(answer, states, known) : isPrefix(of, answer, chain, known);
      if (honest) continue;
      throw new Violation(
        "ERR-5",
        `while the network was disturbed, the ${of}${of === "head" ? "" : "s"} of ${id} were answered with ` +
          `${show(answer, 300)}, which they were at no time after ${show(known, 200)} had been acknowledged`,
      );
    }
  }

  #add(id: string, read: Read): void {
    const known = this.#byId.get(id) ?? [];
    known.push(read);
    this.#byId.set(id, known);
  }
}

function isHead(answer: unknown, states: readonly Attempt[], known: Head | undefined): boolean {
  if (answer === undefined) return known === undefined;
  const head = plain("head", answer);
  return states.some(({ commit }) => isDeepStrictEqual(head, commit.head));
}

/** Nothing is ever taken away from these conversations. */
function isPrefix(
  of: "message" | "mark",
  answer: unknown,
  chain: readonly Attempt[],
  known: Head | undefined,
): boolean {
  const rows = plainRows(of, answer);
  const all = chain.flatMap(({ commit }): readonly unknown[] =>
    of === "message" ? commit.messages : commit.marks,
  );
  const least = known === undefined ? 0 : of === "message" ? known.lastSeq : known.version - known.lastSeq;
  return rows !== undefined && rows.length >= least && isDeepStrictEqual(rows, all.slice(0, rows.length));
}

/** A read that fails has said nothing wrong. @throws Violation of its own */
async function answered(method: string, read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    demandUnavailable(method, error);
  }
}

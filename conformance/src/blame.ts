import type { Commit, CommitOutcome, Mark, StoredMessage } from "@fastpaca/core";
import { same } from "./answers.js";
import type { InvariantId } from "./catalogue.js";
import type { Model } from "./model.js";

/** Revisions beyond this are out of the reach of 32 bits. */
const BEYOND_32_BITS = 2 ** 31;

/** Which promise an outcome breaks that is not the expected one. The model has not applied the commit yet. */
export function blameOutcome(
  model: Model,
  commit: Commit,
  expected: CommitOutcome,
  actual: unknown,
): InvariantId {
  const { id, base, keys } = commit;
  const head = model.head(id);
  const pruned = model.landed(id).some(({ messages }) => messages.some((message) => model.isFreed(message)));
  if (actual === "unknown") return "ERR-2";
  if (expected.status === "conflict") {
    if (actual === "duplicate") return "KEY-4";
    if (actual !== "committed") return "CAS-3";
    if (model.landed(id).some((landed) => landed === commit)) return "CAS-8";
    if (base > BEYOND_32_BITS) return "VER-3";
    const earlier = model.landed(id).findLast((landed) => landed.head.revision === base);
    if (earlier !== undefined && head !== undefined && (earlier.head.life < head.life || head.purged))
      return "TMB-4";
    return pruned ? "TRM-3" : "CAS-3";
  }
  if (expected.status === "duplicate") return pruned ? "KEY-3" : "KEY-1";
  if (actual === "duplicate") {
    const wanted = new Set(keys.map(({ key }) => key));
    const held = (other: string): boolean => model.keys(other).some(({ key }) => wanted.has(key));
    if (model.landed(id).some((landed) => landed.keys.some(({ key }) => wanted.has(key)))) return "TMB-3";
    return model.ids.some((other) => other !== id && held(other)) ? "KEY-2" : "KEY-5";
  }
  if (head?.purged === true) return "TMB-3";
  return pruned ? "TRM-3" : "CAS-1";
}

/** A row that should not be there: whose it is says what went wrong. */
export function blameExtra(
  model: Model,
  id: string,
  kind: "message" | "mark",
  row: unknown,
): { readonly invariant: InvariantId; readonly why: string } | undefined {
  const parts = (commit: Commit): readonly (StoredMessage | Mark)[] =>
    kind === "message" ? commit.messages : commit.marks;
  const among = (commits: readonly Commit[]): StoredMessage | Mark | undefined =>
    commits.flatMap(parts).find((part) => same(kind, row, part));
  const own = among(model.landed(id));
  if (own !== undefined) {
    if (model.isFreed(own)) return { invariant: kind === "message" ? "TRM-1" : "TRM-4", why: "was pruned" };
    const head = model.head(id);
    if (head?.purged === true) return { invariant: "TMB-2", why: "was erased by a purge" };
    const present = model.landed(id).find((commit) => parts(commit).includes(own))?.head.life;
    if (present !== undefined && head !== undefined && present < head.life) {
      return { invariant: "TMB-3", why: "belongs to an earlier life" };
    }
    return { invariant: kind === "message" ? "SEQ-2" : "CMP-2", why: "was not asked for" };
  }
  if (among(model.refused(id)) !== undefined)
    return { invariant: "CAS-7", why: "belongs to a refused commit" };
  const stranger = model.ids.find((other) => other !== id && among(model.landed(other)) !== undefined);
  return stranger === undefined
    ? undefined
    : { invariant: "ISO-1", why: `belongs to ${JSON.stringify(stranger)}` };
}

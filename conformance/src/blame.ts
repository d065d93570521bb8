import type { Commit, CommitOutcome, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import { field, plainRows, same } from "./answers.js";
import type { InvariantId } from "./catalogue.js";
import type { Model } from "./model.js";
import { show } from "./violation.js";

/** Revisions beyond this are out of the reach of 32 bits. */
const BEYOND_32_BITS = 2 ** 31;

/** These say what is wrong with an answer whatever it was asked for. */
const PLAIN = among("ISO-1", "SEQ-2", "SEQ-3", "CMP-2", "LST-1", "LST-3", "LST-5");
/** What is about conversations that look alike, or about other databases, is found as rows of others. */
const ABOUT_OTHERS = among("ISO-3", "ISO-4", "KEY-2", "KEY-5");
/** Only a text that comes back as another one breaks these, or one that is not taken. */
const ABOUT_TEXT = among("FID-1", "FID-2", "FID-4");
/** These break where a call is not taken, too: one that holds much, or something odd, or that comes late. */
const ABOUT_CALLS = among(
  ...(["FID-1", "FID-2", "FID-3", "FID-4", "VER-3", "DUR-3", "DUR-6"] as const),
  ...(["LIM-1", "LIM-2", "LIM-4", "ERR-4", "ERR-8"] as const),
);

function among(...ids: readonly InvariantId[]): ReadonlySet<InvariantId> {
  return new Set(ids);
}

/**
 * The name of a finding that looks like `usual`, in a check that is about `blame`: what the check is about, unless the
 * finding cannot come from that.
 */
export function named(blame: InvariantId | undefined, usual: InvariantId): InvariantId {
  if (blame === undefined || blame === usual) return usual;
  if (blame === "GAP-1") return usual === "GAP-2" ? blame : usual;
  // There a range may be empty.
  if (blame === "LIM-4" && (usual === "SEQ-2" || usual === "CMP-2")) return blame;
  if (usual === "ERR-2") return ABOUT_CALLS.has(blame) ? blame : usual;
  if (usual === "ISO-1" && ABOUT_OTHERS.has(blame)) return blame;
  if (ABOUT_TEXT.has(blame)) return usual.startsWith("FID-") ? blame : usual;
  return PLAIN.has(usual) ? usual : blame;
}

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

/** A row in its place that is not the one that was committed: rewritten, or another one altogether. */
export function blameAltered(
  kind: "message" | "mark",
  actual: unknown,
  should: StoredMessage | Mark,
): InvariantId {
  const rewritten = typeof actual === "object" && same(kind, { ...actual, body: should.body }, should);
  return rewritten ? "FID-1" : kind === "message" ? "SEQ-1" : "CMP-1";
}

/** A head that is not the stored one. `asked`: all ids of the call. */
export function blameHead(
  model: Model,
  id: string,
  actual: unknown,
  should: Head | undefined,
  asked: readonly string[],
): InvariantId {
  const others = model.ids.filter((other) => other !== id);
  const owner = others.find((other) => model.landed(other).some(({ head }) => same("head", actual, head)));
  if (owner !== undefined && !asked.includes(owner)) return "ISO-1";
  if (owner !== undefined || should === undefined) return "VER-4";
  if (should.purged) return "TMB-2";
  if (model.landed(id).some(({ head }) => head !== should && same("head", actual, head))) return "VER-2";
  if (model.refused(id).some(({ head }) => same("head", actual, head))) return "CAS-3";
  if (actual === undefined || actual === null) return "VER-2";
  const texts = ["metadata", "labels", "state"] as const;
  const wrong = Object.keys(should).filter((name) => show(field(actual, name)) !== show(field(should, name)));
  if (wrong.every((name) => texts.some((text) => text === name))) return "FID-2";
  const wide = wrong.some((name) => Number(field(should, name)) >= 2 ** 31 && !name.endsWith("At"));
  return wide ? "VER-3" : "VER-1";
}

/** Records of keys that are not those that are held. */
export function blameKeys(
  model: Model,
  id: string,
  answer: unknown,
  expected: readonly KeyRecord[],
): InvariantId | undefined {
  const among = (records: readonly KeyRecord[]): boolean =>
    records.some((record) => same("key", extra, record));
  const extra = (plainRows("key", answer) ?? []).find(
    (row) => !expected.some((record) => same("key", row, record)),
  );
  if (extra === undefined) return undefined;
  if (among(model.landed(id).flatMap(({ keys }) => keys))) {
    if (model.head(id)?.purged === true) return "TMB-2";
    return among(model.keys(id)) ? "KEY-6" : "TMB-3";
  }
  if (among(model.refused(id).flatMap(({ keys }) => keys))) return "CAS-7";
  return model.ids.some((other) => other !== id && among(model.keys(other))) ? "ISO-1" : "KEY-6";
}

/** Whether rows that a read lacks, however often it is made, are there for another read: then it is the read that is wrong. */
export async function cutOff(
  place: "seq" | "version",
  absent: readonly number[],
  again: () => Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<boolean> {
  const found = async (read: () => Promise<unknown>): Promise<boolean> => {
    const rows: unknown = await read();
    return Array.isArray(rows) && rows.some((row) => absent.includes(Number(field(row, place))));
  };
  return !(await found(again)) && (await found(other));
}

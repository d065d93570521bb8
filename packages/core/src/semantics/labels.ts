import { createHash } from "node:crypto";

/** Longest label as it is; a longer one is replaced by its hash, so that any database can index it. */
const LONGEST = 200;

/**
 * The labels of a conversation: one `key=value` per top-level string, number or boolean of its metadata. ASCII;
 * every character but letters, digits and `-_.~` is written as `%` and the four hex digits of its UTF-16 code unit.
 */
export function labelsOf(metadata: Record<string, unknown>): string[] {
  const labels = new Set<string>();
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      labels.add(label(key, String(value)));
    }
  }
  return [...labels];
}

/** The label that a conversation carries when its metadata has `value` under `key`. */
export function label(key: string, value: string): string {
  const plain = `${escape(key)}=${escape(value)}`;
  if (plain.length <= LONGEST) return plain;
  return `#${createHash("sha256").update(plain).digest("base64url")}`;
}

function escape(text: string): string {
  return text.replace(/[^A-Za-z0-9_.~-]/g, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

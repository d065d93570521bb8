import { invalidArgument } from "./errors.js";

/**
 * The path below the base URL of a conversation or context.
 *
 * @throws FastpacaError `invalid_request` for ids that no URL can carry. `.` and `..` are among them: every URL parser
 *   takes them, percent-encoded too, for steps in the path.
 */
export function pathOf(collection: "contexts" | "conversations", id: string): string {
  if (typeof id !== "string" || id === "") throw invalidArgument("an id must be a string that is not empty");
  if (id === "." || id === "..")
    throw invalidArgument(`${JSON.stringify(id)} cannot be an id: URLs cannot carry it`);
  try {
    return `/${collection}/${encodeURIComponent(id)}`;
  } catch (cause) {
    throw invalidArgument("an id must be well-formed Unicode", cause);
  }
}

/** A key that no other append has. */
export function freshKey(): string {
  const { crypto } = globalThis as { crypto?: Partial<Crypto> }; // Absent from some runtimes, partly from insecure pages.
  if (crypto?.randomUUID !== undefined) return crypto.randomUUID();
  const bytes = new Uint8Array(16);
  if (crypto?.getRandomValues !== undefined) crypto.getRandomValues(bytes);
  // A key need not be secret, only different from the others in its conversation.
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(Math.random() * 256);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

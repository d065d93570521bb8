import { FastpacaError } from "../errors.js";

/** The part of a schema that tells how to read a query parameter. */
interface QuerySchema {
  readonly properties: Readonly<Record<string, { readonly type?: unknown }>>;
}

/**
 * Reads query parameters by the types that the schema gives them: digits become integers, `true` and `false`
 * booleans. What cannot be read stays text, for the store's own check to refuse by name.
 */
export function readQuery(query: unknown, { properties }: QuerySchema): Record<string, unknown> {
  const read: [string, unknown][] = [];
  const nested: [string, unknown][] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    const dot = name.indexOf(".");
    const object = dot === -1 ? undefined : name.slice(0, dot);
    if (object === undefined) read.push([name, convert(value, properties[name]?.type)]);
    else if (properties[object]?.type !== "object") read.push([name, value]);
    else if (typeof value === "string") nested.push([name.slice(dot + 1), value]);
    else throw new FastpacaError("invalid_request", `${name} may be given once`, { field: name });
  }
  // Of all parameters, only `metadata` of the listing is an object.
  if (nested.length > 0 && !read.some(([name]) => name === "metadata"))
    read.push(["metadata", Object.fromEntries(nested)]);
  return Object.fromEntries(read);
}

function convert(value: unknown, type: unknown): unknown {
  if (type === "integer" && typeof value === "string" && /^\d{1,16}$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}

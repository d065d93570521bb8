import fc, { type Arbitrary } from "fast-check";
import { depthOf, isFiniteJson } from "./same-json.js";

/** What the documentation allows in one message or metadata object. */
const MAX_DEPTH = 256;
const MAX_METADATA_BYTES = 8192;

const text = fc.string({ maxLength: 12 });
const part = fc.record(
  {
    type: fc.constantFrom("text", "tool-call", "reasoning", "x"),
    text,
    input: fc.jsonValue({ maxDepth: 2 }),
  },
  { requiredKeys: ["type"] },
);
const message = fc.record(
  {
    role: fc.constantFrom("user", "assistant", "x"),
    parts: fc.array(part, { maxLength: 3 }),
    token_count: fc.nat(1000),
    id: text,
    metadata: fc.jsonValue({ maxDepth: 2 }),
  },
  { requiredKeys: ["role", "parts"] },
);
const conditions = {
  if_version: fc.nat(5),
  idempotency_key: fc.constantFrom("key-1", "key-2", "key-3", "k".repeat(255), "é"),
};
const append = fc.oneof(
  fc.record({ message, ...conditions }, { requiredKeys: ["message"] }),
  fc.record(
    { messages: fc.array(message, { minLength: 1, maxLength: 3 }), ...conditions },
    { requiredKeys: ["messages"] },
  ),
);
const metadata = fc.dictionary(text, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
const limits = { limit: fc.integer({ min: 1, max: 300 }), retain: fc.integer({ min: 1, max: 300 }) };
const policy = fc.oneof(
  fc.record(
    { strategy: fc.constant("last_n"), config: fc.record(limits, { requiredKeys: [] }) },
    { requiredKeys: ["strategy"] },
  ),
  fc.record({
    strategy: fc.constant("skip_parts"),
    config: fc.record(
      {
        ...limits,
        skip_kinds: fc.array(fc.constantFrom("tool", "reasoning", "x"), { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({ strategy: fc.constant("manual") }),
);
const context = fc.record(
  {
    token_budget: fc.integer({ min: 1, max: 20_000 }),
    trigger_ratio: fc.constantFrom(0.1, 0.7, 1),
    policy,
    metadata,
  },
  { requiredKeys: [] },
);
const compaction = fc.record(
  {
    replacement: fc.array(message, { minLength: 1, maxLength: 2 }),
    through_seq: fc.integer({ min: 1, max: 3 }),
    if_version: fc.nat(5),
  },
  { requiredKeys: ["replacement"] },
);

/** A parsed body that fits its schema: an object, whatever its members. */
export type Body = { readonly [name: string]: unknown };

export interface BodyRoute {
  readonly method: "PUT" | "PATCH" | "POST";
  /** As in the OpenAPI document. */
  readonly path: string;
  readonly valid: Arbitrary<unknown>;
  /** The statuses with which a body that fits the schema may be answered. */
  expected(body: Body): readonly number[];
}

const routes: readonly BodyRoute[] = [
  { method: "POST", path: "/v1/contexts/{id}/messages", valid: append, expected: expectedOfAppend },
  { method: "POST", path: "/v1/conversations/{id}/messages", valid: append, expected: expectedOfAppend },
  { method: "PUT", path: "/v1/contexts/{id}", valid: context, expected: expectedOfPut },
  {
    method: "PUT",
    path: "/v1/conversations/{id}",
    valid: fc.record({ metadata }, { requiredKeys: [] }),
    expected: expectedOfPut,
  },
  {
    method: "PATCH",
    path: "/v1/contexts/{id}/metadata",
    valid: fc.record({ metadata }),
    expected: expectedOfPatch,
  },
  {
    method: "PATCH",
    path: "/v1/conversations/{id}/metadata",
    valid: fc.record({ metadata }),
    expected: expectedOfPatch,
  },
  { method: "POST", path: "/v1/contexts/{id}/compact", valid: compaction, expected: expectedOfCompaction },
];

/** Every route that takes a body, by method and path. */
export const BODY_ROUTES: ReadonlyMap<string, BodyRoute> = new Map(
  routes.map((route) => [`${route.method} ${route.path}`, route]),
);

function expectedOfAppend({ message, messages, if_version, idempotency_key: key }: Body): readonly number[] {
  if ((message === undefined) === (messages === undefined)) return [400];
  const given: unknown = messages ?? [message];
  if (!Array.isArray(given) || !given.map(contentOf).every(isStorable)) return [400];
  if (typeof key === "string" && (!key.isWellFormed() || /\p{Cc}/u.test(key))) return [400];
  return [201, ...(if_version === undefined ? [] : [409]), ...(key === undefined ? [] : [422])];
}

function expectedOfPut({ metadata, policy }: Body): readonly number[] {
  if (metadata !== undefined && !isStorable(metadata)) return [400];
  if (Buffer.byteLength(JSON.stringify(metadata ?? {})) > MAX_METADATA_BYTES) return [413];
  // Whether limit and retain fit each other is said in words, not in the schema.
  return policy === undefined ? [200, 201] : [200, 201, 400];
}

function expectedOfPatch({ metadata }: Body): readonly number[] {
  if (!isStorable(metadata)) return [400];
  return [200, 413];
}

function expectedOfCompaction({ replacement, through_seq, if_version }: Body): readonly number[] {
  if (!Array.isArray(replacement) || !replacement.map(contentOf).every(isStorable)) return [400];
  if (through_seq !== undefined) return [200, 400, 409];
  return if_version === undefined ? [200] : [200, 409];
}

/** The fields of a message that are the output's own: what callers send by these names is not kept. */
const OWN_FIELDS: readonly string[] = ["seq", "version", "inserted_at", "token_count"];

/** What of a message is kept. */
export function contentOf(message: unknown): unknown {
  return Object.fromEntries(Object.entries(message ?? {}).filter(([name]) => !OWN_FIELDS.includes(name)));
}

function isStorable(value: unknown): boolean {
  return isFiniteJson(value) && depthOf(value) <= MAX_DEPTH;
}

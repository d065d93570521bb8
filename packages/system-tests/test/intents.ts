/** Arbitrary commands. They speak of versions and seqs in relation to the state they meet, so that shrinking keeps their sense. */
import type { MessageInput, PolicyInput, PutContextInput } from "@fastpaca/core";
import fc from "fast-check";
import type { Call } from "./calls.js";
import type { Model, Surface } from "./model.js";

/** Where a guard looks: at the present version, or so far off it. */
type VersionAim = number | undefined;

/** Where a compaction ends: off one of the places where its rules change. */
interface ThroughAim {
  readonly near: "summaryEnd" | "firstLive" | "newest" | "start";
  readonly off: number;
}

/** A key out of few, used again with the content it was first used with, or with what comes. */
interface KeyAim {
  readonly name: string;
  readonly repeat: boolean;
}

interface AppendIntent {
  readonly op: "append";
  readonly surface: Surface;
  readonly messages: readonly MessageInput[];
  /** A single message in `message` rather than in a list. */
  readonly bare: boolean;
  readonly aim: VersionAim;
  readonly key: KeyAim | undefined;
}

interface CompactIntent {
  readonly op: "compact";
  readonly replacement: readonly MessageInput[];
  readonly through: ThroughAim | undefined;
  readonly aim: VersionAim;
}

interface ContextIntent {
  readonly op: "context";
  readonly budget: number | undefined;
  readonly aim: VersionAim;
}

type PlainCall = Exclude<Call, { op: "append" | "compact" | "context" }>;
type WithoutId<C> = C extends unknown ? Omit<C, "id"> : never;

/** A command before the state that it meets is known. */
export type Intent = { readonly target: number } & (
  | AppendIntent
  | CompactIntent
  | ContextIntent
  | WithoutId<PlainCall>
);

export const idOf = (target: number): string =>
  ["conversation-a", "conversation-b", "ünïcode/🦙"][target] ?? "other";

/** Turns intents into calls; remembers what was sent with which key. */
export class Resolver {
  readonly #model: Model;
  readonly #sent = new Map<string, readonly MessageInput[]>();

  constructor(model: Model) {
    this.#model = model;
  }

  resolve(intent: Intent): Call {
    const { target, ...rest } = intent;
    const id = idOf(target);
    if (rest.op === "append") return this.#append(id, rest);
    if (rest.op === "compact") {
      const { replacement, through, aim } = rest;
      const throughSeq = through && { through_seq: Math.max(1, this.#seq(id, through.near) + through.off) };
      return { id, op: "compact", input: { replacement, ...throughSeq, ...this.#guard(id, aim) } };
    }
    if (rest.op === "context") {
      const budget = rest.budget === undefined ? {} : { budget_tokens: rest.budget };
      return { id, op: "context", input: { ...budget, ...this.#guard(id, rest.aim) } };
    }
    return { id, ...rest };
  }

  #append(id: string, { surface, messages: fresh, bare, aim, key }: AppendIntent): Call {
    const place = JSON.stringify([id, key?.name]);
    const messages = (key?.repeat === true ? this.#sent.get(place) : undefined) ?? fresh;
    if (key !== undefined && !this.#sent.has(place)) this.#sent.set(place, messages);
    const [first] = messages;
    const content = bare && messages.length === 1 && first !== undefined ? { message: first } : { messages };
    const named = key === undefined ? {} : { idempotency_key: key.name };
    return { id, op: "append", surface, input: { ...content, ...named, ...this.#guard(id, aim) } };
  }

  #guard(id: string, aim: VersionAim): { if_version?: number } {
    return aim === undefined ? {} : { if_version: Math.max(0, this.#model.version(id) + aim) };
  }

  #seq(id: string, near: ThroughAim["near"]): number {
    const { summaryEnd, firstLive } = this.#model.bounds(id);
    switch (near) {
      case "summaryEnd":
        return summaryEnd ?? 1;
      case "firstLive":
        return firstLive ?? 1;
      case "newest":
        return this.#model.lastSeq(id);
      case "start":
        return 1;
    }
  }
}

const surface = fc.constantFrom<Surface>("contexts", "contexts", "conversations");
const maybe = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arb, { nil: undefined, freq: 2 });

const PART_TYPES = ["text", "tool-call", "tool_result", "tool", "reasoning", "file", "step-start"];
const text = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom("", "\u0000", "\ud800", '"messages":[', "🦙", '\\"', "x".repeat(50)),
);
const part = fc
  .tuple(fc.constantFrom(...PART_TYPES), maybe(text), fc.boolean())
  .map(([type, text, nested]) => ({
    type,
    ...(text === undefined ? {} : { text }),
    ...(nested ? { input: { parts: [], values: [1.5, null, true] } } : {}),
  }));

/** Fields beside role and parts, some of them the store's own. */
const extra = fc.constantFrom<Record<string, unknown>>(
  {},
  {},
  {},
  { id: "m-1" },
  { seq: 77, version: "x", inserted_at: null },
  { metadata: { "2": "b", "1": "a", token_count: 3 } },
  { text: "ü".repeat(20), "": 0 },
);

export const message: fc.Arbitrary<MessageInput> = fc
  .tuple(
    fc.constantFrom("user", "assistant", "tool", "system"),
    fc.array(part, { maxLength: 4, size: "max" }),
    extra,
    fc.option(fc.oneof({ weight: 4, arbitrary: fc.nat(30) }, fc.constantFrom(0, 500)), {
      nil: undefined,
      freq: 3,
    }),
    fc.boolean(),
  )
  .map(([role, parts, extra, tokens, extraFirst]) => ({
    ...(extraFirst ? extra : {}),
    role,
    parts,
    ...extra,
    ...(tokens === undefined ? {} : { token_count: tokens }),
  }));

const retention = fc
  .tuple(fc.integer({ min: 1, max: 8 }), maybe(fc.integer({ min: 1, max: 8 })))
  .map(([limit, retain]) => (retain === undefined || retain > limit ? { limit } : { limit, retain }));

const policy: fc.Arbitrary<PolicyInput> = fc.oneof(
  {
    weight: 3,
    arbitrary: maybe(retention).map((config): PolicyInput =>
      config ? { strategy: "last_n", config } : { strategy: "last_n" },
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        maybe(
          fc.array(fc.constantFrom("tool", "tool-", "reasoning", "file", "text", "t"), {
            minLength: 1,
            maxLength: 3,
          }),
        ),
        maybe(retention),
      )
      .map(([kinds, bounds]): PolicyInput => ({
        strategy: "skip_parts",
        config: { ...(kinds === undefined ? {} : { skip_kinds: kinds }), ...bounds },
      })),
  },
  { weight: 1, arbitrary: fc.constant<PolicyInput>({ strategy: "manual" }) },
);

const metadata = fc.constantFrom<Record<string, unknown>>(
  {},
  { user: "a" },
  { user: "b", plan: 1 },
  { plan: 1, user: "b" },
  { nested: { a: 1, b: { c: null } }, list: [1, { d: 2 }] },
);

const metadataPatch = fc.constantFrom<Record<string, unknown>>(
  {},
  { user: null },
  { user: "b" },
  { nested: { a: null, e: { f: null, g: 1 } } },
  { nested: "flat", list: [null] },
  { "10": true, "9": false },
);

const putContextInput: fc.Arbitrary<PutContextInput> = fc.record(
  {
    token_budget: fc.oneof(fc.integer({ min: 1, max: 120 }), fc.constant(8000)),
    trigger_ratio: fc.constantFrom(0.01, 0.1, 0.3, 0.7, 1),
    policy,
    metadata,
  },
  { requiredKeys: [] },
);

const aim = fc.option(fc.constantFrom(0, 0, 0, -1, -2, 1, 5), { nil: undefined, freq: 3 });
const limit = fc.integer({ min: 1, max: 6 });
const target = fc.constantFrom(0, 0, 0, 1, 1, 2);

const putContext = fc.record({ target, op: fc.constant("putContext" as const), input: putContextInput });
const putConversation = fc.record({
  target,
  op: fc.constant("putConversation" as const),
  metadata: maybe(metadata),
});
const append = fc.record({
  target,
  op: fc.constant("append" as const),
  surface,
  messages: fc.oneof(
    { weight: 3, arbitrary: fc.array(message, { minLength: 1, maxLength: 1 }) },
    { weight: 1, arbitrary: fc.array(message, { minLength: 1, maxLength: 4 }) },
  ),
  bare: fc.boolean(),
  aim,
  key: fc.option(fc.record({ name: fc.constantFrom("k1", "k2", "ключ"), repeat: fc.boolean() }), {
    nil: undefined,
    freq: 2,
  }),
});
const compact = fc.record({
  target,
  op: fc.constant("compact" as const),
  replacement: fc.array(message, { minLength: 1, maxLength: 3 }),
  through: fc.option(
    fc.record({
      near: fc.constantFrom<ThroughAim["near"][]>("summaryEnd", "firstLive", "firstLive", "newest", "start"),
      off: fc.constantFrom(0, 0, -1, 1, 2),
    }),
    { nil: undefined, freq: 3 },
  ),
  aim,
});
const read: fc.Arbitrary<Intent> = fc.oneof(
  fc.record({ target, op: fc.constant("get" as const), surface, input: fc.constant(undefined) }),
  fc.record({
    target,
    op: fc.constant("tail" as const),
    surface,
    input: fc.record({ offset: fc.nat(8), limit }, { requiredKeys: [] }),
  }),
  fc.record({
    target,
    op: fc.constant("replay" as const),
    surface,
    input: fc.record({ from: fc.integer({ min: 1, max: 12 }), limit }, { requiredKeys: [] }),
  }),
  fc.record({
    target,
    op: fc.constant("context" as const),
    budget: maybe(fc.integer({ min: 1, max: 100 })),
    aim,
  }),
);

export const intent: fc.Arbitrary<Intent> = fc.oneof(
  { weight: 4, arbitrary: putContext },
  { weight: 1, arbitrary: putConversation },
  { weight: 16, arbitrary: append },
  { weight: 5, arbitrary: compact },
  { weight: 2, arbitrary: fc.record({ target, op: fc.constant("reset" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      target,
      op: fc.constant("patchMetadata" as const),
      surface,
      input: metadataPatch,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      target,
      op: fc.constant("remove" as const),
      surface,
      input: fc.record({ purge: fc.constantFrom(true, true, false) }),
    }),
  },
  { weight: 3, arbitrary: read },
);

/** Most histories begin with a context to work on: without one there is nothing to see. */
export const opening: fc.Arbitrary<Intent[]> = fc
  .tuple(
    fc.oneof({ weight: 6, arbitrary: putContext }, { weight: 1, arbitrary: putConversation }),
    maybe(fc.oneof(putContext, putConversation)),
  )
  .map(([first, second]) => [
    { ...first, target: 0 },
    ...(second === undefined ? [] : [{ ...second, target: 1 }]),
  ]);

/** What callers send is what readers get, as JSON values. */
import { runInNewContext } from "node:vm";
import { createStore, type MessageInput, type PartInput, type Store } from "@fastpaca/core";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { within } from "./drivers.js";
import { ID, storeOver, Stores, TIMEOUT } from "./harness.js";
import { BACKENDS } from "./http/backends.js";
import { parameters } from "./runner.js";

/**
 * A value's JSON, told apart more finely than by `JSON.stringify`: `-0` is not `0`, and fields that a plain assignment
 * would lose are there.
 */
function exact(value: unknown): string {
  if (Object.is(value, -0)) return "-0";
  if (Array.isArray(value)) return `[${value.map(exact).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}:${exact(field)}`);
  return `{${fields.sort().join()}}`;
}

/** A message of the store without what the store adds. */
function sent(message: object): object {
  const own = new Set(["seq", "version", "inserted_at", "token_count"]);
  return Object.fromEntries(Object.entries(message).filter(([name]) => !own.has(name)));
}

function nested(depth: number): unknown {
  let value: unknown = "core";
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { value };
  return value;
}

/** An object that JSON makes another one of. */
class Turning {
  readonly #into: unknown;

  constructor(into: unknown) {
    this.#into = into;
  }

  toJSON(): unknown {
    return this.#into;
  }
}

/** Two stores over one database: one writes, and reads what it remembers; the other one reads what is stored. */
interface Pair {
  readonly store: Store;
  readonly cold: Store;
}

async function roundTrip({ store, cold }: Pair, input: MessageInput): Promise<void> {
  const { version } = (await store.contexts.put(ID)).document.value;
  const { seq } = await store.contexts.append(ID, { message: input });
  const expected = exact(sent(input));
  for (const { contexts, conversations } of [store, cold]) {
    for (const read of [
      (await contexts.tail(ID, { limit: 1 })).value.messages[0],
      (await conversations.replay(ID, { from: seq })).value.messages[0],
      (await contexts.context(ID)).value.messages.at(-1),
    ]) {
      expect(exact(sent(read ?? {}))).toBe(expected);
      expect(read).toMatchObject({ seq, version: version + 1, token_count: input.token_count ?? 1 });
    }
  }
  await store.contexts.compact(ID, { replacement: [input, input] });
  for (const { contexts } of [store, cold]) {
    const { messages } = (await contexts.context(ID)).value;
    expect(messages.map((message) => exact(sent(message)))).toEqual([expected, expected]);
  }
}

const odd = [
  "\u0000",
  "\ud800",
  "\udc00\ud800",
  "\u2028\u2029\u007f",
  '"messages":[',
  '{"range":{"from_seq":1,"to_seq":1},"messages":[',
  ']},"token_count":99}',
  "\\u0000",
  "__proto__",
  "",
  ".",
  "a.b..c",
  "$",
  "$set",
  "$oid",
  "_id",
  "\u{1F999}\u{10FFFF}",
  // Equal to a reader, not to a byte: composed and decomposed.
  "\u00e9e\u0301",
  " \r\n\t ",
  "'; --\\",
];

/** Objects with a field under any name, `__proto__` too, which must become a field like others. */
function withField(name: string, value: unknown): Record<string, unknown> {
  return Object.fromEntries([[name, value]]);
}

const text = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.constantFrom(...odd));
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom<unknown>(null, true, -0),
    fc.array(tie("value")),
    fc.array(fc.tuple(text, tie("value"))).map((fields) => Object.fromEntries(fields)),
  ),
})).value;

describe.each(BACKENDS)("over $name", { timeout: TIMEOUT }, (backend) => {
  const stores = new Stores(backend);

  async function open(cacheBytes?: number): Promise<Pair> {
    const [driver, another] = await stores.database.drivers(2);
    return { store: storeOver(driver, { cacheBytes }), cold: storeOver(another, { cacheBytes: 0 }) };
  }

  test.each([
    ...odd.map((value) => ({ name: JSON.stringify(value), field: value as unknown })),
    ...odd.map((key) => ({
      name: `the field ${JSON.stringify(key)}`,
      field: withField(key, { [key]: [key] }) as unknown,
    })),
    {
      name: "what looks like another database's values",
      field: { $date: "x", $numberLong: "1", "a.$[]": [{ $oid: null }] },
    },
    { name: "-0", field: [-0, 0, { zero: -0 }] },
    {
      name: "the largest and the smallest numbers",
      field: [1e308, -1e308, Number.MAX_VALUE, 5e-324, 2 ** 53, -(2 ** 53), 2 ** 53 + 2, 2 ** 63, 0.1],
    },
    { name: "integer-like keys", field: { "10": 1, "9": 2, a: 3, "-1": 4, "01": 5 } },
    { name: "nulls and empty values", field: [null, {}, [], "", false, 0] },
    { name: "names of the prototype", field: { constructor: 1, toString: 2, hasOwnProperty: null } },
  ])("$name comes back as it was sent", async ({ field }) => {
    await roundTrip(await open(), { role: "user", parts: [{ type: "text", text: field }], field });
  });

  test("values as deep as they may be come back as they were sent", async () => {
    // Around a field there is the message; around a part's field there are the part and the parts as well.
    await roundTrip(await open(), {
      role: "user",
      parts: [{ type: "text", deep: nested(253) }],
      field: nested(255),
    });
  });

  test("a mebibyte comes back as it was sent, in any script", async () => {
    const pair = await open();
    for (const unit of ["x", "\u0000", "é", "\u{1F999}", "\ud800"]) {
      const count = Math.floor(2 ** 20 / Buffer.byteLength(JSON.stringify(unit).slice(1, -1)));
      await roundTrip(pair, { role: "user", parts: [{ type: "text", text: unit.repeat(count) }] });
    }
  });

  test("ids are told apart by every byte, and come back as they were sent", async () => {
    const ids = [
      "a",
      "A",
      "a ",
      "a.",
      "ä",
      "a\u0308",
      "a%",
      "a_",
      "$a",
      "a'b",
      'a"b',
      "a\\b",
      "a/b",
      "\u{1F999}",
      "\uffff",
      "\u{10FFFF}",
      "__proto__",
      "null",
      "\u{1F999}".repeat(127),
      `${"\u{1F999}".repeat(127)}a`,
      "\uffff".repeat(255),
      "1:a",
    ];
    const database = await backend.open();
    onTestFinished(database.close);
    const store = storeOver(database.driver);
    for (const [n, id] of ids.entries()) {
      await store.conversations.put(id, { metadata: { n } });
      await store.conversations.append(id, { message: { role: "user", parts: [], n }, idempotency_key: id });
    }
    const cold = storeOver(within(database.driver, ""), { cacheBytes: 0 });
    for (const [n, id] of ids.entries()) {
      expect((await cold.conversations.get(id)).value).toMatchObject({ id, last_seq: 1, metadata: { n } });
      expect((await cold.conversations.replay(id)).value.messages).toMatchObject([{ n }]);
      const again = { message: { role: "user", parts: [], n }, idempotency_key: id };
      expect(await cold.conversations.append(id, again)).toMatchObject({ seq: 1, deduplicated: true });
    }
    const { conversations } = (await store.conversations.list({ limit: 100 })).value;
    expect(conversations.map(({ id }) => id).sort()).toEqual(ids.toSorted());
  });

  test("nesting one level deeper is refused", async () => {
    const { store } = await open();
    await store.contexts.put(ID);
    const message = { role: "user", parts: [], field: nested(256) };
    await expect(store.contexts.append(ID, { message })).rejects.toMatchObject({ code: "invalid_request" });
  });

  test.each([
    { name: "NaN", value: Number.NaN },
    { name: "an infinite number", value: Number.POSITIVE_INFINITY },
    { name: "a bigint", value: 1n },
    { name: "a function", value: () => 1 },
    { name: "undefined in an array", value: [undefined] },
    { name: "a date", value: new Date(0), says: "holds a Date" },
    { name: "a map", value: new Map([["a", 1]]), says: "holds a Map" },
    { name: "bytes", value: new Uint8Array(2), says: "holds a Uint8Array" },
    { name: "what turns into something else", value: new Turning(undefined), says: "holds a Turning" },
  ])("$name, which JSON cannot express, is refused", async ({ value, says = "message holds" }) => {
    const { store } = await open();
    await store.contexts.put(ID);
    const refused = {
      code: "invalid_request",
      field: "message",
      message: expect.stringContaining(says) as unknown,
    };
    const message = { role: "user", parts: [{ type: "text", deep: [{ value }] }] };
    await expect(store.contexts.append(ID, { message })).rejects.toMatchObject(refused);
    const metadata = store.contexts.put(ID, { metadata: { value } });
    await expect(metadata).rejects.toMatchObject({ code: "invalid_request", field: "metadata" });
    expect((await store.contexts.tail(ID)).value.messages).toEqual([]);
  });

  test("a message or part of a class is refused: what JSON makes of it has not been looked at", async () => {
    const { store } = await open();
    await store.contexts.put(ID, { policy: { strategy: "skip_parts" } });
    const part = Object.assign<object, PartInput>(new Turning({ no: "type" }), { type: "text" });
    const whole = Object.assign<object, MessageInput>(new Turning(undefined), { role: "user", parts: [] });
    for (const message of [{ role: "user", parts: [part] }, whole]) {
      const append = store.contexts.append(ID, { message });
      await expect(append).rejects.toMatchObject({ code: "invalid_request", field: "message" });
    }
    // Whatever realm or prototype an object of JSON comes from, it is one.
    const bare: { role: string; parts: [] } = Object.assign(Object.create(null), { role: "user", parts: [] });
    const foreign = runInNewContext("({ role: 'user', parts: [{ type: 'text', deep: {} }] })") as typeof bare;
    expect(await store.contexts.append(ID, { messages: [bare, foreign] })).toMatchObject({ seq: 2 });
  });

  test.each([
    { name: "no number", estimator: () => NaN, says: "made NaN of message" },
    { name: "a part of a token", estimator: () => 3.25, says: "made 3.25 of message" },
    { name: "less than nothing", estimator: () => -1, says: "made -1 of message" },
    { name: "too much", estimator: () => 1e9 + 1, says: "made 1000000001 of message" },
    {
      name: "an error",
      estimator: () => {
        throw new Error("no");
      },
      says: "failed at message",
    },
  ])("an estimator that makes $name stores nothing", async ({ estimator, says }) => {
    const { driver, close } = await backend.open();
    onTestFinished(close);
    const store = createStore({ driver, estimator, onError: () => undefined });
    await store.contexts.put(ID);
    const message = { role: "user", parts: [] };
    await expect(store.contexts.append(ID, { message })).rejects.toMatchObject({
      code: "internal",
      message: expect.stringContaining(`the estimator ${says}`) as unknown,
    });
    expect(await store.contexts.append(ID, { message: { ...message, token_count: 0 } })).toMatchObject({
      seq: 1,
    });
  });

  test("the store's own fields override the caller's, at the top and nowhere else", async () => {
    const { store } = await open();
    await store.contexts.put(ID);
    const own = { seq: 9, version: 9, inserted_at: "x", token_count: 9 };
    await store.contexts.append(ID, {
      message: { ...own, role: "user", parts: [{ type: "text", ...own }], inner: own },
    });
    const [message] = (await store.contexts.tail(ID)).value.messages;
    expect(message).toMatchObject({
      seq: 1,
      version: 1,
      token_count: 9,
      inner: own,
      parts: [{ type: "text", ...own }],
    });
    expect(message?.inserted_at).not.toBe("x");
  });

  test("any JSON comes back as it was sent: in messages, in replacements, in metadata", async () => {
    const pair = await open(4000);
    await fc.assert(
      fc.asyncProperty(json, text, json, async (field, name, part) => {
        await roundTrip(pair, {
          role: "user",
          parts: [{ type: "text", part }],
          ...withField(`_${name}`, field),
        });
        const metadata = withField(name, field);
        const { document } = await pair.store.contexts.put(ID, { metadata });
        for (const read of [document, await pair.store.contexts.get(ID), await pair.cold.contexts.get(ID)])
          expect(exact(read.value.metadata)).toBe(exact(metadata));
      }),
      parameters(300, backend.pace),
    );
  });
});

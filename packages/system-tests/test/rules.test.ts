/** Section by section, the rules of the window: small windows, worked out by hand. */
import type { MessageInput, PolicyInput, PutContextInput, Store } from "@fastpaca/core";
import { describe, expect, test } from "vitest";
import { ID, Stores, TIMEOUT } from "./harness.js";
import { BACKENDS } from "./http/backends.js";

/** What a window shows, short enough to compare at a glance. */
interface Shown {
  /** Per message: its seq, or the text of its first part where it replaces others; part types follow a colon. */
  messages: string[];
  used: number;
  needs: boolean;
  segments: string[];
}

interface Opened {
  readonly store: Store;
  /** What was compacted, of each compaction. */
  readonly ranges: () => Promise<string[]>;
}

function rangeIn(body: string): string {
  // Written by the store; a body of another form fails the comparison.
  const { range } = JSON.parse(body) as { range: { from_seq: number; to_seq: number } };
  return `${range.from_seq}-${range.to_seq}`;
}

/** One message for each size, appended one by one. */
async function say(store: Store, ...sizes: number[]): Promise<void> {
  for (const tokens of sizes) await store.contexts.append(ID, { message: text(tokens) });
}

function text(tokens: number, words = "text"): MessageInput {
  return { role: "user", parts: [{ type: "text", text: words }], token_count: tokens };
}

function parts(tokens: number, ...types: string[]): MessageInput {
  return { role: "assistant", parts: types.map((type) => ({ type })), token_count: tokens };
}

function summary(tokens: number, count = 1): MessageInput[] {
  return Array.from({ length: count }, () => text(tokens, "summary"));
}

async function shown(store: Store, budget?: number): Promise<Shown> {
  const { value } = await store.contexts.context(ID, budget === undefined ? {} : { budget_tokens: budget });
  return {
    messages: value.messages.map((message) => {
      const { parts } = message;
      if (message.seq === undefined) return String(parts[0]?.["text"]);
      const types = parts.map(({ type }) => type);
      return types.join() === "text" ? String(message.seq) : `${message.seq}:${types.join("+")}`;
    }),
    used: value.used_tokens,
    needs: value.needs_compaction,
    segments: value.segments.map(({ type, from_seq: from, to_seq: to }) => `${type} ${from}-${to}`),
  };
}

async function seqs(store: Store, budget?: number): Promise<string> {
  return (await shown(store, budget)).messages.join(" ");
}

const lastN = (limit: number, retain?: number): PolicyInput => ({
  strategy: "last_n",
  config: retain === undefined ? { limit } : { limit, retain },
});
const manual: PolicyInput = { strategy: "manual" };
const skipParts = (config: { skip_kinds?: string[]; limit?: number; retain?: number } = {}): PolicyInput => ({
  strategy: "skip_parts",
  config,
});

describe.each(BACKENDS)("over $name", { timeout: TIMEOUT }, (backend) => {
  const stores = new Stores(backend);

  async function open(): Promise<Opened> {
    const { store, driver } = await stores.open();
    const ranges = async (): Promise<string[]> => {
      const marks = await driver.marks(ID, 0, 1000);
      return marks
        .filter(({ kind }) => kind === "compaction")
        .map(({ version, body }) => `${version}: ${rangeIn(body)}`);
    };
    return { store, ranges };
  }

  async function context(input: PutContextInput): Promise<Opened> {
    const opened = await open();
    await opened.store.contexts.put(ID, input);
    return opened;
  }

  describe("rule 1: a message joins the live end", () => {
    test("its tokens join used_tokens; given ones verbatim, others estimated", async () => {
      const { store } = await context({});
      await say(store, 0, 41);
      await store.contexts.append(ID, { message: { role: "user", parts: [] } });
      expect(await shown(store)).toEqual({
        messages: ["1", "2", "3:"],
        used: 42,
        needs: false,
        segments: ["live 1-3"],
      });
    });

    test("an empty window has no segments", async () => {
      const { store } = await context({});
      expect(await shown(store)).toEqual({ messages: [], used: 0, needs: false, segments: [] });
    });

    test("an append over either prefix reaches the window", async () => {
      const { store } = await context({});
      await store.conversations.append(ID, { message: text(3) });
      expect(await seqs(store)).toBe("1");
    });
  });

  describe("rule 2: last_n", () => {
    test.each([
      { limit: 3, retain: undefined, appended: 3, left: "1 2 3" },
      { limit: 3, retain: undefined, appended: 4, left: "2 3 4" },
      { limit: 3, retain: 3, appended: 5, left: "3 4 5" },
      { limit: 4, retain: 2, appended: 4, left: "1 2 3 4" },
      { limit: 4, retain: 2, appended: 5, left: "4 5" },
      { limit: 4, retain: 2, appended: 7, left: "4 5 6 7" },
      { limit: 4, retain: 2, appended: 8, left: "7 8" },
      { limit: 1, retain: 1, appended: 2, left: "2" },
    ])(
      "limit $limit, retain $retain: after $appended messages $left are left",
      async ({ limit, retain, appended, left }) => {
        const { store } = await context({ policy: lastN(limit, retain) });
        await say(store, ...Array.from({ length: appended }, () => 1));
        expect(await seqs(store)).toBe(left);
      },
    );

    test("each message of a batch is an event: retain cuts in the middle of it", async () => {
      const { store } = await context({ policy: lastN(4, 2) });
      await store.contexts.append(ID, { messages: [1, 1, 1, 1, 1, 1].map((tokens) => text(tokens)) });
      expect(await seqs(store)).toBe("4 5 6");
    });

    test("replacement messages count, but only live ones go, and never the newest", async () => {
      const { store } = await context({ policy: lastN(3) });
      await say(store, 1, 1);
      await store.contexts.compact(ID, { replacement: summary(1, 2) });
      await say(store, 1, 1);
      expect(await seqs(store)).toBe("summary summary 4");
      await store.contexts.compact(ID, { replacement: summary(1, 5), through_seq: 3 });
      expect(await seqs(store)).toBe("summary summary summary summary summary 4");
    });

    test("the default is 200 messages of 8000 tokens", async () => {
      const { store } = await context({});
      await store.contexts.append(ID, { messages: Array.from({ length: 201 }, () => text(1)) });
      expect((await shown(store)).segments).toEqual(["live 2-201"]);
    });
  });

  describe("rule 3: skip_parts", () => {
    test("above the trigger, and only then, parts of the kinds go from all live messages but the newest", async () => {
      const { store } = await context({ token_budget: 100, trigger_ratio: 0.5, policy: skipParts() });
      await store.contexts.append(ID, {
        messages: [
          parts(20, "text", "tool-call"),
          parts(20, "reasoning", "text"),
          parts(10, "text", "tool_result"),
        ],
      });
      expect((await shown(store)).messages).toEqual([
        "1:text+tool-call",
        "2:reasoning+text",
        "3:text+tool_result",
      ]);
      await store.contexts.append(ID, { message: parts(1, "tool", "text") });
      expect((await shown(store)).messages).toEqual(["1", "2", "3", "4:tool+text"]);
    });

    test("kinds are prefixes of types", async () => {
      const policy = skipParts({ skip_kinds: ["tool-"] });
      const { store } = await context({ token_budget: 10, trigger_ratio: 0.1, policy });
      await store.contexts.append(ID, {
        messages: [parts(2, "tool", "tool-x", "atool-", "tool-"), parts(1, "text")],
      });
      expect((await shown(store)).messages).toEqual(["1:tool+atool-", "2"]);
    });

    test("a message left without parts goes, and one that never had any", async () => {
      const { store } = await context({ token_budget: 10, trigger_ratio: 0.1, policy: skipParts() });
      await store.contexts.append(ID, {
        messages: [parts(1, "text"), parts(2, "tool"), parts(2), parts(1, "text"), parts(1)],
      });
      expect(await shown(store)).toEqual({
        messages: ["1", "4", "5:"],
        used: 3,
        needs: true,
        segments: ["live 1-5"],
      });
    });

    test("the live segment begins at the oldest message that still shows", async () => {
      const { store } = await context({ token_budget: 10, trigger_ratio: 0.1, policy: skipParts() });
      await store.contexts.append(ID, { messages: [parts(5, "tool"), parts(1, "text"), parts(1, "text")] });
      expect((await shown(store)).segments).toEqual(["live 2-3"]);
    });

    /** `{"role":"a","parts":[{"type":"text"},{"type":"tool"}]}` has 54 characters, without the tool 38. */
    test.each([
      { tokens: 54, short: 38 },
      { tokens: 27, short: 19 },
      { tokens: 28, short: 20 },
      { tokens: 1, short: 1 },
      { tokens: 0, short: 0 },
    ])(
      "of $tokens tokens, a shortened message counts ceil($tokens × 38 / 54) = $short",
      async ({ tokens, short }) => {
        const message = {
          role: "a",
          parts: [{ type: "text" }, { type: "tool" }],
          token_count: tokens,
          seq: 9,
          version: "x",
        };
        const { store } = await context({ token_budget: 1000, trigger_ratio: 0.001, policy: skipParts() });
        await store.contexts.append(ID, { messages: [message, text(2)] });
        expect(await shown(store)).toMatchObject({ messages: ["1", "2"], used: short + 2 });
      },
    );

    test("length is in UTF-16 code units, of the text as JSON has it", async () => {
      // The part is {"type":"tool","t":"🦙\u0000"} of 26 code units and its comma; the whole has 65.
      const message = {
        role: "a",
        parts: [{ type: "text" }, { type: "tool", t: "🦙\u0000" }],
        token_count: 6500,
      };
      const whole = JSON.stringify({ role: "a", parts: message.parts }).length;
      const kept = JSON.stringify({ role: "a", parts: [{ type: "text" }] }).length;
      const { store } = await context({ trigger_ratio: 0.1, policy: skipParts() });
      await store.contexts.append(ID, { messages: [message, text(0)] });
      expect((await shown(store)).used).toBe(Math.ceil((6500 * kept) / whole));
    });

    test("the limit is applied afterwards, and below the trigger too", async () => {
      const policy = skipParts({ limit: 3, retain: 2 });
      const { store } = await context({ token_budget: 100, trigger_ratio: 0.5, policy });
      await say(store, 1, 1, 1, 1);
      expect(await seqs(store)).toBe("3 4");
      await store.contexts.append(ID, { message: parts(50, "tool") });
      expect(await seqs(store)).toBe("3 4 5:tool");
      // The tool's message goes first: two are left, which is within the limit.
      await say(store, 1);
      expect(await seqs(store)).toBe("3 4 6");
    });

    test("without a limit, no number of messages is too many", async () => {
      const { store } = await context({ policy: skipParts() });
      await store.contexts.append(ID, { messages: Array.from({ length: 300 }, () => text(1)) });
      expect((await shown(store)).segments).toEqual(["live 1-300"]);
    });

    test("what was left out stays out, whatever the policy is afterwards", async () => {
      const { store } = await context({ token_budget: 10, trigger_ratio: 0.1, policy: skipParts() });
      await store.contexts.append(ID, {
        messages: [parts(2, "text", "tool", "file"), parts(2, "text", "tool")],
      });
      expect(await seqs(store)).toBe("1:text+file 2:text+tool");
      await store.contexts.put(ID, { token_budget: 8000, policy: manual });
      await say(store, 1);
      expect(await seqs(store)).toBe("1:text+file 2:text+tool 3");
      await store.contexts.put(ID, { token_budget: 10, policy: skipParts({ skip_kinds: ["file"] }) });
      expect(await seqs(store)).toBe("1 2:text+tool 3");
    });

    test("kinds that come anew reach back to messages that were shortened before", async () => {
      const policy = skipParts({ skip_kinds: ["tool"] });
      const { store } = await context({ token_budget: 100, trigger_ratio: 0.01, policy });
      await store.contexts.append(ID, { messages: [parts(9, "text", "tool", "file"), text(1), text(1)] });
      expect(await seqs(store)).toBe("1:text+file 2 3");
      await store.contexts.put(ID, { policy: skipParts({ skip_kinds: ["tool", "file"] }) });
      const length = (...types: string[]): number => {
        const { role, parts: shown } = parts(0, ...types);
        return JSON.stringify({ role, parts: shown }).length;
      };
      const first = Math.ceil((9 * length("text")) / length("text", "tool", "file"));
      expect(await shown(store)).toMatchObject({ messages: ["1", "2", "3"], used: first + 2 });
    });
  });

  describe("rule 4: manual", () => {
    test("nothing is dropped, whatever the size", async () => {
      const { store } = await context({ token_budget: 10, policy: manual });
      await store.contexts.append(ID, {
        messages: [parts(100, "tool"), ...Array.from({ length: 250 }, () => parts(1, "tool"))],
      });
      expect(await shown(store)).toMatchObject({ used: 350, needs: true, segments: ["live 1-251"] });
    });
  });

  describe("rule 5: the token budget", () => {
    test.each([
      { policy: lastN(200), sizes: [4, 3, 3], left: "1 2 3" },
      { policy: lastN(200), sizes: [4, 4, 3], left: "2 3" },
      { policy: skipParts(), sizes: [4, 4, 3], left: "2 3" },
      { policy: lastN(200), sizes: [1, 1, 50], left: "3" },
      { policy: lastN(200), sizes: [50, 1], left: "2" },
      { policy: skipParts(), sizes: [0, 0, 50], left: "3" },
    ])("$policy.strategy: of $sizes in a budget of 10, $left are left", async ({ policy, sizes, left }) => {
      const { store } = await context({ token_budget: 10, policy });
      await say(store, ...sizes);
      expect(await seqs(store)).toBe(left);
    });

    test("summaries count, and are never evicted", async () => {
      const { store } = await context({ token_budget: 10 });
      await say(store, 1);
      await store.contexts.compact(ID, { replacement: summary(8) });
      await say(store, 2, 2);
      expect(await shown(store)).toMatchObject({ messages: ["summary", "3"], used: 10 });
      await store.contexts.compact(ID, { replacement: summary(20), through_seq: 2 });
      expect(await shown(store)).toMatchObject({ messages: ["summary", "3"], used: 22, needs: true });
    });
  });

  describe("rule 6: needs_compaction", () => {
    test.each([
      { budget: 100, ratio: 0.7, size: 70, needs: false },
      { budget: 100, ratio: 0.7, size: 71, needs: true },
      { budget: 10, ratio: 1, size: 10, needs: false },
      { budget: 10, ratio: 1, size: 11, needs: true },
      { budget: 8000, ratio: undefined, size: 5600, needs: false },
      { budget: undefined, ratio: undefined, size: 5601, needs: true },
    ])("$size of $budget tokens at ratio $ratio: $needs", async ({ budget, ratio, size, needs }) => {
      const { store } = await context({
        ...(budget === undefined ? {} : { token_budget: budget }),
        ...(ratio === undefined ? {} : { trigger_ratio: ratio }),
      });
      await say(store, size);
      expect((await shown(store)).needs).toBe(needs);
    });
  });

  describe("rule 7: a budget of the reader's own", () => {
    test.each([
      { policy: manual, budget: 10, left: "1 2 3 4", used: 10, needs: true },
      { policy: manual, budget: 9, left: "2 3 4", used: 9, needs: true },
      { policy: lastN(200), budget: 5, left: "4", used: 4, needs: true },
      { policy: skipParts(), budget: 1, left: "4", used: 4, needs: true },
      { policy: manual, budget: 15, left: "1 2 3 4", used: 10, needs: false },
    ])("$policy.strategy, budget_tokens $budget: $left", async ({ policy, budget, left, used, needs }) => {
      const { store } = await context({ policy });
      await say(store, 1, 2, 3, 4);
      const view = await shown(store, budget);
      expect([view.messages.join(" "), view.used, view.needs]).toEqual([left, used, needs]);
      expect(view.segments).toEqual([`live ${left[0]}-4`]);
    });

    test("leaves alone what is stored", async () => {
      const { store } = await context({ policy: manual });
      await say(store, 1, 2, 3);
      const before = await store.contexts.context(ID);
      await store.contexts.context(ID, { budget_tokens: 1 });
      const after = await store.contexts.context(ID);
      expect([after.text, after.revision]).toEqual([before.text, before.revision]);
    });

    test("does not evict the summary", async () => {
      const { store } = await context({});
      await say(store, 1);
      await store.contexts.compact(ID, { replacement: summary(9) });
      await say(store, 1, 1);
      expect(await shown(store, 1)).toEqual({
        messages: ["summary", "3"],
        used: 10,
        needs: true,
        segments: ["summary 1-1", "live 3-3"],
      });
    });
  });

  describe("rule 8: compaction", () => {
    test("by default everything is replaced", async () => {
      const { store, ranges } = await context({});
      await say(store, 1, 2, 3);
      expect(await store.contexts.compact(ID, { replacement: summary(4) })).toEqual({ version: 4 });
      expect(await shown(store)).toEqual({
        messages: ["summary"],
        used: 4,
        needs: false,
        segments: ["summary 1-3"],
      });
      expect(await ranges()).toEqual(["4: 1-3"]);
    });

    test("what came after through_seq stays live", async () => {
      const { store } = await context({});
      await say(store, 1, 2, 3, 4);
      await store.contexts.compact(ID, { replacement: summary(1), through_seq: 2 });
      expect(await shown(store)).toMatchObject({
        messages: ["summary", "3", "4"],
        used: 8,
        segments: ["summary 1-2", "live 3-4"],
      });
    });

    test("the range begins where the replaced part began: at the window, or at the summary before", async () => {
      const { store, ranges } = await context({ policy: lastN(3) });
      await say(store, 1, 1, 1, 1, 1);
      await store.contexts.compact(ID, { replacement: summary(1), through_seq: 3 });
      await say(store, 1);
      await store.contexts.compact(ID, { replacement: summary(1), through_seq: 5 });
      await store.contexts.compact(ID, { replacement: summary(1) });
      expect(await ranges()).toEqual(["6: 3-3", "8: 3-5", "9: 3-6"]);
      expect((await shown(store)).segments).toEqual(["summary 3-6"]);
    });

    test("the summary alone may be replaced by a better one", async () => {
      const { store } = await context({});
      await say(store, 1, 1);
      await store.contexts.compact(ID, { replacement: summary(9), through_seq: 1 });
      await store.contexts.compact(ID, { replacement: summary(5, 2), through_seq: 1 });
      expect(await shown(store)).toMatchObject({ messages: ["summary", "summary", "2"], used: 11 });
    });

    test("messages behind the summary that were evicted meanwhile may still be summed up", async () => {
      const { store } = await context({ policy: lastN(2) });
      await say(store, 1);
      await store.contexts.compact(ID, { replacement: summary(1) });
      await say(store, 1, 1, 1);
      expect((await shown(store)).segments).toEqual(["summary 1-1", "live 4-4"]);
      await store.contexts.compact(ID, { replacement: summary(1), through_seq: 3 });
      expect((await shown(store)).segments).toEqual(["summary 1-3", "live 4-4"]);
    });

    test.each([
      { throughSeq: 0, code: "invalid_request" },
      { throughSeq: 2, code: "invalid_request" },
      { throughSeq: 6, code: "invalid_request" },
    ])("through_seq $throughSeq is not in a window of 3 to 5: $code", async ({ throughSeq, code }) => {
      const { store } = await context({ policy: lastN(3) });
      await say(store, 1, 1, 1, 1, 1);
      const compacting = store.contexts.compact(ID, { replacement: summary(1), through_seq: throughSeq });
      await expect(compacting).rejects.toMatchObject({ code, field: "through_seq" });
      expect((await store.contexts.get(ID)).value.version).toBe(5);
    });

    test("a newer compaction wins: below the end of its summary it is a conflict", async () => {
      const { store } = await context({});
      await say(store, 1, 1, 1);
      await store.contexts.compact(ID, { replacement: summary(1), through_seq: 2 });
      const late = store.contexts.compact(ID, { replacement: summary(1), through_seq: 1 });
      await expect(late).rejects.toMatchObject({ code: "conflict", version: 4 });
    });

    test("an empty context has nothing to compact, an empty replacement says nothing", async () => {
      const { store } = await context({});
      await expect(store.contexts.compact(ID, { replacement: summary(1) })).rejects.toMatchObject({
        code: "invalid_request",
      });
      await say(store, 1);
      await expect(store.contexts.compact(ID, { replacement: [] })).rejects.toMatchObject({
        code: "invalid_request",
      });
    });

    test("the log stays as it was", async () => {
      const { store } = await context({});
      await say(store, 1, 2);
      const before = (await store.contexts.replay(ID)).value.messages;
      await store.contexts.compact(ID, { replacement: summary(1) });
      expect((await store.contexts.replay(ID)).value).toEqual({ messages: before, version: 3, first_seq: 1 });
    });

    test("replacements show literally, without a position of their own", async () => {
      const { store } = await context({});
      await say(store, 1);
      await store.contexts.compact(ID, {
        replacement: [
          { role: "system", parts: [{ type: "tool" }], seq: 3, version: 1, inserted_at: "x", name: "n" },
        ],
      });
      expect((await store.contexts.context(ID)).value.messages).toEqual([
        { role: "system", parts: [{ type: "tool" }], name: "n", token_count: 1 },
      ]);
    });

    test("brings back no part that was left out of the messages that stay", async () => {
      const { store } = await context({ token_budget: 100, trigger_ratio: 0.01, policy: skipParts() });
      await store.contexts.append(ID, {
        messages: [parts(5, "tool", "text"), parts(54, "text", "tool"), parts(1, "text")],
      });
      const { used } = await shown(store, 8000);
      await store.contexts.put(ID, { policy: manual });
      await store.contexts.compact(ID, { replacement: summary(0), through_seq: 1 });
      const after = await shown(store);
      expect(after.messages).toEqual(["summary", "2", "3"]);
      expect(after.used).toBeLessThan(used);
    });
  });

  describe("rule 9: reset", () => {
    test("takes back summaries, evictions and left out parts, as far as the rules allow", async () => {
      const { store } = await context({
        token_budget: 20,
        trigger_ratio: 0.5,
        policy: skipParts({ limit: 3 }),
      });
      await store.contexts.append(ID, { messages: [text(2), parts(8, "tool"), text(2), text(2)] });
      expect(await seqs(store)).toBe("1 3 4");
      await store.contexts.compact(ID, { replacement: summary(1), through_seq: 3 });
      await store.contexts.put(ID, { policy: manual });
      expect(await store.contexts.reset(ID)).toEqual({ version: 7 });
      expect(await shown(store)).toEqual({
        messages: ["1", "2:tool", "3", "4"],
        used: 14,
        needs: true,
        segments: ["live 1-4"],
      });
    });

    test("goes back to the beginning of the log, behind what the summary stood for", async () => {
      const { store } = await context({ policy: lastN(2) });
      await say(store, 1, 1, 1, 1);
      await store.contexts.compact(ID, { replacement: summary(1) });
      await store.contexts.put(ID, { policy: manual });
      await store.contexts.reset(ID);
      expect(await seqs(store)).toBe("1 2 3 4");
    });

    test("is as if the messages were appended one by one: retain cuts where it would have cut", async () => {
      const { store } = await context({ policy: manual });
      await say(store, 1, 1, 1, 1, 1, 1, 1, 1);
      await store.contexts.put(ID, { policy: lastN(4, 2) });
      expect(await seqs(store)).toBe("7 8");
      await say(store, 1);
      await store.contexts.reset(ID);
      expect(await seqs(store)).toBe("7 8 9");
    });

    test("of an empty context is an event all the same", async () => {
      const { store } = await context({});
      expect(await store.contexts.reset(ID)).toEqual({ version: 1 });
      expect(await shown(store)).toEqual({ messages: [], used: 0, needs: false, segments: [] });
    });
  });

  describe("rule 10: a changed configuration", () => {
    test("is an event, from which on it holds; the rules run once", async () => {
      const { store } = await context({ policy: manual });
      await say(store, 4, 3, 2, 1);
      const { created, document } = await store.contexts.put(ID, { policy: lastN(3) });
      expect([created, document.value.version]).toEqual([false, 5]);
      expect(await seqs(store)).toBe("2 3 4");
      await store.contexts.put(ID, { token_budget: 3 });
      expect(await seqs(store)).toBe("3 4");
      await store.contexts.put(ID, { trigger_ratio: 1 });
      expect(await shown(store)).toMatchObject({ messages: ["3", "4"], needs: false });
    });

    test("brings back nothing that was dropped", async () => {
      const { store } = await context({ token_budget: 3, policy: lastN(2) });
      await say(store, 1, 1, 1);
      await store.contexts.put(ID, { token_budget: 8000, policy: manual });
      expect(await seqs(store)).toBe("2 3");
    });

    test("fields that are absent stay as they are", async () => {
      const { store } = await context({
        token_budget: 5,
        trigger_ratio: 0.2,
        policy: lastN(9, 3),
        metadata: { a: 1 },
      });
      const { document } = await store.contexts.put(ID, { trigger_ratio: 0.3 });
      expect(document.value).toMatchObject({
        token_budget: 5,
        trigger_ratio: 0.3,
        policy: { strategy: "last_n", config: { limit: 9, retain: 3 } },
        metadata: { a: 1 },
        version: 1,
      });
    });

    test.each<PutContextInput>([
      {},
      { token_budget: 8000 },
      { trigger_ratio: 0.7, metadata: { a: 1 } },
      { policy: { strategy: "last_n" } },
      { policy: lastN(200, 200) },
    ])("%o changes nothing of the defaults, so nothing is committed", async (input) => {
      const { store } = await context({ metadata: { a: 1 } });
      const { document } = await store.contexts.put(ID, input);
      expect([document.value.version, document.revision]).toEqual([0, 1]);
    });

    test("a window that a PUT adds to a conversation is built as if the log had just been appended", async () => {
      const { store } = await open();
      await store.conversations.put(ID);
      for (let i = 0; i < 6; i++) await store.conversations.append(ID, { message: text(1) });
      const { created, document } = await store.contexts.put(ID, { policy: lastN(4, 2) });
      expect([created, document.value.version]).toEqual([true, 7]);
      expect(await seqs(store)).toBe("4 5 6");
    });
  });

  describe("rule 8: the rules run after a compaction", () => {
    test("a summary that leaves no room for all live messages drops the oldest of them", async () => {
      const { store } = await open();
      const message = (token_count: number): MessageInput => ({ role: "user", parts: [], token_count });
      await store.contexts.put(ID, { token_budget: 100 });
      await store.contexts.append(ID, { messages: [message(30), message(30), message(30)] });
      await store.contexts.compact(ID, { replacement: [message(60)], through_seq: 1 });
      const { used_tokens, segments } = (await store.contexts.context(ID)).value;
      expect(used_tokens).toBe(90);
      expect(segments).toEqual([
        { type: "summary", from_seq: 1, to_seq: 1 },
        { type: "live", from_seq: 3, to_seq: 3 },
      ]);
    });
  });
});

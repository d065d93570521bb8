import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { asFields, type Answer } from "../answer.js";
import { messagesIn, say, seqsIn, textsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";
import { WindowModel, type WindowConfig } from "../window-model.js";

export const CONFIG: fc.Arbitrary<WindowConfig> = fc.record({
  budget: fc.integer({ min: 1, max: 60 }),
  ratio: fc.constantFrom(0.25, 0.5, 1),
  limit: fc.option(fc.integer({ min: 2, max: 6 }), { nil: undefined }),
  retain: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
});

export type Step =
  | { readonly do: "append"; readonly tokens: readonly number[] }
  | { readonly do: "compact"; readonly tokens: readonly number[]; readonly back: number }
  | { readonly do: "reset" }
  | { readonly do: "configure"; readonly config: WindowConfig };

export const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      tokens: fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("compact" as const),
      tokens: fc.array(fc.nat({ max: 10 }), { minLength: 1, maxLength: 2 }),
      back: fc.nat({ max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reset" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("configure" as const), config: CONFIG }) },
);

/** What every run does whatever else it does: each kind of step once, the last of them a message. */
export const EACH_STEP: readonly Step[] = [
  { do: "append", tokens: [1, 2] },
  { do: "compact", tokens: [1], back: 1 },
  { do: "reset" },
  { do: "configure", config: { budget: 61, ratio: 1, limit: undefined, retain: undefined } },
  { do: "append", tokens: [1] },
];

/** Windows: what goes to the model. */
export const WINDOWS: readonly Check<ServerWorld>[] = [
  check({
    name: "windows-follow-their-rules",
    invariants: ["WIN-1", "WIN-2", "WIN-3", "WIN-4", "WIN-5", "CRE-3"],
    mode: "sequence",
    runs: 50,
    arbitrary: fc.record({
      config: CONFIG,
      steps: fc.array(STEP, { minLength: 1, maxLength: 10 }),
      budget: fc.integer({ min: 1, max: 40 }),
    }),
    run: async (world: ServerWorld, { config, steps, budget }) => {
      const path = world.context();
      const model = new WindowModel(config);
      await world.ok("PUT", path, bodyOf(config));
      // Beginning again, and then with what was generated.
      for (const step of [...EACH_STEP, { do: "configure", config } as const, ...steps]) {
        switch (step.do) {
          case "append":
            await world.ok("POST", `${path}/messages`, {
              messages: step.tokens.map((tokens) => say("m", tokens)),
            });
            for (const tokens of step.tokens) model.append(tokens);
            break;
          case "compact": {
            if (model.lastSeq === 0) continue;
            const through = Math.max(model.start, model.lastSeq - step.back);
            const replacement = step.tokens.map((tokens) => say("summary", tokens));
            const { body } = await world.ok("POST", `${path}/compact`, { replacement, through_seq: through });
            model.compact(step.tokens, through);
            demandEqual(body, { version: model.version }, "WIN-4", "the answer to a compaction");
            break;
          }
          case "reset": {
            const { body } = await world.ok("POST", `${path}/reset`);
            model.reset();
            demandEqual(body, { version: model.version }, "WIN-5", "the answer to a reset");
            break;
          }
          case "configure":
            // A PUT that changes nothing is no event.
            if (isSame(step.config, model.config)) continue;
            await world.ok("PUT", path, bodyOf(step.config));
            model.configure(step.config);
            break;
        }
        await expectWindow(world, path, model, step.do);
      }
      const { body } = await world.ok("GET", `${path}/context?budget_tokens=${budget}`);
      const shown = seqsIn(body).filter((seq) => seq !== undefined);
      const { seqs, used, needsCompaction } = model.within(budget);
      demandEqual(shown, seqs, "WIN-3", `the live messages within ${budget} tokens`);
      demandEqual(
        [body["used_tokens"], body["needs_compaction"]],
        [used, needsCompaction],
        "WIN-3",
        `used_tokens and needs_compaction within ${budget} tokens`,
      );
      await expectWindow(world, path, model, "append");
    },
  }),
  check({
    name: "compactions-that-are-refused",
    invariants: ["WIN-4"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.context();
      await world.ok("PUT", path, { policy: { strategy: "manual" } });
      const compact = (status: number, fields: object): Promise<Answer> =>
        world.expect(status, "WIN-4", "POST", `${path}/compact`, {
          replacement: [say("summary", 1)],
          ...fields,
        });
      await compact(400, {});
      await world.ok("POST", `${path}/messages`, { messages: [1, 2, 3, 4].map((n) => say(`${n}`, 1)) });
      await compact(400, { through_seq: 5 });
      await compact(200, { through_seq: 3 });
      await compact(409, { through_seq: 2 });
      const { body } = await world.ok("GET", `${path}/context`);
      demandEqual(textsIn(body), ["summary", "4"], "WIN-4", "the window");
      const log = await world.ok("GET", `${path}/messages`);
      demandEqual(textsIn(log.body), ["1", "2", "3", "4"], "WIN-4", "the log");
      // What was dropped before the window cannot be replaced.
      const dropping = world.context("dropping");
      await world.ok("PUT", dropping, { policy: { strategy: "last_n", config: { limit: 1 } } });
      await world.ok("POST", `${dropping}/messages`, { messages: [say("1", 1), say("2", 1)] });
      const before = { replacement: [say("summary", 1)], through_seq: 1 };
      await world.expect(400, "WIN-4", "POST", `${dropping}/compact`, before);
    },
  }),
  check({
    name: "windows-at-a-version",
    invariants: ["WIN-6"],
    mode: "sequence",
    runs: 5,
    arbitrary: fc.record({ before: fc.integer({ min: 1, max: 4 }), off: fc.constantFrom(-1, 1, 3) }),
    run: async (world: ServerWorld, { before, off }) => {
      const path = world.context();
      await world.ok("PUT", path, { policy: { strategy: "manual" } });
      await world.ok("POST", `${path}/messages`, {
        messages: Array.from({ length: before }, () => say("m", 1)),
      });
      for (const version of [before, before + 1]) {
        const replacement = [say("summary", 1)];
        for (const [method, to, body] of [
          ["GET", `${path}/context?if_version=${version + off}`],
          ["POST", `${path}/compact`, { replacement, if_version: version + off }],
        ] as const) {
          const refused = await world.expect(409, "WIN-6", method, to, body);
          demandEqual(refused.body["version"], version, "WIN-6", "the version that is told");
        }
        await world.expect(200, "WIN-6", "GET", `${path}/context?if_version=${version}`);
        const { body } = await world.expect(200, "WIN-6", "POST", `${path}/compact`, {
          replacement,
          if_version: version,
        });
        demandEqual(body, { version: version + 1 }, "WIN-6", "the answer to a compaction");
      }
    },
  }),
  check({
    name: "parts-are-skipped",
    invariants: ["WIN-1", "WIN-2", "WIN-5"],
    mode: "sequence",
    runs: 5,
    arbitrary: fc.record({ size: fc.integer({ min: 20, max: 40 }), name: fc.string({ maxLength: 60 }) }),
    run: async (world: ServerWorld, { size, name }) => {
      const path = world.context();
      await world.ok("PUT", path, {
        token_budget: 100,
        trigger_ratio: 0.5,
        policy: { strategy: "skip_parts", config: { skip_kinds: ["tool"] } },
      });
      const call = { type: "tool-call", name };
      const found = { type: "text", text: "found" };
      const mixed = { role: "assistant", parts: [call, found], token_count: size };
      await world.ok("POST", `${path}/messages`, {
        messages: [mixed, { role: "tool", parts: [call], token_count: 10 }],
      });
      const before = await world.ok("GET", `${path}/context`);
      demandEqual(messagesIn(before.body).length, 2, "WIN-1", "messages below the trigger");
      await world.ok("POST", `${path}/messages`, {
        message: { role: "tool", parts: [call], token_count: 21 },
      });
      const { body } = await world.ok("GET", `${path}/context`);
      const types = messagesIn(body).map((message) => {
        const { parts }: { parts?: unknown } = Object(message);
        return Array.isArray(parts) ? parts.map((part: unknown) => Object(part).type as unknown) : [];
      });
      // The newest message keeps its parts; one that is left without any is gone.
      demandEqual(types, [["text"], ["tool-call"]], "WIN-1", "the types of the parts that are left");
      // Its size goes by the length of its text.
      const lengthWith = (...parts: object[]): number => JSON.stringify({ role: "assistant", parts }).length;
      const kept = Math.ceil((size * lengthWith(found)) / lengthWith(call, found));
      demandEqual(body["used_tokens"], kept + 21, "WIN-2", "used_tokens of what is left");
      const counts = messagesIn(body).map((message) => asFields(message)["token_count"]);
      demandEqual(counts, [size, 21], "WIN-2", "the sizes of the whole messages");
      // Room again brings nothing back, a reset does.
      await world.ok("PUT", path, { token_budget: 1000 });
      const roomy = await world.ok("GET", `${path}/context`);
      demandEqual(roomy.body["used_tokens"], kept + 21, "WIN-1", "used_tokens after room was made");
      await world.ok("POST", `${path}/reset`);
      const whole = await world.ok("GET", `${path}/context`);
      demandEqual(
        [seqsIn(whole.body), whole.body["used_tokens"]],
        [[1, 2, 3], size + 10 + 21],
        "WIN-5",
        "the window after a reset",
      );
    },
  }),
];

export function bodyOf({ budget, ratio, limit, retain }: WindowConfig): object {
  const policy =
    limit === undefined
      ? { strategy: "manual" }
      : { strategy: "last_n", config: { limit, ...(retain !== undefined && { retain }) } };
  return { token_budget: budget, trigger_ratio: ratio, policy };
}

/** Whether a PUT of the one changes nothing in the other. Left out, `retain` is `limit`. */
export function isSame(one: WindowConfig, other: WindowConfig): boolean {
  const textOf = ({ retain, ...rest }: WindowConfig): string =>
    JSON.stringify(bodyOf({ ...rest, retain: retain ?? rest.limit }));
  return textOf(one) === textOf(other);
}

async function expectWindow(
  world: ServerWorld,
  path: string,
  model: WindowModel,
  after: string,
): Promise<void> {
  const { body } = await world.ok("GET", `${path}/context`);
  const seqs = seqsIn(body);
  const rule = after === "compact" ? "WIN-4" : after === "reset" ? "WIN-5" : "WIN-1";
  demandEqual(body["version"], model.version, "CRE-3", "the version");
  demandEqual(seqs.slice(model.summaryCount), model.seqs, rule, `the live messages after ${after}`);
  demand(
    seqs.slice(0, model.summaryCount).every((seq) => seq === undefined),
    rule,
    () => `the window does not begin with its ${model.summaryCount} replacement messages after ${after}`,
  );
  demandEqual(body["segments"], model.segments, rule, `the segments after ${after}`);
  demandEqual(body["used_tokens"], model.used, "WIN-2", `used_tokens after ${after}`);
  demandEqual(body["needs_compaction"], model.needsCompaction, "WIN-2", `needs_compaction after ${after}`);
}

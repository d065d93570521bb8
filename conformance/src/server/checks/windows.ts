import fc from "fast-check";
import { check, NOTHING, type Check } from "../../check.js";
import { demand, demandEqual } from "../../violation.js";
import { messagesIn, say, seqsIn, textsIn } from "../messages.js";
import type { ServerWorld } from "../server-world.js";
import { WindowModel, type WindowConfig } from "../window-model.js";

const CONFIG: fc.Arbitrary<WindowConfig> = fc.record({
  budget: fc.integer({ min: 1, max: 60 }),
  ratio: fc.constantFrom(0.25, 0.5, 1),
  limit: fc.option(fc.integer({ min: 2, max: 6 }), { nil: undefined }),
  retain: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
});

const STEP = fc.oneof(
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

/** Windows: what goes to the model. */
export const WINDOWS: readonly Check<ServerWorld>[] = [
  check({
    name: "windows-follow-their-rules",
    invariants: ["WIN-1", "WIN-2", "WIN-3", "WIN-4", "WIN-5", "CRE-3"],
    mode: "sequence",
    runs: 40,
    arbitrary: fc.record({
      config: CONFIG,
      steps: fc.array(STEP, { minLength: 1, maxLength: 10 }),
      budget: fc.integer({ min: 1, max: 40 }),
    }),
    run: async (world: ServerWorld, { config, steps, budget }) => {
      const path = world.context();
      const model = new WindowModel(config);
      await world.ok("PUT", path, bodyOf(config));
      for (const step of steps) {
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
            await world.ok("POST", `${path}/compact`, { replacement, through_seq: through });
            model.compact(step.tokens, through);
            break;
          }
          case "reset":
            await world.ok("POST", `${path}/reset`);
            model.reset();
            break;
          case "configure":
            // A PUT that changes nothing is no event.
            if (JSON.stringify(bodyOf(step.config)) === JSON.stringify(bodyOf(model.config))) continue;
            await world.ok("PUT", path, bodyOf(step.config));
            model.configure(step.config);
            break;
        }
        await expectWindow(world, path, model, step.do);
      }
      const { body } = await world.ok("GET", `${path}/context?budget_tokens=${budget}`);
      const shown = seqsIn(body).filter((seq) => seq !== undefined);
      demandEqual(shown, model.seqsWithin(budget), "WIN-3", `the live messages within ${budget} tokens`);
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
      const compact = async (fields: object): Promise<number> =>
        (await world.call("POST", `${path}/compact`, { replacement: [say("summary", 1)], ...fields })).status;
      demandEqual(await compact({}), 400, "WIN-4", "the status of a compaction of nothing");
      await world.ok("POST", `${path}/messages`, { messages: [1, 2, 3, 4].map((n) => say(`${n}`, 1)) });
      demandEqual(
        await compact({ through_seq: 5 }),
        400,
        "WIN-4",
        "the status of one past the newest message",
      );
      demandEqual(await compact({ if_version: 3 }), 409, "WIN-4", "the status of one at another version");
      demandEqual(await compact({ through_seq: 3 }), 200, "WIN-4", "the status of one in the window");
      demandEqual(
        await compact({ through_seq: 2 }),
        409,
        "WIN-4",
        "the status of one that a newer one stands for",
      );
      const { body } = await world.ok("GET", `${path}/context`);
      demandEqual(textsIn(body), ["summary", "4"], "WIN-4", "the window");
      const log = await world.ok("GET", `${path}/messages`);
      demandEqual(textsIn(log.body), ["1", "2", "3", "4"], "WIN-4", "the log");
    },
  }),
  check({
    name: "parts-are-skipped",
    invariants: ["WIN-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world: ServerWorld) => {
      const path = world.context();
      await world.ok("PUT", path, {
        token_budget: 100,
        trigger_ratio: 0.5,
        policy: { strategy: "skip_parts", config: { skip_kinds: ["tool"] } },
      });
      const call = { type: "tool-call", name: "search" };
      const mixed = { role: "assistant", parts: [call, { type: "text", text: "found" }], token_count: 30 };
      await world.ok("POST", `${path}/messages`, {
        messages: [mixed, { role: "tool", parts: [call], token_count: 10 }],
      });
      const before = await world.ok("GET", `${path}/context`);
      demandEqual(messagesIn(before.body).length, 2, "WIN-1", "messages below the trigger");
      await world.ok("POST", `${path}/messages`, {
        message: { role: "tool", parts: [call], token_count: 20 },
      });
      const { body } = await world.ok("GET", `${path}/context`);
      const types = messagesIn(body).map((message) => {
        const { parts }: { parts?: unknown } = Object(message);
        return Array.isArray(parts) ? parts.map((part: unknown) => Object(part).type as unknown) : [];
      });
      // The newest message keeps its parts; one that is left without any is gone.
      demandEqual(types, [["text"], ["tool-call"]], "WIN-1", "the types of the parts that are left");
    },
  }),
];

function bodyOf({ budget, ratio, limit, retain }: WindowConfig): object {
  const policy =
    limit === undefined
      ? { strategy: "manual" }
      : { strategy: "last_n", config: { limit, ...(retain !== undefined && { retain }) } };
  return { token_budget: budget, trigger_ratio: ratio, policy };
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

import {
  createStore,
  DriverUnavailableError,
  FastpacaError,
  type AppendInput,
  type AppendResult,
  type Store,
} from "@fastpaca/core";
import { openMemory } from "@fastpaca/driver-memory";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { overriding } from "../drivers.js";
import { elapse } from "../elapse.js";
import { FaultyDriver, type Fault } from "./faulty-driver.js";

type Told = AppendResult | FastpacaError;

function message(name: string): AppendInput["message"] {
  return { role: "user", parts: [{ type: "text", text: name }], token_count: 1 };
}

async function told<T = AppendResult>(append: Promise<T>): Promise<T | FastpacaError> {
  try {
    return await append;
  } catch (error) {
    if (error instanceof FastpacaError) return error;
    throw error;
  }
}

/** The texts of a conversation's log, in order. */
async function log(store: Store, id: string): Promise<string[]> {
  const { messages } = (await store.conversations.replay(id, { limit: 1000 })).value;
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 1));
  return messages.map(({ parts }) => String(parts[0]?.["text"]));
}

/** Quiet: failures that are injected are expected. */
const onError = (): void => undefined;

describe("whatever becomes of commits, callers are told the truth", () => {
  const fault = fc.constantFrom<Fault>("none", "none", "applied", "lost", "late", "broken", "unavailable");
  const command = fc.record({
    store: fc.nat({ max: 1 }),
    conversation: fc.constantFrom("a", "b"),
    keyed: fc.boolean(),
    /** How many more appends are sent before this one is waited for. */
    burst: fc.boolean(),
  });

  test("with two stores over one faulty database", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 12 }),
        fc.array(command, { minLength: 1, maxLength: 40 }),
        async (faults, commands) => {
          const script = [...faults];
          const database = openMemory();
          const setUp = createStore({ driver: new FaultyDriver(database, true, () => "none"), onError });
          for (const id of ["a", "b"]) await setUp.conversations.put(id);
          const stores = [0, 1].map(() =>
            createStore({
              driver: new FaultyDriver(database, true, () => script.shift() ?? "none"),
              onError,
            }),
          );
          const answers = new Map<string, { id: string; answer: Promise<Told> }>();
          for (const [index, { store, conversation, keyed, burst }] of commands.entries()) {
            const name = `m${index}`;
            const input = { message: message(name), ...(keyed && { idempotency_key: name }) };
            const answer = told((stores[store] ?? setUp).conversations.append(conversation, input));
            answers.set(name, { id: conversation, answer });
            if (!burst) await answer;
          }
          for (const { answer } of answers.values()) await answer;

          const logs = { a: await log(setUp, "a"), b: await log(setUp, "b") };
          for (const [name, { id, answer }] of answers) {
            const present = logs[id === "a" ? "a" : "b"].filter((text) => text === name).length;
            const result = await answer;
            if (!(result instanceof FastpacaError)) {
              expect([name, present, logs[id === "a" ? "a" : "b"][result.seq - 1]]).toEqual([name, 1, name]);
            } else if (result.code === "unavailable") {
              expect([name, present]).toEqual([name, 0]);
            } else {
              expect(result.code).toBe("outcome_unknown");
              expect(present).toBeLessThanOrEqual(1);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);
});

describe("an outcome that is unknown", () => {
  const open = (faults: readonly Fault[]): { store: Store; driver: FaultyDriver } => {
    const script = ["none" as Fault, ...faults];
    const driver = new FaultyDriver(openMemory(), false, () => script.shift() ?? "none");
    return { driver, store: createStore({ driver, onError }) };
  };

  test.each<Fault>(["applied", "lost", "broken"])(
    "is found out by handing the commit over again: %s",
    async (fault) => {
      const { store, driver } = open([fault]);
      await store.conversations.put("a");
      expect(await store.conversations.append("a", { message: message("x") })).toMatchObject({
        seq: 1,
        version: 1,
      });
      expect(await log(store, "a")).toEqual(["x"]);
      expect(driver.calls).toBe(3);
    },
  );

  test("does not keep what follows from being written in order", async () => {
    const { store } = open(["applied", "applied", "lost", "none", "applied"]);
    await store.conversations.put("a");
    const names = ["x", "y", "z"];
    const results = await Promise.all(
      names.map((name) => store.conversations.append("a", { message: message(name) })),
    );
    expect(results.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(await log(store, "a")).toEqual(names);
  });

  test("that is unavailable was not applied, and the next append works", async () => {
    const { store } = open(["unavailable"]);
    await store.conversations.put("a");
    expect(await told(store.conversations.append("a", { message: message("x") }))).toMatchObject({
      code: "unavailable",
    });
    expect(await store.conversations.append("a", { message: message("y") })).toMatchObject({ seq: 1 });
  });

  test("after which more commits followed than are remembered is told as it is, unless a key tells", async () => {
    const database = openMemory();
    const other = createStore({ driver: new FaultyDriver(database, true, () => "none") });
    await other.conversations.put("a");
    const advance = async (): Promise<void> => {
      for (let count = 0; count < 20; count++)
        await other.conversations.append("a", { message: message("other") });
    };
    for (const keyed of [true, false]) {
      for (const fault of ["applied", "lost"] as const) {
        const script: Fault[] = [fault];
        const driver = new FaultyDriver(database, true, () => script.shift() ?? "none");
        const commit = driver.commit.bind(driver);
        driver.commit = async (commits) => {
          const outcomes = await commit(commits);
          if (outcomes[0]?.status === "unknown") await advance();
          return outcomes;
        };
        const name = `${fault} ${keyed}`;
        const store = createStore({ driver, onError });
        const input = { message: message(name), ...(keyed && { idempotency_key: name }) };
        const result = await told(store.conversations.append("a", input));
        const count = (await log(other, "a")).filter((text) => text === name).length;
        if (keyed) expect([result, count]).toMatchObject([{ version: expect.any(Number) }, 1]);
        else
          expect([result, count]).toMatchObject([{ code: "outcome_unknown" }, fault === "applied" ? 1 : 0]);
      }
    }
  });
});

test.each<Fault>(["applied", "lost"])(
  "an append of unknown outcome is not made again in the next life, though it has a key: %s",
  async (fault) => {
    const database = openMemory();
    const other = createStore({ driver: new FaultyDriver(database, true, () => "none") });
    await other.conversations.put("a");
    const script: Fault[] = [fault];
    const driver = new FaultyDriver(database, true, () => script.shift() ?? "none");
    const commit = driver.commit.bind(driver);
    driver.commit = async (commits) => {
      const outcomes = await commit(commits);
      if (outcomes[0]?.status === "unknown") {
        await other.conversations.remove("a", { purge: true });
        await other.conversations.put("a");
        // More than are remembered.
        for (let count = 0; count < 20; count++)
          await other.conversations.append("a", { message: message("other") });
      }
      return outcomes;
    };
    const store = createStore({ driver, onError });
    const appending = store.conversations.append("a", { message: message("x"), idempotency_key: "k" });
    expect(await told(appending)).toMatchObject({ code: "outcome_unknown" });
    expect(await log(other, "a")).not.toContain("x");
  },
);

test("a database that is away is reported once a second, however many are subscribed", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  const memory = openMemory();
  let away = false;
  const driver = overriding(memory, {
    traits: { durable: false, shared: true },
    heads: (ids) => (away ? Promise.reject(new DriverUnavailableError("away")) : memory.heads(ids)),
  });
  const report = vi.fn();
  const store = createStore({ driver, onError: report });
  try {
    const ids = Array.from({ length: 50 }, (_, n) => `c${n}`);
    for (const id of ids) {
      await store.conversations.put(id);
      await store.conversations.subscribe(id);
    }
    away = true;
    for (let second = 1; second <= 5; second++) {
      await vi.advanceTimersByTimeAsync(1000);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(report).toHaveBeenCalledTimes(second);
    }
  } finally {
    vi.useRealTimers();
    await store.close();
  }
});

describe("a database that does not answer", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("makes writes fail by their deadline, bounded in number, and is used again when it answers", async () => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
    });
    let hanging = false;
    const driver = new FaultyDriver(openMemory(), false, () => (hanging ? "hang" : "none"));
    const store = createStore({ driver, onError });
    await Promise.all(["a", "b"].map((id) => store.conversations.put(id)));
    hanging = true;
    const before = driver.calls;
    const answers: Promise<Told>[] = [];
    for (let round = 0; round < 20; round++) {
      for (const id of ["a", "b"])
        answers.push(told(store.conversations.append(id, { message: message("x") })));
      await elapse(3000);
    }
    await elapse(20_000);
    expect(store.pendingWrites).toBe(0);
    const codes = (await Promise.all(answers)).map((answer) =>
      answer instanceof FastpacaError ? answer.code : "done",
    );
    // What was handed over may have been applied; what never was, was not.
    expect(new Set(codes)).toEqual(new Set(["outcome_unknown", "unavailable"]));
    expect(driver.calls - before).toBeLessThanOrEqual(8 + 3);

    hanging = false;
    await elapse(60_000);
    const after = store.conversations.append("a", { message: message("y") });
    await elapse(1000);
    expect(await after).toMatchObject({ seq: 1 });
  });

  test("leaves no write without an answer that comes while another one still waits for its head", async () => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
    });
    const memory = openMemory();
    const never = new Promise<never>(() => undefined);
    const head = Promise.withResolvers<undefined[]>();
    const driver = overriding(memory, {
      traits: { durable: true, shared: true },
      heads: ([id]) => (id === "a" ? head.promise : never),
      commit: () => never,
    });
    const store = createStore({ driver, onError });
    // Four reads hang, and that of the write's own head starts when they are given up.
    const reads: Promise<unknown>[] = [];
    for (let read = 0; read < 4; read++) {
      reads.push(told(store.conversations.get(`busy${read}`)));
      await elapse(250);
    }
    const first = told(store.conversations.put("a"));
    await elapse(10_500);
    expect(await first).toMatchObject({ code: "unavailable" });
    const second = told(store.conversations.put("a"));
    await elapse(250);
    head.resolve([undefined]);
    await elapse(20_000);
    expect(store.pendingWrites).toBe(0);
    expect(await second).toMatchObject({ code: "outcome_unknown" });
    await Promise.all(reads);
    await store.close();
  });
});

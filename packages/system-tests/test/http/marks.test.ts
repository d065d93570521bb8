import { describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import { say, textOf, type Answer, type Appended, type Client, type Record, type Window } from "./client.js";
import { expectDense, readLog } from "./history.js";
import { serve } from "./serve.js";

const CLIENTS = 64;
const KEEP_ALL = { token_budget: 1_000_000, policy: { strategy: "manual" } };

describe.each(BACKENDS)("events other than messages over $name", { timeout: 60_000 }, (backend) => {
  test("share one count of versions with the messages: version = last_seq + marks", async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/events";
    const clients = server.clients(CLIENTS);
    const reader = server.connect();
    await reader.put(path, KEEP_ALL);
    await reader.post(`${path}/messages`, { message: say("first") });
    const taken: { readonly version: number; readonly messages: number }[] = [{ version: 1, messages: 1 }];
    let running = true;
    const watching = watchRecord(reader, path, () => running);
    await Promise.all(
      clients.map(async (client, who) => {
        for (let turn = 0; turn < 12; turn++) {
          taken.push(await anyEvent(client, path, who, turn));
        }
      }),
    );
    running = false;
    const records = await watching;

    const log = await readLog(reader, path);
    expectDense(log);
    const { version, last_seq } = (await reader.get(path)).json<Record>();
    const marks = taken.filter(({ messages }) => messages === 0).length;
    expect(marks).toBeGreaterThan(0);
    expect(version).toBe(last_seq + marks);
    expect(last_seq).toBe(log.length);
    // An append of n messages takes the n versions up to its own, a mark takes one: none is left out or taken twice.
    const versions = taken.flatMap(({ version, messages }) =>
      Array.from({ length: Math.max(1, messages) }, (_, back) => version - back),
    );
    expect(versions.sort((a, b) => a - b)).toEqual(Array.from({ length: version }, (_, at) => at + 1));
    expectGrowing(records);
  });

  test("a compaction through a seq loses nothing that arrives meanwhile", async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/worker";
    const [compactor, reader, ...clients] = server.clients(CLIENTS + 2);
    if (compactor === undefined || reader === undefined) throw new Error("no client");
    await compactor.put(path, KEEP_ALL);
    let appending = CLIENTS;
    const appends = clients.map(async (client, who) => {
      for (let turn = 0; turn < 15; turn++) {
        const answer = await client.post(`${path}/messages`, { message: say(`${who}-${turn}`) });
        expect(answer.status).toBe(201);
      }
      appending -= 1;
    });
    const windows: Window[] = [];
    const read = async (): Promise<void> => {
      while (appending > 0) windows.push((await reader.get(`${path}/context`)).json<Window>());
    };
    const reading = read();
    let compactions = 0;
    while (appending > 0) {
      const seen = (await compactor.get(`${path}/context`)).json<Window>();
      windows.push(seen);
      const through = seen.messages.at(-1)?.seq;
      if (through === undefined) continue;
      const answer = await compactor.post(`${path}/compact`, {
        replacement: [say(`1 to ${through}`)],
        through_seq: through,
      });
      expect(answer.status).toBe(200);
      compactions += 1;
    }
    await Promise.all([...appends, reading]);
    windows.push((await reader.get(`${path}/context`)).json<Window>());

    expect(compactions).toBeGreaterThan(0);
    const log = await readLog(reader, path);
    expectDense(log);
    expect(log).toHaveLength(clients.length * 15);
    expect((await reader.get(path)).json<Record>().version).toBe(log.length + compactions);
    for (const window of windows) expectComplete(window, log.length);
    const last = windows.at(-1);
    const live = last?.messages.filter(({ seq }) => seq !== undefined) ?? [];
    expect(live).toEqual(live.length === 0 ? [] : log.slice(-live.length));
  });

  test("of compactions that race through different seqs the furthest stays, and older ones are told", async () => {
    await using server = await serve(backend);
    const clients = server.clients(CLIENTS);
    const [client] = clients;
    if (client === undefined) throw new Error("no client");
    for (let round = 0; round < 5; round++) {
      const path = `/v1/contexts/furthest-${round}`;
      await client.put(path, KEEP_ALL);
      await client.post(`${path}/messages`, { messages: clients.map((_, at) => say(String(at))) });
      const answers = await Promise.all(
        clients.map((client, at) =>
          client.post(`${path}/compact`, { replacement: [say(`to ${at + 1}`)], through_seq: at + 1 }),
        ),
      );
      const landed = answers.filter(({ status }) => status === 200);
      for (const { status } of answers) expect([200, 409]).toContain(status);
      expect(answers.at(-1)?.status, "nothing is newer than the last").toBe(200);
      const window = (await client.get(`${path}/context`)).json<Window>();
      expect(window.version).toBe(CLIENTS + landed.length);
      expect(window.messages.map(textOf)).toEqual([`to ${CLIENTS}`]);
      expect(window.segments).toEqual([{ type: "summary", from_seq: 1, to_seq: CLIENTS }]);
    }
  });

  test("an unchanged conversation is answered 304, a changed one is not", async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/etag";
    const [client, ...clients] = server.clients(CLIENTS);
    if (client === undefined) throw new Error("no client");
    await client.put(path);
    for (let round = 0; round < 10; round++) {
      await client.post(`${path}/messages`, { message: say(String(round)) });
      const routes = ["", "/tail", "/messages", "/context"];
      const answers = await Promise.all(
        clients.map((client, at) => client.get(`${path}${routes[at % 4] ?? ""}`)),
      );
      const [etag, ...others] = new Set(answers.map(({ headers }) => headers.etag));
      expect(others, "one revision has one tag").toEqual([]);
      for (const route of routes) {
        const again = await client.get(`${path}${route}`, { "if-none-match": etag ?? "" });
        expect([again.status, again.text]).toEqual([304, ""]);
      }
      await client.send("PATCH", `${path}/metadata`, { metadata: { round } });
      expect((await client.get(path, { "if-none-match": etag ?? "" })).status).toBe(200);
    }
  });

  test("a tag that a write is answered with is that of the state that it is answered with", async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/tags";
    const [client, ...clients] = server.clients(CLIENTS);
    if (client === undefined) throw new Error("no client");
    await client.put(path);
    let present = 0;
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(
        clients.map((each, at) =>
          at % 3 === 0
            ? each.put(path, { token_budget: 1000 + round * CLIENTS + at })
            : each.send("PATCH", `${path}/metadata`, { metadata: { [at]: round } }),
        ),
      );
      const now = await client.get(path);
      for (const { status, headers, text } of answers) {
        expect(status).toBe(200);
        if (headers.etag !== now.headers.etag) continue;
        expect(text).toBe(now.text);
        present += 1;
      }
    }
    expect(present, "who changed the record last has its tag").toBe(20);
  });
});

/** One event, its version, and how many messages it appended. */
async function anyEvent(
  client: Client,
  path: string,
  who: number,
  turn: number,
): Promise<{ version: number; messages: number }> {
  const versionOf = (answer: Answer, status: number): number => {
    expect(answer.status).toBe(status);
    return answer.json<Appended>().version;
  };
  switch ((who + turn) % 6) {
    case 0: {
      const answer = await client.post(`${path}/compact`, { replacement: [say(`${who}-${turn}`)] });
      return { version: versionOf(answer, 200), messages: 0 };
    }
    case 1:
      return { version: versionOf(await client.post(`${path}/reset`, {}), 200), messages: 0 };
    case 2: {
      // No other PUT names this budget, so it is a change whenever it comes.
      const answer = await client.put(path, { token_budget: 1_000_000 + who * 100 + turn });
      return { version: versionOf(answer, 200), messages: 0 };
    }
    default: {
      const messages = Array.from({ length: 1 + (who % 3) }, (_, at) => say(`${who}-${turn}-${at}`));
      const answer = await client.post(`${path}/messages`, { messages });
      return { version: versionOf(answer, 201), messages: messages.length };
    }
  }
}

async function watchRecord(client: Client, path: string, running: () => boolean): Promise<Answer[]> {
  const records: Answer[] = [];
  while (running()) records.push(await client.get(path));
  return records;
}

/** The ETag grows with each change, and stays with each state. */
function expectGrowing(records: readonly Answer[]): void {
  for (const [at, record] of records.entries()) {
    const before = records[at - 1];
    if (before === undefined) continue;
    expect(record.revision).toBeGreaterThanOrEqual(before.revision);
    expect(record.json<Record>().version).toBeGreaterThanOrEqual(before.json<Record>().version);
    if (record.revision === before.revision) expect(record.text).toBe(before.text);
    else expect(record.text).not.toBe(before.text);
  }
}

/** Summary and live messages together stand for every seq from 1 on, and count what they hold. */
function expectComplete({ version, messages, segments, used_tokens }: Window, length: number): void {
  let next = 1;
  for (const { from_seq, to_seq } of segments) {
    expect(from_seq).toBe(next);
    next = to_seq + 1;
  }
  const summary = segments.find(({ type }) => type === "summary");
  const live = segments.find(({ type }) => type === "live");
  const seqs = messages.flatMap(({ seq }) => (seq === undefined ? [] : [seq]));
  const expected =
    live === undefined
      ? []
      : Array.from({ length: live.to_seq - live.from_seq + 1 }, (_, at) => live.from_seq + at);
  expect(seqs).toEqual(expected);
  expect(used_tokens).toBe(messages.length);
  if (summary !== undefined)
    expect(textOf(messages[0] ?? { role: "", parts: [], token_count: 0 })).toBe(`1 to ${summary.to_seq}`);
  expect(next - 1).toBeLessThanOrEqual(Math.min(version, length));
}

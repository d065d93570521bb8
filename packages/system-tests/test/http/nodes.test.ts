/** Two servers over one database: callers cannot tell which of them answers. */
import { describe, expect, test } from "vitest";
import { DURABLE_BACKENDS } from "./backends.js";
import {
  say,
  textOf,
  type Appended,
  type Client,
  type Log,
  type Record,
  type Refusal,
  type Window,
} from "./client.js";
import { expectDense, readLog } from "./history.js";
import { servePair } from "./serve.js";

/** At each of the two. */
const CLIENTS = 12;
const ROUNDS = 30;

interface Listed {
  readonly conversations: readonly Record[];
}

describe.each(DURABLE_BACKENDS)("two servers over one $name", { timeout: 120_000 }, (backend) => {
  test("let exactly one of many through at each version", async () => {
    await using pair = await servePair(backend);
    const [here, there] = pair.nodes;
    const path = "/v1/contexts/compare";
    const clients = pair.nodes.flatMap((node) => node.clients(CLIENTS));
    await here.connect().put(path);
    const revisions: number[] = [];
    for (let version = 0; version < ROUNDS; version++) {
      const answers = await Promise.all(
        clients.map((client, who) =>
          client.post(`${path}/messages`, { message: say(`${version}-${who}`), if_version: version }),
        ),
      );
      const winners = answers.flatMap((answer, who) => (answer.status === 201 ? [{ answer, who }] : []));
      expect(winners, `winners at version ${version}`).toHaveLength(1);
      for (const answer of answers) {
        if (answer.status === 201) continue;
        expect(answer.status, answer.text).toBe(409);
        expect(answer.json<Refusal>()).toMatchObject({ error: "conflict", version: version + 1 });
      }
      for (const { answer, who } of winners) {
        expect(answer.json<Appended>()).toMatchObject({ seq: version + 1, version: version + 1 });
        const reader = (who < CLIENTS ? there : here).connect();
        const tail = await reader.get(`${path}/tail?limit=1`);
        expect(tail.json<Log>().messages.map(textOf)).toEqual([`${version}-${who}`]);
        revisions.push(tail.revision);
      }
    }
    expect(revisions, "one commit for each winner").toEqual(revisions.map((_, at) => at + 2));
  });

  test("append to one conversation at once: all lands, once, in one order", async () => {
    await using pair = await servePair(backend);
    const [here, there] = pair.nodes;
    const path = "/v1/contexts/one";
    await here.connect().put(path, { token_budget: 1_000_000, policy: { strategy: "manual" } });
    const acks = await Promise.all(
      pair.nodes.flatMap((node, at) =>
        node.clients(CLIENTS).map(async (client, who) => {
          const mine: { readonly text: string; readonly ack: Appended }[] = [];
          for (let turn = 0; turn < ROUNDS; turn++) {
            const text = `${at}-${who}-${turn}`;
            const answer = await client.post(`${path}/messages`, { message: say(text) });
            expect(answer.status, answer.text).toBe(201);
            mine.push({ text, ack: answer.json<Appended>() });
          }
          return mine;
        }),
      ),
    );
    const logs = await Promise.all([here, there].map((node) => readLog(node.connect(), path)));
    const windows = await Promise.all(
      [here, there].map(async (node) => (await node.connect().get(`${path}/context`)).json<Window>()),
    );
    const [log = []] = logs;
    expectDense(log);
    expect(log).toHaveLength(2 * CLIENTS * ROUNDS);
    expect(logs[1]).toEqual(log);
    for (const { messages, version } of windows) {
      expect(messages).toEqual(log);
      expect(version).toBe(log.length);
    }
    for (const mine of acks) {
      for (const { text, ack } of mine) expect(log.map(textOf)[ack.seq - 1]).toBe(text);
      const seqs = mine.map(({ ack }) => ack.seq);
      expect(seqs, "one caller's messages are in its order").toEqual(seqs.toSorted((a, b) => a - b));
    }
  });

  test("create a conversation once, and take one content for a key", async () => {
    await using pair = await servePair(backend);
    const clients = pair.nodes.flatMap((node) => node.clients(CLIENTS));
    for (let round = 0; round < ROUNDS / 3; round++) {
      const path = `/v1/conversations/new-${round}`;
      const puts = await Promise.all(clients.map((client) => client.put(path)));
      expect(puts.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(puts.filter(({ status }) => status === 200)).toHaveLength(clients.length - 1);
      const appends = await Promise.all(
        clients.map((client) =>
          client.post(`${path}/messages`, { message: say("once"), idempotency_key: "k" }),
        ),
      );
      expect(appends.map(({ status }) => status)).toEqual(clients.map(() => 201));
      const results = appends.map((answer) => answer.json<Appended>());
      expect(new Set(results.map(({ seq }) => seq))).toEqual(new Set([1]));
      expect(results.filter(({ deduplicated }) => deduplicated !== true)).toHaveLength(1);
    }
  });

  test("show at once what the other one acknowledged", async () => {
    await using pair = await servePair(backend);
    const [here, there] = pair.nodes.map((node) => node.connect());
    if (here === undefined || there === undefined) throw new Error("there are no two");
    const path = "/v1/contexts/fresh";
    await here.put(path, { metadata: { turn: -1 } });
    for (let turn = 0; turn < ROUNDS; turn++) {
      const [writer, reader] = turn % 2 === 0 ? [here, there] : [there, here];
      const before = await reader.get(`${path}/context`);
      const append = await writer.post(`${path}/messages`, { message: say(`${turn}`) });
      const { seq, version } = append.json<Appended>();
      const unchanged = { "if-none-match": before.headers.etag ?? "" };
      // What is asked first is what a cache would answer: each gets its turn.
      const reads = [
        async () => expect((await reader.get(path)).json<Record>()).toMatchObject({ last_seq: seq, version }),
        async () => expect((await reader.get(`${path}/context`, unchanged)).status).toBe(200),
        async () => expect(await lastOf(reader, `${path}/context`)).toBe(`${turn}`),
        async () => expect(await lastOf(reader, `${path}/tail`)).toBe(`${turn}`),
        async () => expect(await lastOf(reader, `${path}/messages?from=${seq}`)).toBe(`${turn}`),
        async () => {
          const answer = await reader.post(`${path}/messages`, {
            message: say("no"),
            if_version: version - 1,
          });
          expect(answer.json<Refusal>()).toMatchObject({ error: "conflict", version });
        },
      ];
      for (const [at] of reads.entries()) await reads[(turn + at) % reads.length]?.();
      await writer.send("PATCH", `${path}/metadata`, { metadata: { turn } });
      const listed = (await reader.get(`/v1/conversations?metadata.turn=${turn}`)).json<Listed>();
      expect(listed.conversations).toMatchObject([{ id: "fresh", metadata: { turn } }]);
      expect((await reader.get(path)).json<Record>().metadata).toEqual({ turn });
      if (turn % 5 !== 4) continue;
      await writer.post(`${path}/compact`, { replacement: [say(`sum ${turn}`)] });
      expect(await lastOf(reader, `${path}/context`)).toBe(`sum ${turn}`);
    }
  });

  test("know at once of ends and beginnings at the other one", async () => {
    await using pair = await servePair(backend);
    const [here, there] = pair.nodes.map((node) => node.connect());
    if (here === undefined || there === undefined) throw new Error("there are no two");
    for (let turn = 0; turn < ROUNDS / 3; turn++) {
      const [writer, reader] = turn % 2 === 0 ? [here, there] : [there, here];
      const path = `/v1/contexts/ends-${turn % 3}`;
      expect((await reader.get(path)).status).toBe(404);
      expect((await writer.put(path)).status).toBe(201);
      expect((await reader.post(`${path}/messages`, { message: say(`${turn}`) })).json<Appended>().seq).toBe(
        1,
      );
      await writer.delete(path);
      expect((await reader.post(`${path}/messages`, { message: say("late") })).status).toBe(410);
      await reader.delete(`${path}?purge=true`);
      for (const client of [writer, reader]) {
        expect((await client.get(`${path}/messages`)).status).toBe(404);
        expect((await client.get(`${path}/context`)).status).toBe(404);
        expect((await client.get("/v1/conversations")).json<Listed>().conversations).toEqual([]);
      }
    }
  });
});

/** The text of the last message that a route shows. */
async function lastOf(client: Client, route: string): Promise<string> {
  const last = (await client.get(route)).json<Log>().messages.at(-1);
  if (last === undefined) throw new Error(`${route} shows nothing`);
  return textOf(last);
}

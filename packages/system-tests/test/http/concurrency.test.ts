import { describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import {
  say,
  textOf,
  type Appended,
  type Client,
  type Log,
  type Message,
  type Refusal,
  type Window,
} from "./client.js";
import { expectDense, readLog, Reader } from "./history.js";
import { serve } from "./serve.js";

const CLIENTS = 64;
/** Keeps every message in the window, so that the window is the log. */
const KEEP_ALL = { token_budget: 1_000_000, policy: { strategy: "manual" } };

describe.each(BACKENDS)("concurrent appends over $name", { timeout: 60_000 }, (backend) => {
  test("to one conversation all land, once, in one order that every reader sees", async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/one";
    const [first, ...rest] = server.clients(CLIENTS + 4);
    await first?.put(path, KEEP_ALL);
    const clients = rest.slice(3);
    const each = 20;
    let acknowledged = 0;
    let running = true;
    const readers = rest.slice(0, 3).map((client) => new Reader(client, path, () => acknowledged));
    const reading = readers.map((reader) => reader.readWhile(() => running));

    const acks = await Promise.all(
      clients.map(async (client, who) => {
        const mine: { readonly text: string; readonly ack: Appended }[] = [];
        for (let turn = 0; turn < each; turn++) {
          const text = `${who}-${turn}`;
          const answer = await client.post(`${path}/messages`, { message: say(text) });
          expect(answer.status).toBe(201);
          const ack = answer.json<Appended>();
          acknowledged = Math.max(acknowledged, ack.seq);
          mine.push({ text, ack });
        }
        return mine;
      }),
    );
    running = false;
    await Promise.all(reading);

    const log = await readLog(clientOf(clients), path);
    expectDense(log);
    expect(log).toHaveLength(clients.length * each);
    for (const mine of acks) {
      for (const { text, ack } of mine) {
        const stored = log[ack.seq - 1];
        expect(stored && textOf(stored)).toBe(text);
        expect(stored?.version).toBe(ack.version);
      }
      const seqs = mine.map(({ ack }) => ack.seq);
      expect(seqs, "one caller's messages are in the order it sent them").toEqual(
        seqs.toSorted((a, b) => a - b),
      );
    }
    for (const reader of readers) reader.expectPrefixesOf(log);
    await expectAgreement(clientOf(clients), path, log);
  });

  test("to many conversations at once keep to their own conversation", async () => {
    await using server = await serve(backend);
    const clients = server.clients(CLIENTS);
    const paths = clients.map((_, at) => `/v1/conversations/many-${at}`);
    await Promise.all(clients.map((client, at) => client.put(paths[at] ?? "")));
    await Promise.all(
      clients.map(async (client, who) => {
        for (let turn = 0; turn < paths.length; turn++) {
          const path = paths[(who + turn) % paths.length] ?? "";
          const answer = await client.post(`${path}/messages`, { message: say(`${path} ${who}`) });
          expect(answer.status).toBe(201);
        }
      }),
    );
    await Promise.all(
      clients.map(async (client, at) => {
        const path = paths[at] ?? "";
        const log = await readLog(client, path);
        expectDense(log);
        expect(log.map(textOf).sort()).toEqual(clients.map((_, who) => `${path} ${who}`).sort());
      }),
    );
  });

  test("of several messages land together or not at all, while others go on between them", async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/batches";
    const [watcher, ...clients] = server.clients(CLIENTS + 1);
    await watcher?.put(path, KEEP_ALL);
    let running = true;
    const snapshots: Log[] = [];
    const watch = async (): Promise<void> => {
      do {
        const answer = await watcher?.get(`${path}/context`);
        if (answer !== undefined) snapshots.push(answer.json<Log>());
      } while (running);
    };
    const watching = watch();
    await Promise.all(
      clients.map(async (client, who) => {
        for (let turn = 0; turn < 5; turn++) {
          const size = 1 + ((who + turn) % 7);
          const messages = Array.from({ length: size }, (_, at) => say(`${who}-${turn}/${at}/${size}`));
          // The last of a refused batch is what is wrong with it.
          const broken = await client.post(`${path}/messages`, { messages: [...messages, { role: "user" }] });
          expect(broken.json<Refusal>()).toMatchObject({
            error: "invalid_request",
            field: `messages[${size}].parts`,
          });
          const answer = await client.post(`${path}/messages`, { messages });
          expect(answer.status).toBe(201);
        }
      }),
    );
    running = false;
    await watching;

    const log = await readLog(clientOf(clients), path);
    expectDense(log);
    expect(new Set(log.map(textOf)).size).toBe(log.length);
    for (const { messages } of [...snapshots, { messages: log }]) expectWholeBatches(messages);
    expect(log.filter((message) => textOf(message).split("/")[1] === "0")).toHaveLength(CLIENTS * 5);
  });

  test("if_version lets exactly one of many through", async () => {
    await using server = await serve(backend);
    const path = "/v1/conversations/compare";
    const clients = server.clients(CLIENTS);
    await clientOf(clients).put(path);
    const rounds = 100;
    for (let version = 0; version < rounds; version++) {
      const answers = await Promise.all(
        clients.map((client, who) =>
          client.post(`${path}/messages`, { message: say(`${version}-${who}`), if_version: version }),
        ),
      );
      const winners = answers.filter(({ status }) => status === 201);
      expect(winners).toHaveLength(1);
      expect(winners[0]?.json<Appended>()).toMatchObject({ seq: version + 1, version: version + 1 });
      for (const answer of answers) {
        if (answer.status === 201) continue;
        expect(answer.status).toBe(409);
        expect(answer.json<Refusal>()).toMatchObject({
          error: "conflict",
          field: "if_version",
          version: version + 1,
        });
      }
    }
    expect(await readLog(clientOf(clients), path)).toHaveLength(rounds);
  });

  test("a loop of compare and set increments exactly as often as it succeeds", async () => {
    await using server = await serve(backend);
    const path = "/v1/contexts/counter";
    const clients = server.clients(CLIENTS);
    await clientOf(clients).put(path);
    const each = 4;
    await Promise.all(
      clients.map(async (client) => {
        let version = 0;
        let count = 0;
        for (let done = 0; done < each;) {
          const answer = await client.post(`${path}/messages`, {
            message: say(String(count + 1)),
            if_version: version,
          });
          if (answer.status === 201) {
            done += 1;
            ({ version } = answer.json<Appended>());
            count += 1;
            continue;
          }
          expect(answer.status).toBe(409);
          // The counter is the newest message: read it, and try from there.
          const tail = (await client.get(`${path}/tail?limit=1`)).json<Log>();
          version = tail.version;
          count = Number(tail.messages[0] === undefined ? 0 : textOf(tail.messages[0]));
        }
      }),
    );
    const log = await readLog(clientOf(clients), path);
    expect(log.map(textOf)).toEqual(Array.from({ length: CLIENTS * each }, (_, at) => String(at + 1)));
  });
});

function clientOf(clients: readonly Client[]): Client {
  const [client] = clients;
  if (client === undefined) throw new Error("no client");
  return client;
}

/** Replay, tail and window of a context that keeps everything show the same messages. */
async function expectAgreement(client: Client, path: string, log: readonly Message[]): Promise<void> {
  const window = (await client.get(`${path}/context`)).json<Window>();
  expect(window.messages).toEqual(log);
  expect(window.version).toBe(log.length);
  const tail = (await client.get(`${path}/tail?offset=10&limit=300`)).json<Log>();
  expect(tail.messages).toEqual(log.slice(-310, -10));
  const page = (await client.get(`${path}/messages?from=101&limit=50`)).json<Log>();
  expect(page.messages).toEqual(log.slice(100, 150));
  expect(page.version, "where a stream resumes behind the page").toBe(log[149]?.version);
}

/** Texts are `batch/position/size`: from a batch's first message on, the rest of it follows. */
function expectWholeBatches(messages: readonly Message[]): void {
  for (let at = 0; at < messages.length;) {
    const [batch, position, size] = textOf(messages[at] ?? { role: "", parts: [], token_count: 0 }).split(
      "/",
    );
    expect(position, "a batch begins with its first message").toBe("0");
    const expected = Array.from({ length: Number(size) }, (_, place) => `${batch}/${place}/${size}`);
    expect(messages.slice(at, at + Number(size)).map(textOf)).toEqual(expected);
    at += Number(size);
  }
}

import { describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.js";
import { say, textOf, type Answer, type Appended, type Refusal } from "./client.js";
import { readLog } from "./history.js";
import { serve } from "./serve.js";

const CLIENTS = 64;

describe.each(BACKENDS)(
  "concurrent appends with one idempotency key over $name",
  { timeout: 60_000 },
  (backend) => {
    test("make one message and one answer", async () => {
      await using server = await serve(backend);
      const path = "/v1/contexts/keys";
      const [client, ...others] = server.clients(CLIENTS);
      if (client === undefined) throw new Error("no client");
      await client.put(path);
      const rounds = 40;
      for (let round = 0; round < rounds; round++) {
        const key = `key-${round}`;
        const answers = await Promise.all(
          [client, ...others].map((client, who) =>
            // Half of them name the key in a header, half in the body.
            who % 2 === 0
              ? client.post(`${path}/messages`, { message: say(key) }, { "idempotency-key": key })
              : client.post(`${path}/messages`, { message: say(key), idempotency_key: key }),
          ),
        );
        expectOneAppend(answers, round + 1);
        const other = await client.post(`${path}/messages`, { message: say("other"), idempotency_key: key });
        expect(other.status).toBe(422);
        expect(other.json<Refusal>().error).toBe("idempotency_key_reused");
      }
      const log = await readLog(client, path);
      expect(log.map(textOf)).toEqual(Array.from({ length: rounds }, (_, round) => `key-${round}`));
    });

    test("of two contents take one, and refuse the other", async () => {
      await using server = await serve(backend);
      const path = "/v1/conversations/contents";
      const clients = server.clients(CLIENTS);
      await clients[0]?.put(path);
      const rounds = 20;
      for (let round = 0; round < rounds; round++) {
        const contents = ["left", "right"].map((side) => [
          say(`${round} ${side}`),
          say(`${round} ${side} too`),
        ]);
        const answers = await Promise.all(
          clients.map((client, who) =>
            client.post(`${path}/messages`, { messages: contents[who % 2], idempotency_key: `key-${round}` }),
          ),
        );
        const taken = answers[0]?.status === 201 ? 0 : 1;
        expectOneAppend(
          answers.filter((_, who) => who % 2 === taken),
          2 * round + 2,
        );
        for (const [who, { status }] of answers.entries()) if (who % 2 !== taken) expect(status).toBe(422);
      }
      const reader = server.connect();
      expect(await readLog(reader, path)).toHaveLength(2 * rounds);
    });

    test("are answered before version and tombstone are looked at", async () => {
      await using server = await serve(backend);
      const path = "/v1/conversations/before";
      const clients = server.clients(CLIENTS);
      const [client] = clients;
      if (client === undefined) throw new Error("no client");
      await client.put(path);
      const body = { message: say("once"), if_version: 0, idempotency_key: "key" };
      const first = (await client.post(`${path}/messages`, body)).json<Appended>();
      await client.post(`${path}/messages`, { message: say("later") });

      const racing = [
        ...clients.slice(1).map((client) => client.post(`${path}/messages`, body)),
        client.delete(path).then(() => client.post(`${path}/messages`, body)),
      ];
      for (const answer of await Promise.all(racing)) {
        expect(answer.status).toBe(201);
        expect(answer.json<Appended>()).toEqual({ ...first, deduplicated: true });
      }
      const unkeyed = await client.post(`${path}/messages`, { message: say("late") });
      expect(unkeyed.status).toBe(410);
    });

    test("are fresh again in the life after a purge", async () => {
      await using server = await serve(backend);
      const path = "/v1/conversations/lives";
      const clients = server.clients(CLIENTS);
      for (let life = 0; life < 5; life++) {
        await clients[0]?.put(path);
        const answers = await Promise.all(
          clients.map((client) =>
            client.post(`${path}/messages`, { message: say(String(life)), idempotency_key: "key" }),
          ),
        );
        expectOneAppend(answers, 1);
        expect((await clients[0]?.delete(`${path}?purge=true`))?.status).toBe(204);
      }
    });
  },
);

function expectOneAppend(answers: readonly Answer[], seq: number): void {
  const results = answers.map((answer) => {
    expect(answer.status).toBe(201);
    return answer.json<Appended>();
  });
  expect(results.filter(({ deduplicated }) => deduplicated === undefined)).toHaveLength(1);
  for (const result of results)
    expect(result).toMatchObject({ seq, version: seq, token_count: 1, token_estimate: 1 });
}

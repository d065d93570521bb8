import { describe, expect, test } from "vitest";
import { overriding } from "../drivers.js";
import { BACKENDS } from "./backends.js";
import { say, textOf, type Answer, type Appended, type Log, type Record, type Refusal } from "./client.js";
import { expectDense, readLog } from "./history.js";
import { serve } from "./serve.js";

const CLIENTS = 64;

describe.each(BACKENDS)(
  "the ends and beginnings of a conversation over $name",
  { timeout: 60_000 },
  (backend) => {
    test("many PUTs at once create it once", async () => {
      await using server = await serve(backend);
      const clients = server.clients(CLIENTS);
      for (let round = 0; round < 20; round++) {
        const answers = await Promise.all(
          clients.map((client, who) =>
            client.put(`/v1/${who % 2 === 0 ? "contexts" : "conversations"}/new-${round}`, {
              metadata: { who },
            }),
          ),
        );
        // A context's first PUT adds the window, so there are at most two beginnings: the log's and the window's.
        const created = answers.map(({ status }) => status === 201);
        expect(answers.every(({ status }) => status === 200 || status === 201)).toBe(true);
        expect(created.filter((first, who) => first && who % 2 === 0)).toHaveLength(1);
        expect(created.filter(Boolean).length).toBeLessThanOrEqual(2);
      }
    });

    test("a tombstone is final under racing appends", async () => {
      await using server = await serve(backend);
      const [closer, ...clients] = server.clients(CLIENTS + 1);
      if (closer === undefined) throw new Error("no client");
      for (let round = 0; round < 10; round++) {
        const path = `/v1/contexts/closing-${round}`;
        await closer.put(path);
        let acknowledged = 0;
        let closed = false;
        const enough = Promise.withResolvers<void>();
        const appending = clients.map(async (client, who) => {
          const mine: { readonly text: string; readonly ack: Appended }[] = [];
          for (let turn = 0; ; turn++) {
            const text = `${who}-${turn}`;
            const late = closed;
            const answer = await client.post(`${path}/messages`, { message: say(text) });
            if (answer.status === 410) {
              expect(answer.json<Refusal>().error).toBe("tombstoned");
              expect((await client.post(`${path}/messages`, { message: say(text) })).status).toBe(410);
              return mine;
            }
            expect(answer.status).toBe(201);
            expect(late, "an append that began after the tombstone was acknowledged").toBe(false);
            mine.push({ text, ack: answer.json<Appended>() });
            acknowledged += 1;
            if (acknowledged === 20 * (round + 1)) enough.resolve();
          }
        });
        await enough.promise;
        expect((await closer.delete(path)).status).toBe(204);
        closed = true;
        const acks = (await Promise.all(appending)).flat();

        const log = await readLog(closer, path);
        expectDense(log);
        expect(log).toHaveLength(acks.length);
        for (const { text, ack } of acks) expect(textOf(log[ack.seq - 1] ?? neverStored)).toBe(text);
        await expectClosed(round, (method, route, body) => closer.send(method, `${path}${route}`, body));
        expect((await closer.delete(path)).status, "again").toBe(204);
        expect((await closer.get(path)).json<Record>()).toMatchObject({
          tombstoned: true,
          last_seq: log.length,
        });
      }
    });

    test("a purge and a new beginning under racing appends mix no two lives", async () => {
      /** The life that each revision is of. */
      const lives: number[] = [];
      await using server = await serve(backend, {
        wrap: (driver) =>
          overriding(driver, {
            commit: async (commits) => {
              const outcomes = await driver.commit(commits);
              for (const [at, { head }] of commits.entries())
                if (outcomes[at]?.status === "committed") lives[head.revision] = head.life;
              return outcomes;
            },
          }),
      });
      const path = "/v1/contexts/reborn";
      const [ruler, ...others] = server.clients(CLIENTS + 4);
      if (ruler === undefined) throw new Error("no client");
      const readers = others.slice(0, 3);
      const clients = others.slice(3);
      const manual = { token_budget: 1_000_000, policy: { strategy: "manual" } };
      const snapshots: Answer[] = [];
      const acks: { readonly text: string; readonly seq: number }[] = [];
      let running = true;
      let wanted = { count: Infinity, reached: Promise.withResolvers<void>() };

      const appending = clients.map(async (client, who) => {
        for (let turn = 0; running; turn++) {
          const text = `${who}-${turn}`;
          const answer = await client.post(`${path}/messages`, { message: say(text) });
          expect([201, 404]).toContain(answer.status);
          if (answer.status !== 201) continue;
          acks.push({ text, seq: answer.json<Appended>().seq });
          if (acks.length >= wanted.count) wanted.reached.resolve();
        }
      });
      const reading = readers.map(async (client, who) => {
        while (running) {
          const answer = await client.get(`${path}/${who === 0 ? "context" : "messages?limit=1000"}`);
          expect([200, 404]).toContain(answer.status);
          if (answer.status === 200) snapshots.push(answer);
        }
      });
      for (let life = 0; life < 12; life++) {
        wanted = { count: acks.length + 100, reached: Promise.withResolvers<void>() };
        const begun = await ruler.put(path, { ...manual, metadata: { life } });
        expect(begun.status).toBe(201);
        expect(begun.json<Record>()).toMatchObject({ version: 0, last_seq: 0, metadata: { life } });
        await wanted.reached.promise;
        expect((await ruler.delete(`${path}?purge=true`)).status).toBe(204);
      }
      running = false;
      await Promise.all([...appending, ...reading]);

      const committed = lives.slice(1);
      expect(committed, "revisions go on through purges").toEqual(committed.toSorted((a, b) => a - b));
      expect(new Set(committed).size).toBe(12);
      const lifeOf = new Map<string, number>();
      const places = new Map<string, number>();
      expect(snapshots.length).toBeGreaterThan(0);
      for (const snapshot of snapshots) {
        const life = lives[snapshot.revision];
        if (life === undefined) throw new Error(`nobody has committed revision ${snapshot.revision}`);
        const { messages } = snapshot.json<Log>();
        expectDense(messages);
        for (const [at, message] of messages.entries()) {
          const text = textOf(message);
          expect(lifeOf.get(text) ?? life, `${text} is in one life`).toBe(life);
          expect(places.get(text) ?? at, `${text} keeps its place`).toBe(at);
          lifeOf.set(text, life);
          places.set(text, at);
        }
      }
      for (const { text, seq } of acks) expect(places.get(text) ?? seq - 1).toBe(seq - 1);

      // Nothing of the twelve lives is left.
      expect((await ruler.get(path)).status).toBe(404);
      expect((await ruler.put(path, manual)).json<Record>()).toMatchObject({
        version: 0,
        last_seq: 0,
        metadata: {},
      });
      expect((await ruler.get(`${path}/messages`)).json<Log>()).toMatchObject({ messages: [], version: 0 });
      expect((await ruler.get(`${path}/context`)).json<Log>()).toMatchObject({ messages: [], segments: [] });
    });
  },
);

const neverStored = { role: "", parts: [], token_count: 0 };

/** What changes a tombstoned conversation is refused; what reads it is not. */
async function expectClosed(
  round: number,
  send: (method: string, route: string, body?: unknown) => Promise<Answer>,
): Promise<void> {
  const writes: readonly [string, string, unknown][] = [
    ["PUT", "", { token_budget: 100 + round }],
    ["PATCH", "/metadata", { metadata: { a: 1 } }],
    ["POST", "/compact", { replacement: [say("all of it")] }],
    ["POST", "/reset", {}],
  ];
  for (const [method, route, body] of writes) expect((await send(method, route, body)).status).toBe(410);
  for (const route of ["", "/messages", "/tail", "/context"])
    expect((await send("GET", route)).status).toBe(200);
}

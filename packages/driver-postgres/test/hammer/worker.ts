// One process of the hammer: commits to few conversations as fast as it can, and remembers what it was told.
import { randomInt, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { Commit, CommitOutcome, Driver, Head, KeyRecord, Mark, StoredMessage } from "@fastpaca/core";
import { openPostgres } from "@fastpaca/driver-postgres";
import type { Told } from "./verify.ts";

const CONVERSATIONS = 30;
const LOOPS = 4;
const MAX_BATCH = 20;

const [url = "", seconds = "1", file = ""] = process.argv.slice(2);
const told: Told = { won: [], refused: 0, duplicates: 0, unknown: 0, errors: [], purges: 0 };

const driver = await openPostgres({ url });
const until = performance.now() + Number(seconds) * 1000;
await Promise.all(Array.from({ length: LOOPS }, () => loop(driver)));
await driver.close();
writeFileSync(file, JSON.stringify(told));

async function loop(driver: Driver): Promise<void> {
  while (performance.now() < until) {
    // As often one commit alone as several.
    const length = randomInt(2) === 0 ? 1 : randomInt(2, MAX_BATCH);
    const ids = [...new Set(Array.from({ length }, () => `c${randomInt(CONVERSATIONS)}`))];
    try {
      const heads = await driver.heads(ids);
      const commits = ids.map((id, index) => step(id, heads[index]));
      const outcomes = await driver.commit(commits);
      for (const [index, outcome] of outcomes.entries()) note(commits[index] as Commit, outcome);
    } catch (error) {
      told.errors.push(String(error));
    }
  }
}

function step(id: string, head: Head | undefined): Commit {
  // Now and then on a revision that is long gone.
  const base = Math.max(0, (head?.revision ?? 0) - (randomInt(20) === 0 ? 1 : 0));
  const token = randomUUID();
  if (head !== undefined && !head.purged && randomInt(200) === 0) return purge(head, base, token);
  const fresh = head === undefined || head.purged;
  const life = head === undefined ? 1 : head.life + (head.purged ? 1 : 0);
  const [version, lastSeq] = fresh ? [0, 0] : [head.version, head.lastSeq];
  const messages = Array.from({ length: randomInt(3) }, (_, index): StoredMessage => ({
    seq: lastSeq + index + 1,
    version: version + index + 1,
    tokens: 1,
    insertedAt: Date.now(),
    body: JSON.stringify({ token, life }),
  }));
  const last = version + messages.length;
  const marks: Mark[] =
    randomInt(10) === 0 ? [{ version: last + 1, kind: "reset", at: 1, body: JSON.stringify(token) }] : [];
  const keys: KeyRecord[] = Array.from(
    new Set(Array.from({ length: randomInt(1, 3) }, () => randomInt(400))),
  ).map((key) => ({
    key: `k${key}`,
    hash: token,
    firstSeq: lastSeq + 1,
    lastSeq: lastSeq + messages.length,
    version: last,
    tokens: 1,
  }));
  return {
    id,
    base,
    head: {
      id,
      revision: base + 1,
      life,
      version: last + marks.length,
      lastSeq: lastSeq + messages.length,
      firstSeq: 1,
      archivedSeq: 0,
      tombstoned: false,
      purged: false,
      metadata: "{}",
      labels: [],
      createdAt: 1,
      updatedAt: Date.now(),
      state: token,
    },
    messages,
    marks,
    keys: randomInt(2) === 0 ? keys : [],
  };
}

function purge(head: Head, base: number, token: string): Commit {
  const erased = { version: 0, lastSeq: 0, firstSeq: 1, metadata: "{}", labels: [], state: token };
  return {
    id: head.id,
    base,
    head: { ...head, ...erased, revision: base + 1, purged: true },
    messages: [],
    marks: [],
    keys: [],
  };
}

function note(commit: Commit, outcome: CommitOutcome): void {
  const { id, base, head, messages, marks, keys } = commit;
  if (outcome.status === "committed") {
    told.won.push({
      id,
      revision: base + 1,
      life: head.life,
      purged: head.purged,
      token: head.state,
      seqs: messages.map(({ seq }) => seq),
      marks: marks.map(({ version }) => version),
      keys: keys.map(({ key }) => key),
    });
    if (head.purged) told.purges += 1;
  } else if (outcome.status === "conflict") {
    told.refused += 1;
    if (outcome.head?.revision === base) told.errors.push(`${id}: a conflict with its own base ${base}`);
  } else if (outcome.status === "duplicate") {
    told.duplicates += 1;
    if (!outcome.held.some(({ key }) => keys.some((own) => own.key === key)))
      told.errors.push(`${id}: a key is held that was not asked for`);
  } else told.unknown += 1;
}

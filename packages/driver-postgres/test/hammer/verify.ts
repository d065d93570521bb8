import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openPostgres } from "@fastpaca/driver-postgres";

/** A commit that a process was told is applied. */
export interface Won {
  readonly id: string;
  readonly revision: number;
  readonly life: number;
  readonly purged: boolean;
  readonly token: string;
  readonly seqs: readonly number[];
  readonly marks: readonly number[];
  readonly keys: readonly string[];
}

/** What a process was told. */
export interface Told {
  readonly won: Won[];
  refused: number;
  duplicates: number;
  unknown: number;
  readonly errors: string[];
  purges: number;
}

export interface Hammered {
  readonly commits: number;
  readonly refused: number;
  readonly duplicates: number;
  readonly purges: number;
  /** What contradicts the promises; empty. */
  readonly anomalies: readonly string[];
}

/** Lets several processes commit to the same conversations, and compares what they were told with what is stored. */
export async function hammer(url: string, processes: number, seconds: number): Promise<Hammered> {
  const folder = await mkdtemp(join(tmpdir(), "fastpaca-hammer-"));
  try {
    const worker = fileURLToPath(new URL("worker.ts", import.meta.url));
    const told = await Promise.all(
      Array.from({ length: processes }, async (_, index): Promise<Told> => {
        const file = join(folder, `${index}.json`);
        const child = fork(worker, [url, String(seconds), file], {
          execArgv: [],
          timeout: (seconds + 60) * 1000,
        });
        const [code] = (await once(child, "exit")) as [number | null];
        if (code !== 0) throw new Error(`a process of the hammer ended with ${code}`);
        return JSON.parse(await readFile(file, "utf8")) as Told;
      }),
    );
    const sum = (count: (each: Told) => number): number =>
      told.reduce((total, each) => total + count(each), 0);
    const anomalies = told.flatMap(({ errors }) => errors);
    if (sum(({ unknown }) => unknown) > 0) anomalies.push("outcomes are unknown");
    anomalies.push(
      ...(await compare(
        url,
        told.flatMap(({ won }) => won),
      )),
    );
    return {
      commits: sum(({ won }) => won.length),
      refused: sum(({ refused }) => refused),
      duplicates: sum(({ duplicates }) => duplicates),
      purges: sum(({ purges }) => purges),
      anomalies,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(url: string, won: readonly Won[]): Promise<string[]> {
  const anomalies: string[] = [];
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (a !== b) anomalies.push(`${what}: ${a.slice(0, 300)} instead of ${b.slice(0, 300)}`);
  };
  const driver = await openPostgres({ url });
  try {
    for (const [id, commits] of Map.groupBy(won, ({ id }) => id)) {
      const inOrder = commits.toSorted((a, b) => a.revision - b.revision);
      const revisions = inOrder.map(({ revision }) => revision);
      expect(
        `${id}: revisions`,
        revisions,
        revisions.map((_, index) => index + 1),
      );
      const last = inOrder.at(-1);
      const [head] = await driver.heads([id]);
      expect(`${id}: head`, [head?.revision, head?.state], [last?.revision, last?.token]);
      const lastPurge = inOrder.findLast(({ purged }) => purged)?.revision ?? 0;
      const present = inOrder.filter(({ revision }) => revision > lastPurge);
      const stored = await driver.messages(id, 1, Number.MAX_SAFE_INTEGER);
      expect(
        `${id}: messages`,
        stored.map(({ seq, body }) => [seq, (JSON.parse(body) as { token: string }).token]),
        present.flatMap(({ seqs, token }) => seqs.map((seq) => [seq, token])),
      );
      expect(
        `${id}: seqs`,
        stored.map(({ seq }) => seq),
        stored.map((_, index) => index + 1),
      );
      const marks = await driver.marks(id, 0, 1_000_000);
      expect(
        `${id}: marks`,
        marks.map(({ version, body }) => [version, JSON.parse(body)]),
        present.flatMap(({ marks, token }) => marks.map((version) => [version, token])),
      );
      const keys = present.flatMap((commit) => commit.keys.map((key) => [key, commit.token]));
      expect(`${id}: a key that was won twice`, new Set(keys.map(([key]) => key)).size, keys.length);
      const records = await driver.keys(
        id,
        keys.map(([key = ""]) => key),
      );
      expect(
        `${id}: keys`,
        records.map(({ key, hash }) => `${key} ${hash}`).toSorted(),
        keys.map((pair) => pair.join(" ")).toSorted(),
      );
    }
  } finally {
    await driver.close();
  }
  return anomalies;
}

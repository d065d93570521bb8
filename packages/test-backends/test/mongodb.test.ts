import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { mongoOrSkip, startMongo, withDatabase, type MongoServer } from "../src/mongodb.js";

const found = await mongoOrSkip();
afterAll(() => found?.stop());
const server = found as MongoServer;

async function connect(url: string): Promise<MongoClient> {
  const client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 10_000 });
  onTestFinished(() => client.close());
  return client;
}

describe.skipIf(found === undefined)("a MongoDB server for tests", () => {
  test("takes and gives documents of many megabytes", async () => {
    const things = (await connect((await server.createDatabase()).url)).db().collection("things");
    const text = "x".repeat(15 * 1024 * 1024);
    await things.insertMany([{ text }, { text }]);
    expect((await things.find().toArray()).map((thing) => thing["text"] === text)).toEqual([true, true]);
  }, 60_000);

  test("gives each caller a database of its own, by both URLs, and drops it", async () => {
    const [one, other] = await Promise.all([server.createDatabase(), server.createDatabase()]);
    expect(one.name).not.toBe(other.name);
    await (await connect(one.url)).db().collection("things").insertOne({ thing: 1 });
    expect(await (await connect(one.tcpUrl)).db().collection("things").countDocuments()).toBe(1);
    expect(await (await connect(other.url)).db().collection("things").countDocuments()).toBe(0);
    await one.drop();
    await one.drop();
    expect(await (await connect(one.url)).db().collection("things").countDocuments()).toBe(0);
  });
});

describe.skipIf(found?.kill === undefined)("a MongoDB server that this process started", () => {
  test("is killed without warning and comes back with what it acknowledged, under the same URLs", async () => {
    const own = await startMongo();
    onTestFinished(() => own.stop());
    const { url, tcpUrl } = await own.createDatabase();
    const things = (await connect(url)).db().collection("things");
    await things.insertOne({ thing: 1 }, { writeConcern: { w: 1, j: true } });
    await own.kill?.();
    await expect(MongoClient.connect(url, { serverSelectionTimeoutMS: 200 })).rejects.toThrow();
    await own.restart?.();
    expect(await (await connect(url)).db().collection("things").countDocuments()).toBe(1);
    expect(await (await connect(tcpUrl)).db().collection("things").countDocuments()).toBe(1);
  });

  test("leaves nothing behind when it is stopped", async () => {
    const folder = temporaryFolder();
    const own = await startMongo();
    const { tcpUrl } = await own.createDatabase();
    expect(readdirSync(folder)).toHaveLength(1);
    await own.stop();
    await own.stop();
    expect(readdirSync(folder)).toEqual([]);
    await expect(MongoClient.connect(tcpUrl, { serverSelectionTimeoutMS: 200 })).rejects.toThrow();
  });

  test("does not outlive a test process that is killed", async () => {
    const folder = temporaryFolder();
    const program = `
      const { startMongo } = await import(${JSON.stringify(new URL("../dist/mongodb.js", import.meta.url))});
      console.log((await (await startMongo()).createDatabase()).tcpUrl);
      setInterval(() => undefined, 1000);`;
    const tests = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const url = await new Promise<string>((resolve) =>
      tests.stdout.once("data", (text: Buffer) => resolve(text.toString().trim())),
    );
    await (await connect(url)).db().command({ ping: 1 });
    tests.kill("SIGKILL");
    await expect.poll(async () => reachable(url), { timeout: 10_000 }).toBe(false);
    await expect.poll(() => readdirSync(folder)).toEqual([]);
  });
});

describe("finding a MongoDB server for tests", () => {
  test("takes the one that the environment names, before all others", async () => {
    environment("FASTPACA_TEST_MONGODB_URL", "mongodb://someone:secret@example.invalid/?tls=true");
    const given = await startMongo();
    expect(given.kind).toBe("given");
    expect(given.kill).toBeUndefined();
    const { name, url } = await given.createDatabase();
    expect(url).toBe(`mongodb://someone:secret@example.invalid/${name}?tls=true&authSource=admin`);
  });

  test("puts a database into any URL, and keeps where the user logs in", () => {
    expect(withDatabase("mongodb://h", "d")).toBe("mongodb://h/d");
    expect(withDatabase("mongodb://h:1,i:2/old?w=1", "d")).toBe("mongodb://h:1,i:2/d?w=1");
    expect(withDatabase("mongodb://u:p@h/old", "d")).toBe("mongodb://u:p@h/d?authSource=old");
    expect(withDatabase("mongodb://%2Ftmp%2Fs.sock/", "d")).toBe("mongodb://%2Ftmp%2Fs.sock/d");
  });
});

/** Makes servers that this test starts keep their data in a folder that nobody else uses. */
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fpt-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  environment("TMPDIR", folder);
  return folder;
}

async function reachable(url: string): Promise<boolean> {
  try {
    await (await MongoClient.connect(url, { serverSelectionTimeoutMS: 200 })).close();
    return true;
  } catch {
    return false;
  }
}

function environment(name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  onTestFinished(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

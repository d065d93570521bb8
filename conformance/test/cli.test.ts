import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { Report } from "../src/report/report.js";
import { conformance, emptyFolder, replayArguments, start, subjectFolder } from "./command.js";

// Every test starts processes, some of them several.
vi.setConfig({ testTimeout: 240_000 });

const SELECTION = ["--only", "CAS-2,CAS-3"];

function readReport(folder: string, file = "out.json"): Report {
  return JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Report;
}

describe("exit codes and replays", () => {
  test("a driver that is right ends with 0, and reports are written", async () => {
    const folder = subjectFolder();
    const reports = ["out.json", "out.md", "out.html", "out.svg"].flatMap((file) => ["--report", file]);
    const { code, stdout, stderr } = await conformance(["./right.js", ...SELECTION, ...reports], folder);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^CAS-2 +passed/m);
    const report = readReport(folder);
    expect(report).toMatchObject({ format: 1, passed: true, failures: [], subject: { name: "small" } });
    expect(report.subject.limits).toEqual({ maxCommitBytes: 4 * 1024 * 1024, maxBatch: 100 });
    expect(readFileSync(path.join(folder, "out.md"), "utf8")).toMatch(
      /!\[.*\]\(out\.svg\)[\s\S]*\| CAS-2 \| passed \|/,
    );
    expect(readFileSync(path.join(folder, "out.html"), "utf8")).toMatch(/^<!doctype html>/);
    expect(readFileSync(path.join(folder, "out.svg"), "utf8")).toMatch(/^<svg /);
  });

  test("a broken promise ends with 1, and its replay command finds it again, exactly", async () => {
    const folder = subjectFolder();
    const args = ["./wrong.js", "--only", "CAS-3,TRM-1", "--bail", "--seed", "-7", "--report", "out.json"];
    const { code, stdout } = await conformance(args, folder);
    expect(code).toBe(1);
    const [failure] = readReport(folder).failures;
    expect(failure).toMatchObject({ invariant: "CAS-3", exact: true, seed: -7 });
    const verdicts = readReport(folder).invariants.map(({ id, verdict }) => [id, verdict]);
    // It stopped before it came to this one.
    expect(verdicts).toContainEqual(["TRM-1", "unfinished"]);
    expect(stdout).toContain(`✗ CAS-3 is broken (check ${failure?.check}`);
    expect(stdout).toContain(failure?.replay);
    const again = await conformance(
      [...replayArguments(failure?.replay ?? ""), "--report", "again.json"],
      folder,
    );
    expect(again.code).toBe(1);
    const { stack: _there, ...second } = readReport(folder, "again.json").failures[0] ?? {};
    const { stack: _here, ...first } = failure ?? {};
    // Straight to the smallest one: there is nothing left to reduce.
    expect(withoutWorlds(second)).toEqual(withoutWorlds({ ...first, shrinks: 0 }));
    expect(failure?.shrinks).toBeGreaterThan(0);
  });

  test("a race says that it is one, and its replay tries again", async () => {
    const folder = subjectFolder();
    const args = ["./racy.js", "--only", "CAS-2", "--bail", "--report", "out.json"];
    const { code, stdout } = await conformance(args, folder);
    expect(code).toBe(1);
    expect(stdout).toContain("a race: this tries the same case again, and it may take several attempts");
    const [failure] = readReport(folder).failures;
    expect(failure).toMatchObject({ invariant: "CAS-2", exact: false });
    expect(failure?.replay).toMatch(/ --path [\d:]+ --runs 10$/);
    const again = await conformance(
      [...replayArguments(failure?.replay ?? ""), "--report", "again.json"],
      folder,
    );
    expect(again.code).toBe(1);
    expect(readReport(folder, "again.json").failures[0]).toMatchObject({
      invariant: "CAS-2",
      path: failure?.path,
    });
  });

  test.each([
    ["nothing", [], "which file exports the driver"],
    ["an unknown flag", ["./right.js", "--fast"], "Unknown option '--fast'"],
    ["two files", ["./right.js", "./wrong.js"], "one file at a time"],
    [
      "an unknown invariant",
      ["./right.js", "--only", "CAS-99"],
      "there is no invariant or check called CAS-99",
    ],
    ["a seed that is none", ["./right.js", "--seed", "3000000000"], "--seed is a whole number"],
    ["runs that are none", ["./right.js", "--runs", "0"], "--runs is a number above 0"],
    ["a report of no kind", ["./right.js", "--report", "out.pdf"], "the name has to end with one of"],
    ["a path without a seed", ["./right.js", "--path", "0"], "--path belongs to a --seed"],
    [
      "a path of several checks",
      ["./right.js", "--only", "CAS", "--seed", "1", "--path", "0:1"],
      "--path belongs to one check, and --only selects",
    ],
    ["what is not claimed", ["./right.js", "--only", "DUR-1"], "small does not claim what DUR-1 needs"],
    ["no such file", ["./left.js"], "there is no file ./left.js"],
    ["matrix without reports", ["matrix"], "matrix needs the JSON reports"],
    ["matrix of something else", ["matrix", "right.js"], "right.js: "],
  ])("%s is a usage error", async (_what, args, message) => {
    const { code, stderr, stdout } = await conformance(args, subjectFolder());
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test("a path of several checks says which", async () => {
    const args = ["./right.js", "--only", "CAS-2,CAS-3", "--seed", "1", "--path", "0"];
    const { stderr } = await conformance(args, subjectFolder());
    expect(stderr).toMatch(/--only selects \d+: .*commit-.*, .*race-/);
  });

  const fields = {
    name: '"x"',
    traits: "{ durable: false, shared: false, watch: false }",
    createDatabase: 'async () => ({ url: "x:" })',
    open: "async () => ({})",
  };
  test.each([
    ["no default export", undefined, "has no default export"],
    ["no name", { ...fields, name: '""' }, "name should be a text, and is empty"],
    ["no traits", { ...fields, traits: "undefined" }, "traits should be { durable, shared, watch }"],
    [
      "a trait that is no boolean",
      { ...fields, traits: "{ durable: 1, shared: true, watch: false }" },
      "traits.durable should be true or false, and is a number",
    ],
    [
      "a trait too few",
      { ...fields, traits: "{ durable: true, shared: true }" },
      "traits.watch should be true or false, and is missing",
    ],
    [
      "a trait too many",
      { ...fields, traits: "{ durable: true, shared: true, watch: true, fast: true }" },
      "there is no trait fast",
    ],
    [
      "no createDatabase",
      { ...fields, createDatabase: "null" },
      "createDatabase should be a function, and is null",
    ],
    ["no open", { ...fields, open: "undefined" }, "open should be a function, and is missing"],
    [
      "a database without a URL",
      { ...fields, createDatabase: "async () => ({})" },
      "createDatabase should resolve to { url }, and url is missing",
    ],
    [
      "createDatabase that throws",
      { ...fields, createDatabase: 'async () => { throw new Error("no server") }' },
      "createDatabase failed: no server",
    ],
    [
      "open that throws",
      { ...fields, open: 'async () => { throw new Error("no password") }' },
      "open failed on an empty database: no password",
    ],
    ["open that gives no driver", fields, "open should resolve to a Driver, but its heads is missing"],
    [
      "a file that throws",
      { ...fields, name: '(() => { throw new Error("on load") })()' },
      "cannot be loaded: on load",
    ],
  ])("%s is told by name", async (_what, subject, message) => {
    const folder = emptyFolder();
    const body = Object.entries(subject ?? {}).map(([name, value]) => `${name}: ${value}`);
    const text =
      subject === undefined ? "export const driver = 1;" : `export default { ${body.join(", ")} };`;
    writeFileSync(path.join(folder, "subject.mjs"), text);
    const { code, stderr, stdout } = await conformance(["subject.mjs"], folder);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test("a database that cannot be made any more is no broken promise", async () => {
    const folder = subjectFolder();
    const text = `import right from "./right.js";
let left = 2;
const createDatabase = async () => {
  if (left-- === 0) throw new Error("too many databases");
  return right.createDatabase();
};
export default { ...right, createDatabase };`;
    writeFileSync(path.join(folder, "subject.js"), text);
    const { code, stdout } = await conformance(["subject.js", "--only", "CAS-3", "--bail"], folder);
    expect(code).toBe(2);
    expect(stdout).toContain("could not be played");
    expect(stdout).toContain("createDatabase failed: too many databases");
  });

  test("an error that nobody catches is told, with the check that ran", async () => {
    const folder = subjectFolder();
    const text = `import right from "./right.js";
const open = async (url) => {
  const driver = await right.open(url);
  const commit = (commits) => {
    process.nextTick(() => { throw new Error("out of the blue"); });
    return driver.commit(commits);
  };
  return { ...driver, commit };
};
export default { ...right, open };`;
    writeFileSync(path.join(folder, "subject.js"), text);
    const { code, stdout } = await conformance(["subject.js", "--only", "CAS-3"], folder);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ an error that nobody caught while check commit-.* ran/);
    expect(stdout).toContain("out of the blue");
  });

  test("TypeScript is fine where Node runs it", async () => {
    const folder = subjectFolder();
    const text = `import right from "./right.js";\nconst name: string = "typed";\nexport default { ...right, name };`;
    writeFileSync(path.join(folder, "subject.ts"), text);
    writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }');
    const { code, stdout, stderr } = await conformance(["./subject.ts", "--only", "CAS-3"], folder);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("typed (shared)");
  });
});

describe("while it runs", () => {
  /** A driver that says on its output when a database is made and dropped. */
  const LOUD = `import right from "./right.js";
const createDatabase = async () => {
  const { url, drop } = await right.createDatabase();
  console.log("made", url);
  return { url, drop: async () => { await drop(); console.log("dropped", url); } };
};
export default { ...right, createDatabase };`;

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s closes, drops the database and ends with 130",
    async (signal) => {
      const folder = subjectFolder();
      writeFileSync(path.join(folder, "subject.js"), LOUD);
      const command = start(["subject.js", "--runs", "10000"], folder);
      // Those before belong to the first look at the driver.
      const databases = (): number => command.stdout.match(/^made/gm)?.length ?? 0;
      await command.until(() => databases() >= 3);
      const closed = command.ended();
      command.child.kill(signal);
      const { code, stdout } = await closed;
      expect(code).toBe(130);
      expect(stdout.match(/^dropped/gm)).toHaveLength(databases());
      expect(stdout).toContain("interrupted");
    },
  );

  test("--watch runs again when the file changes, what failed first", async () => {
    const folder = subjectFolder();
    const subject = path.join(folder, "subject.js");
    writeFileSync(subject, 'export { default } from "./wrong.js";');
    const command = start(["subject.js", "--only", "CAS-3,GAP-2", "--watch"], folder);
    const waits = (times: number) => (stdout: string) =>
      (stdout.match(/waiting for a change/g)?.length ?? 0) >= times;
    await command.until(waits(1));
    const first = command.stdout;
    expect(first).toContain("✗ CAS-3 is broken");
    writeFileSync(subject, 'export { default } from "./right.js";');
    await command.until(waits(2));
    const [, failedAgain, everything] = [...command.stdout.matchAll(/^(\d+) checks, seed/gm)].map(
      ([, checks]) => Number(checks),
    );
    // First those that failed, then, as they passed, all that is selected.
    expect(failedAgain).toBeLessThan(everything ?? 0);
    expect(command.stdout.slice(first.length)).not.toContain("is broken");
    const closed = command.ended();
    command.child.kill("SIGINT");
    expect((await closed).code).toBe(130);
  });
});

describe("what else it prints", () => {
  test("help, version, the list", async () => {
    const folder = emptyFolder();
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(await conformance(["--version"], folder)).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    const help = await conformance(["--help"], folder);
    expect(help.stdout).toContain("--report FILE");
    const list = await conformance(["--list"], folder);
    expect(list.stdout).toMatch(/^ {2}CAS-2 +Of commits that race on one base, exactly one lands\.$/m);
    expect([help.code, list.code]).toEqual([0, 0]);
  });

  test("a matrix of several drivers", async () => {
    const folder = subjectFolder();
    await conformance(["./right.js", ...SELECTION, "--report", "a.json"], folder);
    await conformance(["./racy.js", ...SELECTION, "--report", "b.json"], folder);
    const { code, stdout } = await conformance(["matrix", "a.json", "b.json"], folder);
    expect(code).toBe(0);
    expect(stdout).toContain("| invariant | small | racy | what always holds |");
    expect(stdout).toContain("| CAS-2 | ✓ | **✗** | Of commits that race on one base, exactly one lands. |");
  });
});

/** Ids begin with the number of the world that they are in, which depends on how many were given up before. */
function withoutWorlds(report: object): unknown {
  return JSON.parse(JSON.stringify(report).replaceAll(/\d+\.\d+\//g, "world/"));
}

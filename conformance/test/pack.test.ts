import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Report } from "../src/report/report.js";
import { Running, type Ended } from "./command.js";

/** As in an empty folder on somebody else's machine: what npm would publish, and nothing of the workspace. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EXAMPLE = path.join(ROOT, "examples/custom-driver");
const TIMEOUT_MS = 300_000;

let folder = "";

interface Manifest {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

function manifest(file: string): Manifest {
  return JSON.parse(readFileSync(file, "utf8")) as Manifest;
}

function run(
  command: string,
  args: readonly string[],
  cwd = folder,
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return new Running(command, args, cwd, {
    VITEST: undefined,
    npm_config_user_agent: undefined,
    ...env,
  }).ended();
}

async function succeed(command: string, args: readonly string[], cwd = folder): Promise<Ended> {
  const ended = await run(command, args, cwd);
  if (ended.code !== 0) throw new Error(`${command} ${args.join(" ")}: ${ended.stdout}${ended.stderr}`);
  return ended;
}

async function pack(folders: readonly string[]): Promise<string[]> {
  const target = mkdtempSync(path.join(folder, "packed-"));
  for (const from of folders) await succeed("pnpm", ["pack", "--pack-destination", target], from);
  return readdirSync(target).map((file) => path.join(target, file));
}

function install(packages: readonly string[]): Promise<Ended> {
  return succeed("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages]);
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "fastpaca-packed-"));
  writeFileSync(path.join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await install(await pack([path.join(ROOT, "packages/core"), path.join(ROOT, "conformance")]));
  cpSync(fileURLToPath(new URL("subjects", import.meta.url)), folder, { recursive: true });
}, TIMEOUT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the package holds what it names, and nothing that is only for building it", async () => {
  const installed = path.join(folder, "node_modules/@fastpaca/conformance");
  const { bin, exports } = manifest(path.join(installed, "package.json"));
  const files = Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : [entry.types, entry.default],
  );
  for (const file of [...files, "README.md", "LICENSE"])
    expect(existsSync(path.join(installed, file)), file).toBe(true);
  // npx runs the command of a package that has just one.
  const [command, ...others] = Object.values(bin);
  expect(others).toEqual([]);
  expect(readFileSync(path.join(installed, command ?? ""), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  expect(statSync(path.join(folder, "node_modules/.bin/conformance")).mode & 0o111).toBe(0o111);
  const shipped = readdirSync(path.join(installed, "dist"), { recursive: true, encoding: "utf8" });
  expect(shipped.filter((file) => /\.tsbuildinfo|\.map$|write-invariants/.test(file))).toEqual([]);
});

test(
  "the command passes a driver that is right, and its main entry loads, without vitest",
  async () => {
    expect(existsSync(path.join(folder, "node_modules/vitest"))).toBe(false);
    const right = await run("npx", ["@fastpaca/conformance", "./right.js"]);
    expect(right.stdout + right.stderr).toMatch(/small \(shared\): \d+ passed/);
    expect(right.code).toBe(0);
    const script =
      'import { INVARIANTS, runChecks } from "@fastpaca/conformance"; runChecks.call; INVARIANTS.map(String)';
    await succeed(process.execPath, ["--input-type=module", "-e", script]);
  },
  TIMEOUT_MS,
);

test(
  "a driver that is wrong ends with 1, and the command that is printed finds the same again",
  async () => {
    const wrong = await run("npx", ["@fastpaca/conformance", "./wrong.js", "--only", "CAS-3", "--bail"]);
    expect(wrong.code).toBe(1);
    const [replay = ""] = /npx @fastpaca\/conformance \.\/wrong\.js --only .*/.exec(wrong.stdout) ?? [];
    const again = await run("sh", ["-c", `${replay} --report again.json`]);
    expect(again.code).toBe(1);
    const report = JSON.parse(readFileSync(path.join(folder, "again.json"), "utf8")) as Report;
    expect(report.failures.map(({ invariant }) => invariant)).toEqual(["CAS-3"]);
    expect(report.kit).toBe(manifest(path.join(ROOT, "conformance/package.json")).version);
  },
  TIMEOUT_MS,
);

test(
  "describeDriver works in anyone's vitest",
  async () => {
    const { devDependencies } = manifest(path.join(ROOT, "conformance/package.json"));
    await install([`vitest@${devDependencies["vitest"]}`]);
    const suite = (subject: string): string =>
      `import { describeDriver } from "@fastpaca/conformance/vitest";
import subject from "../${subject}.js";
describeDriver(subject);`;
    mkdirSync(path.join(folder, "suites"));
    for (const name of ["right", "wrong"])
      writeFileSync(path.join(folder, `suites/${name}.test.js`), suite(name));
    const right = await run("npx", ["vitest", "run", "suites/right.test.js"]);
    expect(right.stdout + right.stderr).toMatch(/Tests\S* +\S*\d+ passed/);
    expect(right.code).toBe(0);
    const wrong = await run("npx", ["vitest", "run", "suites/wrong.test.js"], folder, {
      FASTPACA_CONFORMANCE_ONLY: "CAS-3",
    });
    expect(wrong.code).toBe(1);
    const [replay = ""] =
      /FASTPACA_CONFORMANCE_ONLY=\S+ .*npx vitest run suites\/wrong\.test\.js/.exec(
        wrong.stdout + wrong.stderr,
      ) ?? [];
    const again = await run("sh", ["-c", replay]);
    expect(again.stdout + again.stderr).toContain("✗ CAS-3 is broken");
    expect(again.code).toBe(1);
  },
  TIMEOUT_MS,
);

test(
  "the example of somebody else's driver passes with what is published",
  async () => {
    const copy = path.join(folder, "custom-driver");
    for (const part of ["dist", "package.json", "conformance.driver.js"]) {
      cpSync(path.join(EXAMPLE, part), path.join(copy, part), { recursive: true });
    }
    const { code, stdout } = await run("npx", [
      "@fastpaca/conformance",
      "custom-driver/conformance.driver.js",
    ]);
    expect(stdout).toMatch(/^jsonl \(durable\): \d+ passed/m);
    expect(code).toBe(0);
  },
  TIMEOUT_MS,
);

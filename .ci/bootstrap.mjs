// Runs `start` and `test` on a machine that has only Node 18 or newer and npm: installs the locked dependencies
// when they are not there yet, puts the workspace's own tools (a current Node among them) first on PATH, then
// hands over. Uses nothing but Node's standard library.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = path.join(root, "node_modules", ".bin");
const { packageManager } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const installed = path.join(root, "node_modules", ".pnpm", "lock.yaml");
const locked = readFileSync(path.join(root, "pnpm-lock.yaml"), "utf8");
const shell = process.platform === "win32";

if (
  !existsSync(installed) ||
  readFileSync(installed, "utf8") !== locked ||
  !existsSync(path.join(bin, "tsc"))
) {
  console.log("fastpaca: installing dependencies (first run, or the lockfile changed)");
  const args = ["--yes", "--prefer-offline", packageManager, "install", "--frozen-lockfile"];
  const { status } = spawnSync("npx", args, { cwd: root, stdio: "inherit", shell });
  if (status !== 0) process.exit(status ?? 1);
}

const env = { ...process.env, PATH: bin + path.delimiter + process.env.PATH };
const [task = "", ...rest] = process.argv.slice(2);
const child = spawn("node", [path.join(root, ".ci", `${task}.mjs`), ...rest], {
  cwd: root,
  env,
  shell,
  stdio: "inherit",
});
// A terminal sends Ctrl-C to everybody itself; what a supervisor sends reaches only this process, or only npm.
process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
const parent = process.ppid;
setInterval(() => process.ppid === parent || child.kill("SIGTERM"), 500).unref();
child.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));

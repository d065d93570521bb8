// Builds what changed, then runs the server in this process, so that signals reach it directly.
import { spawnSync } from "node:child_process";

console.log("fastpaca: building");
const { status } = spawnSync("tsc", ["-b", ".config/tsconfig.json"], {
  stdio: "inherit",
  shell: process.platform === "win32",
});
if (status !== 0) process.exit(status ?? 1);
process.argv.splice(2, 0, "serve");
await import("../packages/cli/dist/main.js");

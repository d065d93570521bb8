import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

/** Runs the command against a server, with its key. */
export function conformance(
  args: readonly string[],
  apiKey: string | undefined,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, FASTPACA_API_KEY: apiKey };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [CLI, ...args],
      { env, timeout: 230_000 },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A configuration of curl that leads commands, unchanged, from the documented port to another. */
export function curlHome(port: number): Disposable & { readonly path: string } {
  const home = mkdtempSync(path.join(tmpdir(), "fastpaca-curl-"));
  const lines = [
    `connect-to = "localhost:4000:127.0.0.1:${port}"`,
    'noproxy = "*"',
    "silent",
    "show-error",
    "fail-with-body",
  ];
  writeFileSync(path.join(home, ".curlrc"), `${lines.join("\n")}\n`);
  return { path: home, [Symbol.dispose]: () => rmSync(home, { recursive: true }) };
}

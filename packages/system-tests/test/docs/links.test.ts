import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { anchorOf, markdownFiles, readMarkdown, ROOT } from "./markdown.js";

test("relative links in all documents lead somewhere", () => {
  const files = markdownFiles();
  expect(files).toContain("README.md");
  const broken: string[] = [];
  for (const file of files) {
    for (const { target, line } of readMarkdown(file).links) {
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
      const problem = problemOf(file, target);
      if (problem !== undefined) broken.push(`${file}:${line}: ${target} ${problem}`);
    }
  }
  expect(broken).toEqual([]);
});

function problemOf(file: string, target: string): string | undefined {
  const [name = "", anchor] = target.split("#");
  const found = name === "" ? file : path.posix.join(path.posix.dirname(file), decodeURIComponent(name));
  if (found.startsWith("..")) return "is outside of the project";
  if (!existsSync(path.join(ROOT, found))) return "does not exist";
  if (anchor === undefined) return undefined;
  if (!found.endsWith(".md") || !statSync(path.join(ROOT, found)).isFile()) return "has no headings";
  const anchors = readMarkdown(found).headings.map(anchorOf);
  return anchors.includes(anchor) ? undefined : "leads to no heading";
}

/** The project's own Markdown, read so that its code and tables can be put to the test. */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds the whole monorepo. */
export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

/** A fenced block of code, exactly as it is in the document. */
export interface CodeBlock {
  /** First word behind the fence: `bash`, `json`, `ts`. Empty where there is none. */
  readonly language: string;
  /** Rest of the line behind the fence. */
  readonly title: string;
  readonly text: string;
  /** Of the fence that opens it, from 1. */
  readonly line: number;
  /** The heading that it stands under. */
  readonly heading: string;
}

/** A row of a table, its cells without the white space around them. */
export interface TableRow {
  readonly cells: readonly string[];
  /** The table's first row. */
  readonly header: readonly string[];
  readonly heading: string;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

export interface MarkdownDocument {
  /** Relative to {@link ROOT}, with slashes. */
  readonly file: string;
  readonly headings: readonly string[];
  readonly blocks: readonly CodeBlock[];
  readonly rows: readonly TableRow[];
  readonly links: readonly Link[];
}

/** Reads one document. @param file relative to {@link ROOT} */
export function readMarkdown(file: string): MarkdownDocument {
  const headings: string[] = [];
  const blocks: CodeBlock[] = [];
  const rows: TableRow[] = [];
  const links: Link[] = [];
  let heading = "";
  let header: readonly string[] | undefined;
  let open: { fence: string; language: string; title: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of readFileSync(path.join(ROOT, file), "utf8").split("\n").entries()) {
    if (open !== undefined) {
      if (line.startsWith(open.fence)) {
        const { language, title, lines } = open;
        blocks.push({ language, title, text: lines.join("\n"), line: open.line, heading });
        open = undefined;
      } else {
        open.lines.push(line);
      }
      continue;
    }
    const fence = /^(`{3,})(\S*)\s*(.*)$/.exec(line);
    if (fence !== null) {
      const [, marks = "", language = "", title = ""] = fence;
      open = { fence: marks, language, title, line: index + 1, lines: [] };
      continue;
    }
    const title = /^#{1,6} +(.*?)\s*$/.exec(line)?.[1];
    if (title !== undefined) headings.push((heading = title));
    if (line.startsWith("|")) {
      const cells = cellsOf(line);
      if (header === undefined) header = cells;
      else if (!cells.every((cell) => /^:?-+:?$/.test(cell))) rows.push({ cells, header, heading });
    } else {
      header = undefined;
    }
    const prose = line.replaceAll(/`[^`]*`/g, "");
    for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) links.push({ target, line: index + 1 });
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: this block of code is never closed`);
  return { file, headings, blocks, rows, links };
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\|/, "")
    .replace(/\|\s*$/, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** Every Markdown file of the project, relative to {@link ROOT}. */
export function markdownFiles(): string[] {
  const found = globSync("**/*.md", {
    cwd: ROOT,
    exclude: (name) =>
      ["node_modules", "dist", ".git", ".reports", ".turbo", ".tmp"].includes(path.basename(name)),
  });
  return found.map((file) => file.split(path.sep).join("/")).sort();
}

/** The part of a link behind `#` that leads to a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** A cell or heading without the backticks around code in it. */
export function plain(text: string): string {
  return text.replaceAll("`", "");
}

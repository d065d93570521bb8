import path from "node:path";
import { renderBadge } from "./badge.js";
import { renderHtml } from "./html.js";
import { renderMarkdown } from "./markdown.js";
import type { Report } from "./report.js";

/**
 * A report in the form that a file's name asks for.
 *
 * @param all every file that is written in the same run: Markdown shows the badge that is among them
 */
export function renderReport(report: Report, file: string, all: readonly string[]): string {
  switch (path.extname(file)) {
    case ".json":
      return `${JSON.stringify(report, undefined, 2)}\n`;
    case ".md": {
      const badge = all.find((other) => path.extname(other) === ".svg");
      return renderMarkdown(
        report,
        badge === undefined ? undefined : path.relative(path.dirname(file), badge),
      );
    }
    case ".html":
      return renderHtml(report);
    case ".svg":
      return renderBadge(report);
    default:
      throw new Error(`there is no report for ${file}`);
  }
}

import path from "node:path";
import { badgeText } from "./badge.js";
import { duration, visible } from "./plain.js";
import { countVerdicts, type Report, type ReportedVerdict } from "./report.js";

const SHOWN: Readonly<Record<ReportedVerdict, string>> = {
  passed: "passed",
  failed: "**failed**",
  unfinished: "unfinished",
  unclaimed: "not claimed",
  unselected: "not selected",
};

/**
 * The report for a README. @param badge address of the badge, relative to the document, where there is one
 */
export function renderMarkdown(report: Report, badge?: string): string {
  const { subject, kit, seed, runs, date, node, milliseconds, failures } = report;
  const { label, value } = badgeText(report);
  const lines = [`# Conformance of ${markdownText(subject.name)}`, ""];
  if (badge !== undefined) {
    const address = badge.split(path.sep).map(encodeURIComponent).join("/");
    lines.push(`![${markdownText(`${label}: ${value}`)}](${address})`, "");
  }
  const traits = subject.traits.length === 0 ? "nothing" : subject.traits.join(", ");
  const { passed, failed, unfinished, unclaimed } = countVerdicts(report);
  const rest = unfinished === 0 ? "" : `, ${unfinished} unfinished`;
  lines.push(
    `${passed} invariants passed, ${failed} failed${rest}, ${unclaimed} are not claimed` +
      `${report.interrupted ? "; interrupted" : ""}. Claimed: ${markdownText(traits)}.`,
    "",
    `Kit ${markdownText(kit)}, ${markdownText(node)}, ${date.slice(0, 10)}, ${duration(milliseconds)},` +
      ` seed ${seed}, runs × ${runs}.`,
    "",
    "| invariant | verdict | time | what always holds |",
    "|---|---|---|---|",
  );
  for (const { id, verdict, milliseconds: time, says } of report.invariants) {
    if (verdict === "unselected") continue;
    const shown = verdict === "unclaimed" || time === 0 ? "" : duration(time);
    lines.push(`| ${markdownText(id)} | ${SHOWN[verdict]} | ${shown} | ${markdownText(says)} |`);
  }
  if (failures.length > 0) lines.push("", "## Failures");
  for (const { check, invariant = "not played", message, replay, exact } of failures) {
    lines.push(
      "",
      `### ${markdownText(invariant)}: ${markdownText(check)}`,
      "",
      markdownText(message),
      "",
      codeBlock(replay),
    );
    if (!exact) lines.push("", "A race: this tries the same case again, and it may take several attempts.");
  }
  return `${lines.join("\n")}\n`;
}

/** Text from outside as Markdown that shows it and does nothing else, on one line and within a table too. */
export function markdownText(text: string): string {
  return visible(text.replaceAll(/\s*\n\s*/g, " "))
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("@", "&#64;")
    .replaceAll("://", "&#58;//")
    .replaceAll(/[\\`*_{}[\]()#!|~$]/g, (character) => `\\${character}`);
}

/** A block of code that its text cannot end. */
function codeBlock(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${visible(text)}\n${fence}`;
}

import { duration } from "./plain.js";
import { markdownText } from "./markdown.js";
import type { MatrixEntry } from "./read-report.js";
import type { ReportedVerdict } from "./report.js";

const SIGNS: Readonly<Record<ReportedVerdict, string>> = {
  passed: "✓",
  failed: "**✗**",
  unfinished: "…",
  unclaimed: "–",
  unselected: "",
};

/** Several drivers side by side, as Markdown: what each claims, and every invariant. */
export function renderMatrix(entries: readonly MatrixEntry[]): string {
  const runs = entries.map(({ name, traits, invariants, milliseconds, seed, runs, kit, node, date }) => {
    const passed = invariants.filter(({ verdict }) => verdict === "passed").length;
    const failed = invariants.filter(({ verdict }) => verdict === "failed").length;
    const cells = [
      markdownText(name),
      traits.length === 0 ? "nothing" : markdownText(traits.join(", ")),
      String(passed),
      String(failed),
      duration(milliseconds),
      `${seed}${runs === 1 ? "" : ` (runs × ${runs})`}`,
      `${markdownText(kit)}, ${markdownText(node)}`,
      date.slice(0, 10),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const sentences = new Map(
    entries.flatMap(({ invariants }) => invariants.map(({ id, says }) => [id, says] as const)),
  );
  const rows = [...sentences].map(([id, says]) => {
    const verdicts = entries.map(({ invariants }) => {
      const found = invariants.find((invariant) => invariant.id === id);
      return found === undefined ? "" : SIGNS[found.verdict];
    });
    return `| ${[markdownText(id), ...verdicts, markdownText(says)].join(" | ")} |`;
  });
  const names = entries.map(({ name }) => markdownText(name));
  return [
    "| driver | claims | passed | failed | time | seed | kit | date |",
    "|---|---|---|---|---|---|---|---|",
    ...runs,
    "",
    "✓ passed, ✗ failed, – rests on something that the driver does not claim, … not finished.",
    "",
    `| invariant | ${names.join(" | ")} | what always holds |`,
    `|---|${names.map(() => ":-:|").join("")}---|`,
    ...rows,
    "",
  ].join("\n");
}

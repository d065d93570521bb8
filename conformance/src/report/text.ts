import { duration, shorten, visible, visibleLines, wrap } from "./plain.js";
import { RACE_NOTE } from "./replay.js";
import { countVerdicts, type FailureReport, type Report, type ReportedVerdict } from "./report.js";
import { drawTimeline } from "./timeline.js";

/** How a piece of text is set off, on a terminal that can do it. */
export type Style = "red" | "green" | "yellow" | "gray" | "bold";
export type Paint = (style: Style, text: string) => string;

const WIDTH = 110;
/** Failures that are shown with all there is to know; a driver at its very beginning has dozens. */
const FULL_FAILURES = 5;

const SHOWN: Readonly<Record<ReportedVerdict, readonly [text: string, style: Style]>> = {
  passed: ["passed", "green"],
  failed: ["FAILED", "red"],
  unfinished: ["unfinished", "yellow"],
  unclaimed: ["not claimed", "gray"],
  unselected: ["not selected", "gray"],
};

/** The whole report for a terminal: the table, then every failure, then how it ended. */
export function renderText(report: Report, paint: Paint): string {
  const lines = [...table(report, paint)];
  report.failures.forEach((failure, index) => {
    lines.push("", ...renderFailure(report, failure, paint, index < FULL_FAILURES));
  });
  if (report.failures.length > FULL_FAILURES) {
    lines.push(
      "",
      `Histories are shown of the first ${FULL_FAILURES} failures; --report out.html has them all.`,
    );
  }
  lines.push("", summary(report, paint));
  return `${lines.join("\n")}\n`;
}

function table(report: Report, paint: Paint): string[] {
  const lines: string[] = [];
  for (const { id, says, verdict, milliseconds } of report.invariants) {
    if (verdict === "unselected") continue;
    const [word, style] = SHOWN[verdict];
    const time = verdict === "unclaimed" || milliseconds === 0 ? "" : duration(milliseconds);
    const [first = "", ...rest] = wrap(visible(says), WIDTH - 32);
    const cells = `${id.padEnd(7)}${paint(style, word.padEnd(12))}${time.padStart(10)}  `;
    lines.push(`${cells} ${first}`, ...rest.map((line) => " ".repeat(32) + line));
  }
  return lines;
}

/** One failure. @param full with the timeline and, where the subject failed, where it was thrown */
export function renderFailure(
  report: Pick<Report, "invariants">,
  failure: FailureReport,
  paint: Paint,
  full = true,
): string[] {
  const {
    invariant: id,
    check,
    mode,
    message,
    stack,
    counterexample,
    shrinks,
    exact,
    replay,
    history,
  } = failure;
  const entry = report.invariants.find((invariant) => invariant.id === id);
  const title = id === undefined ? `check ${check} could not be played` : `${id} is broken`;
  const lines = [paint("bold", paint("red", `✗ ${title}`)) + paint("gray", ` (check ${check}, ${mode})`)];
  if (entry !== undefined) {
    lines.push(
      ...wrap(visible(entry.says), WIDTH - 2).map((line) => `  ${line}`),
      paint("gray", `  ${visible(entry.rule)}`),
    );
  }
  const told = visibleLines(message).flatMap((line) => wrap(line, WIDTH - 4));
  lines.push("", ...told.slice(0, 30).map((line) => `    ${paint("bold", line)}`));
  if (full) {
    if (id === undefined || stack.includes("\ncaused by ")) lines.push("", ...where(stack, paint));
    if (history.calls.length + history.notes.length > 0) {
      const found =
        shrinks === 0 ? "the failing run" : `the smallest failing run, after ${shrinks} reductions`;
      lines.push("", paint("gray", `  ${found}; time goes down, one column for each handle:`), "");
      lines.push(...drawTimeline(history, WIDTH - 4).map((line) => `    ${line}`));
    } else if (counterexample !== "") {
      lines.push("", `  case: ${shorten(visible(counterexample), WIDTH)}`);
    }
  }
  lines.push("", `  ${exact ? "play it again:" : `play it again (${RACE_NOTE}):`}`, `    ${visible(replay)}`);
  return lines;
}

/** The frames of a stack, without those of the kit's tools and of Node. */
function where(stack: string, paint: Paint): string[] {
  return visibleLines(stack)
    .filter((line) => !/node:internal|node_modules\/(?:fast-check|vitest|@vitest)\//.test(line))
    .slice(0, 16)
    .map((line) => paint("gray", `    ${shorten(line, 300)}`));
}

function summary(report: Report, paint: Paint): string {
  const { passed, failed, unfinished, unclaimed, unselected } = countVerdicts(report);
  const parts = [
    failed > 0 ? paint("red", `${failed} failed`) : "",
    paint(passed > 0 ? "green" : "gray", `${passed} passed`),
    unfinished > 0 ? paint("yellow", `${unfinished} unfinished`) : "",
    unclaimed > 0 ? paint("gray", `${unclaimed} not claimed`) : "",
    unselected > 0 ? paint("gray", `${unselected} not selected`) : "",
  ].filter((part) => part !== "");
  const end = report.interrupted ? paint("yellow", "interrupted; ") : "";
  const cut = report.checks.filter(({ cutShort, failed }) => cutShort && !failed);
  const short =
    cut.length === 0
      ? ""
      : `\n${paint("yellow", "time was up")} before all runs of ${cut.map(({ name }) => name).join(", ")}`;
  const { name, traits } = report.subject;
  const claims = traits.length === 0 ? "claims nothing" : traits.join(", ");
  return (
    `${paint("bold", visible(name))} (${claims}): ${end}${parts.join(", ")}` +
    ` in ${duration(report.milliseconds)}; seed ${report.seed}, kit ${report.kit}${short}`
  );
}

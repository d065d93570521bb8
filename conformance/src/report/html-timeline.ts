import { xmlText } from "./html-text.js";
import type { CallReport, HistoryReport, NoteReport } from "./report.js";
import { timelineOf } from "./timeline.js";

/** How many columns a timeline has, in words. */
export function drawnColumns({ lanes }: HistoryReport): string {
  return lanes.length === 1 ? "one handle" : `a column for each of ${lanes.length} handles`;
}

/** A history as a grid: a column for each handle, every call as high as it lasted. */
export function renderHtmlTimeline(history: HistoryReport): string {
  const { columns, rows } = timelineOf(history);
  const items: string[] = columns.map((lane, column) =>
    lane === columns[column - 1]
      ? ""
      : laneHead(lane, column, columns.filter((name) => name === lane).length),
  );
  const begun = new Map<CallReport, number>();
  for (const [index, row] of rows.entries()) {
    const at = index + 2;
    switch (row.type) {
      case "note":
        items.push(noteItem(row.note, row.column, at));
        break;
      case "call":
        items.push(callItem(row.call, row.column, at, at + 1));
        break;
      case "begin":
        begun.set(row.call, at);
        if (row.call.answered === undefined) items.push(callItem(row.call, row.column, at, rows.length + 2));
        break;
      case "answer":
        items.push(callItem(row.call, row.column, begun.get(row.call) ?? at, at + 1));
        break;
    }
  }
  const omitted =
    history.omitted === 0 ? "" : `<p class="soft">${history.omitted} calls before these are left out.</p>`;
  const style = `grid-template-columns:repeat(${columns.length},minmax(11rem,1fr))`;
  return `${omitted}<div class="scroll" tabindex="0" role="region" aria-label="Timeline"><ol class="timeline" style="${style}">
${items.filter((item) => item !== "").join("\n")}
</ol></div>`;
}

function laneHead(lane: string, column: number, span: number): string {
  return `<li class="lane" style="grid-column:${column + 1}/span ${span}">${xmlText(lane)}</li>`;
}

function noteItem({ lane, text }: NoteReport, column: number, row: number): string {
  return `<li class="note" style="grid-column:${column + 1};grid-row:${row}">${xmlText(lane)} ${xmlText(text)}</li>`;
}

function callItem(call: CallReport, column: number, from: number, to: number): string {
  const { lane, kind, args, answer, outcome } = call;
  const label = `${xmlText(call.call)} <b>= ${xmlText(outcome)}</b>`;
  const place = `grid-column:${column + 1};grid-row:${from}/${to}`;
  return `<li class="call ${kind}" style="${place}"><details><summary><span class="soft">${xmlText(lane)}</span> ${label}</summary><pre>${xmlText(args)}</pre><pre>${xmlText(answer)}</pre></details></li>`;
}

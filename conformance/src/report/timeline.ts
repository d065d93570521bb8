import { shorten, wrap } from "./plain.js";
import type { CallReport, HistoryReport, NoteReport } from "./report.js";

/** One thing that was seen: a call that began, one that was answered, both at once, or a note. */
export type TimelineRow =
  | { readonly type: "call"; readonly column: number; readonly call: CallReport }
  | { readonly type: "begin"; readonly column: number; readonly call: CallReport }
  | { readonly type: "answer"; readonly column: number; readonly call: CallReport }
  | { readonly type: "note"; readonly column: number; readonly note: NoteReport };

export interface Timeline {
  /** Names of the columns: a lane with calls that overlap has several. */
  readonly columns: readonly string[];
  /** In the order in which it happened. */
  readonly rows: readonly TimelineRow[];
}

/** Lays a history out: every call in a column of its lane in which nothing else runs meanwhile. */
export function timelineOf({ lanes, calls, notes }: HistoryReport): Timeline {
  const events: { readonly at: number; readonly row: TimelineRow }[] = [];
  const columns: string[] = [];
  for (const lane of lanes) {
    const first = columns.length;
    columns.push(lane);
    const ends: number[] = [-1];
    const own = calls.filter((call) => call.lane === lane).sort((a, b) => a.invoked - b.invoked);
    for (const call of own) {
      const free = ends.findIndex((end) => end < call.invoked);
      const offset = free === -1 ? ends.length : free;
      if (free === -1) columns.push(lane);
      ends[offset] = call.answered ?? Infinity;
      const column = first + offset;
      events.push({ at: call.invoked, row: { type: "begin", column, call } });
      if (call.answered !== undefined)
        events.push({ at: call.answered, row: { type: "answer", column, call } });
    }
    for (const note of notes.filter((note) => note.lane === lane)) {
      events.push({ at: note.at, row: { type: "note", column: first, note } });
    }
  }
  return { columns, rows: joined(events.sort((a, b) => a.at - b.at).map(({ row }) => row)) };
}

/** A call that nothing came in between is one row. */
function joined(rows: readonly TimelineRow[]): TimelineRow[] {
  const result: TimelineRow[] = [];
  for (const row of rows) {
    const last = result.at(-1);
    if (row.type === "answer" && last?.type === "begin" && last.call === row.call) {
      result[result.length - 1] = { ...row, type: "call" };
    } else {
      result.push(row);
    }
  }
  return result;
}

/** Rows that are drawn; a longer history loses its middle. */
const MAX_ROWS = 120;
/** Rows that are kept of the beginning of a longer one. */
const FIRST_ROWS = 20;

/**
 * Draws a history with characters, oldest first: a column for each handle, `┬` where a call begins, `┴` where it is
 * answered, `●` for one that nothing else overlapped.
 *
 * @param width characters of a line, at least about 60
 */
export function drawTimeline(history: HistoryReport, width: number): string[] {
  const { columns, rows } = timelineOf(history);
  const gutter = columns.length * 2 + 1;
  const room = Math.max(30, width - gutter);
  const running = columns.map(() => false);
  const lines: string[] = [];
  const draw = (column: number, sign: string, texts: readonly string[]): void => {
    texts.forEach((text, index) => {
      const cells = columns.map((_, at) =>
        at === column && index === 0 ? sign : at === column && sign === "┴" ? " " : running[at] ? "│" : " ",
      );
      lines.push(`${cells.join(" ")}  ${text}`.trimEnd());
    });
  };
  const omitted = history.omitted > 0 ? [`… ${history.omitted} calls before these are left out`] : [];
  for (const [index, row] of rows.entries()) {
    const skipped =
      rows.length > MAX_ROWS && index >= FIRST_ROWS && index < rows.length - (MAX_ROWS - FIRST_ROWS);
    const add = (sign: string, text: string): void => {
      if (!skipped) draw(row.column, sign, lineUp(text, room));
      else if (index === FIRST_ROWS) lines.push(`… ${rows.length - MAX_ROWS} more rows …`);
    };
    const lane = columns[row.column] ?? "";
    switch (row.type) {
      case "note":
        add("◆", `${lane} ${row.note.text}`);
        break;
      case "call":
        add("●", `${lane} ${row.call.call} = ${row.call.outcome}`);
        break;
      case "begin":
        running[row.column] = true;
        add("┬", `${lane} ${row.call.call} …`);
        break;
      case "answer":
        add("┴", `${lane} ${row.call.call} = ${row.call.outcome}`);
        running[row.column] = false;
        break;
    }
  }
  for (const { lane, call } of history.calls.filter(({ kind }) => kind === "pending")) {
    lines.push(...lineUp(`${lane} ${call}: never answered`, width));
  }
  return [...omitted, header(columns), ...lines];
}

function header(columns: readonly string[]): string {
  return columns
    .map((lane, index) => (lane === columns[index - 1] ? " " : shorten(lane, 1)))
    .join(" ")
    .trimEnd();
}

/** At most two lines; what does not fit is in the report. */
function lineUp(text: string, room: number): string[] {
  const [first = "", ...rest] = wrap(text, room);
  return rest.length === 0 ? [first] : [first, shorten(`  ${rest.join(" ")}`, room)];
}

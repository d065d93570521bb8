import type { Call, Note } from "../history.js";
import { callText, json, outcomeText } from "./call-text.js";
import { visible } from "./plain.js";
import type { CallReport, HistoryReport, NoteReport } from "./report.js";

/** Calls and notes that a report keeps, the latest ones: what broke is near the end. */
const MAX_EVENTS = 400;
/** Characters of arguments and of an answer that a report keeps. */
const MAX_JSON = 2000;

/** The history of a failing run as a report keeps it: shortened, and safe to show. */
export function historyReport(calls: readonly Call[], notes: readonly Note[]): HistoryReport {
  const places = [...calls.map(({ invoked }) => invoked), ...notes.map(({ at }) => at)].sort((a, b) => a - b);
  const from = places.at(-MAX_EVENTS) ?? -Infinity;
  const end = lastPlace(calls, notes) + 1;
  const keptCalls = calls.filter(({ invoked }) => invoked >= from).map(callReport);
  const keptNotes = notes
    .filter(({ at }) => at >= from)
    .map(({ lane, at, text }): NoteReport => ({
      lane: visible(lane),
      // What comes when all is over has no place of its own.
      at: Number.isFinite(at) ? at : end,
      text: visible(text),
    }));
  const lanes = [...keptCalls.map(({ lane, invoked }) => ({ lane, at: invoked })), ...keptNotes]
    .sort((a, b) => a.at - b.at)
    .map(({ lane }) => lane);
  return {
    lanes: [...new Set(lanes)],
    omitted: calls.length + notes.length - keptCalls.length - keptNotes.length,
    calls: keptCalls,
    notes: keptNotes,
  };
}

function callReport(call: Call): CallReport {
  const { text, kind } = outcomeText(call);
  const failed = "error" in call;
  return {
    lane: visible(call.lane),
    method: visible(call.method),
    invoked: call.invoked,
    ...(call.answered !== undefined && { answered: call.answered }),
    call: callText(call),
    outcome: text,
    kind,
    args: json(call.args, MAX_JSON),
    answer: call.answered === undefined ? "" : json(failed ? call.error : call.result, MAX_JSON),
  };
}

function lastPlace(calls: readonly Call[], notes: readonly Note[]): number {
  const places = [
    ...calls.flatMap(({ invoked, answered }) => [invoked, answered ?? 0]),
    ...notes.map(({ at }) => at),
  ];
  return places.reduce((last, place) => (Number.isFinite(place) && place > last ? place : last), 0);
}

import { VERDICTS, type Report, type ReportedVerdict } from "./report.js";

/** As much of a report as the matrix of several needs. */
export interface MatrixEntry {
  readonly name: string;
  readonly traits: readonly string[];
  readonly kit: string;
  readonly node: string;
  readonly date: string;
  readonly seed: number;
  readonly runs: number;
  readonly milliseconds: number;
  readonly invariants: readonly {
    readonly id: string;
    readonly says: string;
    readonly verdict: ReportedVerdict;
  }[];
}

/** Reads a JSON report. @throws TypeError that says what is wrong with it */
export function readReport(json: string): MatrixEntry {
  const report: unknown = JSON.parse(json);
  if (!isRecord(report) || report["format"] !== (1 satisfies Report["format"])) {
    throw new TypeError("this is no report of format 1");
  }
  const subject = report["subject"];
  const invariants = report["invariants"];
  if (!isRecord(subject) || !Array.isArray(subject["traits"]) || !Array.isArray(invariants)) {
    throw new TypeError("this report has no subject or no invariants");
  }
  return {
    name: text(subject["name"]),
    traits: subject["traits"].map((trait) => text(trait)),
    kit: text(report["kit"]),
    node: text(report["node"]),
    date: text(report["date"]),
    seed: number(report["seed"]),
    runs: number(report["runs"]),
    milliseconds: number(report["milliseconds"]),
    invariants: invariants.map((entry: unknown) => {
      if (!isRecord(entry)) throw new TypeError("an invariant of this report is no object");
      const verdict = VERDICTS.find((known) => known === entry["verdict"]);
      if (verdict === undefined)
        throw new TypeError(`there is no verdict ${JSON.stringify(entry["verdict"])}`);
      return { id: text(entry["id"]), says: text(entry["says"]), verdict };
    }),
  };
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("a text is missing in this report");
  return value;
}

function number(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("a number is missing in this report");
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

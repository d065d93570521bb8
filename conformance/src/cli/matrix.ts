import { readFileSync } from "node:fs";
import { renderMatrix } from "../report/matrix.js";
import { readReport } from "../report/read-report.js";
import { UsageError } from "./usage-error.js";

/** The matrix of several JSON reports. @throws UsageError naming the file that is none */
export function matrixText(files: readonly string[]): string {
  const entries = files.map((file) => {
    try {
      return readReport(readFileSync(file, "utf8"));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UsageError(`${file}: ${reason}`, { cause: error });
    }
  });
  return renderMatrix(entries);
}

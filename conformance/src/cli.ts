#!/usr/bin/env node
import { HELP, readArguments } from "./cli/arguments.js";
import { listText } from "./cli/list.js";
import { matrixText } from "./cli/matrix.js";
import { EXIT, runDriver, runServer } from "./cli/run.js";
import { SubjectError, UsageError } from "./cli/usage-error.js";
import { watchDriver } from "./cli/watch.js";
import { visible, visibleLines } from "./report/plain.js";
import { kitVersion } from "./report/report-of.js";

async function main(args: readonly string[]): Promise<number> {
  const read = readArguments(args);
  switch (read.command) {
    case "help":
      process.stdout.write(HELP);
      return EXIT.passed;
    case "version":
      process.stdout.write(`${kitVersion()}\n`);
      return EXIT.passed;
    case "list":
      process.stdout.write(listText());
      return EXIT.passed;
    case "matrix":
      process.stdout.write(matrixText(read.files));
      return EXIT.passed;
    case "run":
      if ("server" in read.subject) return runServer({ ...read, ...read.subject });
      return read.watch ? watchDriver({ ...read, ...read.subject }) : runDriver({ ...read, ...read.subject });
  }
}

let code: number;
try {
  code = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`conformance: ${visible(error.message)}\n`);
    // Where it was thrown matters if it was thrown by what the author wrote.
    if (error instanceof SubjectError && error.cause instanceof Error)
      process.stderr.write(`${visibleLines(error.cause.stack ?? "").join("\n")}\n`);
  } else {
    process.stderr.write(
      `conformance: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
  }
  code = EXIT.untested;
}
// A driver that leaves something open must not keep the command from ending.
process.stdout.write("", () => process.exit(code));

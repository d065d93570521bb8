import path from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "./usage-error.js";

export const HELP = `Usage: conformance FILE [flags]
       conformance --server URL [flags]
       conformance matrix REPORT.json …

Checks the storage driver that FILE exports by default. FILE is JavaScript, or TypeScript where this Node runs it:

  import { openMine } from "./my-driver.js";

  export default {
    name: "mine",
    traits: { durable: true, shared: true, watch: false },
    createDatabase: async () => ({ url: "mine://…" }),
    open: (url) => openMine(url),
  };

With --server, checks a running server of any make against the HTTP and WebSocket interface; FASTPACA_API_KEY is its key.
It makes conversations of its own there, and erases them.

  --only LIST    invariants (CAS-2), families of them (CAS) or checks, separated by commas; may be repeated
  --runs X       scales how often every check runs; 1 by default, 10 for a night
  --seed N       where generation starts, a whole number; another one each time by default
  --path P       plays one failure again, as its report says; needs --only with one check
  --bail         stops at the first failure
  --watch        runs again whenever FILE or a file beside it changes, first what failed
  --report FILE  writes .json, .md, .html, or .svg (a badge); may be repeated
  --list         prints the invariants and the checks
  --help, --version

Ends with 0 if all is well, 1 if a promise was broken, 2 if the driver could not be tested, 130 if interrupted.
`;

const REPORTS = [".json", ".md", ".html", ".svg"] as const;

export interface RunArguments {
  readonly command: "run";
  /** What is checked, as it was given. */
  readonly subject: { readonly file: string } | { readonly server: string };
  readonly only: readonly string[];
  readonly runs: number;
  readonly seed?: number;
  readonly path?: string;
  readonly bail: boolean;
  readonly watch: boolean;
  readonly reports: readonly string[];
}

export type Arguments =
  | RunArguments
  | { readonly command: "help" | "version" | "list" }
  | { readonly command: "matrix"; readonly files: readonly string[] };

/** Reads a command line. @throws UsageError */
export function readArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parsed(args);
  if (values.help === true) return { command: "help" };
  if (values.version === true) return { command: "version" };
  if (values.list === true) return { command: "list" };
  const [file, ...rest] = positionals;
  if (file === "matrix") {
    if (rest.length === 0) throw new UsageError("matrix needs the JSON reports to put together");
    return { command: "matrix", files: rest };
  }
  const { server } = values;
  if (server !== undefined && (file !== undefined || values.watch === true)) {
    throw new UsageError("--server goes without a file and without --watch");
  }
  if (server !== undefined && !/^https?:\/\/./.test(server)) {
    throw new UsageError("--server is the URL of a server: http:// or https://");
  }
  const subject = server !== undefined ? { server } : file !== undefined ? { file } : undefined;
  if (subject === undefined) throw new UsageError("which file exports the driver? See --help");
  if (rest.length > 0) throw new UsageError(`one file at a time; ${rest.join(" ")} is too much`);
  const only = (values.only ?? []).flatMap((list) => list.split(",")).map((name) => name.trim());
  if (only.includes("")) throw new UsageError("--only has an empty entry");
  const reports = values.report ?? [];
  for (const report of reports) {
    if (!REPORTS.some((extension) => path.extname(report) === extension)) {
      throw new UsageError(`--report ${report}: the name has to end with one of ${REPORTS.join(", ")}`);
    }
  }
  const seed = values.seed === undefined ? undefined : readSeed(values.seed, "--seed");
  if (values.path !== undefined && seed === undefined) {
    throw new UsageError("--path belongs to a --seed: copy both from the report");
  }
  if (values.path !== undefined && !/^\d+(:\d+)*$/.test(values.path)) {
    throw new UsageError("--path is numbers with colons between them: copy it from the report");
  }
  return {
    command: "run",
    subject,
    only: only.map((name) => (/^[a-z]{3}(-\d+)?$/.test(name) ? name.toUpperCase() : name)),
    runs: values.runs === undefined ? 1 : readRuns(values.runs, "--runs"),
    ...(seed !== undefined && { seed }),
    ...(values.path !== undefined && { path: values.path }),
    bail: values.bail === true,
    watch: values.watch === true,
    reports,
  };
}

/** @throws UsageError */
export function readSeed(text: string, name: string): number {
  const seed = Number(text);
  if (!/^-?\d+$/.test(text) || seed !== (seed | 0)) {
    throw new UsageError(`${name} is a whole number from -2147483648 to 2147483647, and not ${text}`);
  }
  return seed;
}

/** @throws UsageError */
export function readRuns(text: string, name: string): number {
  const runs = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || !(runs > 0 && runs <= 10_000)) {
    throw new UsageError(`${name} is a number above 0 and up to 10000, and not ${text}`);
  }
  return runs;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...joinNegative(args)],
      allowPositionals: true,
      options: {
        only: { type: "string", multiple: true },
        runs: { type: "string" },
        seed: { type: "string" },
        path: { type: "string" },
        bail: { type: "boolean" },
        watch: { type: "boolean" },
        report: { type: "string", multiple: true },
        list: { type: "boolean" },
        server: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split(/\. |\n/)[0] ?? "") : String(error);
    throw new UsageError(`${reason}. See --help`, { cause: error });
  }
}

/** `--seed -5` as `--seed=-5`: seeds may be negative, and are copied with a space. */
function* joinNegative(args: readonly string[]): Generator<string> {
  for (let index = 0; index < args.length; index++) {
    const [argument = "", next = ""] = args.slice(index);
    if (argument === "--seed" && /^-\d/.test(next)) {
      yield `--seed=${next}`;
      index += 1;
    } else {
      yield argument;
    }
  }
}

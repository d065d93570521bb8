import { benchmarkHttp } from "./http.js";
import { benchmarkStream } from "./stream.js";

const BENCHMARKS: Readonly<Record<string, (short: boolean) => Promise<void>>> = {
  http: benchmarkHttp,
  stream: benchmarkStream,
};

const [name = "", ...flags] = process.argv.slice(2);
const benchmark = BENCHMARKS[name];
if (benchmark === undefined || flags.some((flag) => flag !== "--short")) {
  console.error(`Usage: pnpm bench ${Object.keys(BENCHMARKS).join("|")} [--short]`);
  process.exitCode = 2;
} else {
  await benchmark(flags.includes("--short"));
}

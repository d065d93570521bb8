import { benchmarkHttp } from "./http.js";

const [command, ...flags] = process.argv.slice(2);
if (command !== "http" || flags.some((flag) => flag !== "--short")) {
  console.error("Usage: pnpm bench http [--short]");
  process.exitCode = 2;
} else {
  await benchmarkHttp(flags.includes("--short"));
}

import { STORES } from "./databases.js";
import { benchmarkHttp } from "./http.js";
import { benchmarkStream } from "./stream.js";

const USAGE = `Usage: pnpm bench http [${STORES.join("|")}] [--short]
       pnpm bench stream [--short]`;

const [name = "", ...rest] = process.argv.slice(2);
const short = rest.includes("--short");
const words = rest.filter((word) => word !== "--short");
const store = STORES.find((known) => known === (words[0] ?? "memory"));

async function main(): Promise<void> {
  if (name === "http" && words.length <= 1 && store !== undefined) return benchmarkHttp(short, store);
  if (name === "stream" && words.length === 0) return benchmarkStream(short);
  console.error(USAGE);
  process.exitCode = 2;
}

await main();

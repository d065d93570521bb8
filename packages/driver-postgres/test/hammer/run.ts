// node test/hammer/run.ts [seconds] [processes]: the hammer for as long as you like, on a server of its own.
import { startPostgres } from "@fastpaca/test-backends/postgres";
import { hammer } from "./verify.ts";

const [seconds = "60", processes = "4"] = process.argv.slice(2);
const server = await startPostgres();
try {
  const { url } = await server.createDatabase();
  const { anomalies, ...counts } = await hammer(url, Number(processes), Number(seconds));
  console.log(server.origin, counts, anomalies.length === 0 ? "no anomalies" : anomalies.slice(0, 20));
  if (anomalies.length > 0) process.exitCode = 1;
} finally {
  await server.stop();
}

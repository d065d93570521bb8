// Starts a server, says where, and dies without cleaning up.
import pg from "pg";
import { startOwnPostgres } from "@fastpaca/test-backends/postgres";

const server = await startOwnPostgres();
const client = new pg.Client(server.url);
await client.connect();
const { rows } = await client.query("SHOW data_directory");
process.stdout.write(JSON.stringify({ url: server.url, folder: rows[0].data_directory }), () =>
  process.kill(process.pid, "SIGKILL"),
);

import { postgresOrSkip } from "@fastpaca/test-backends/postgres";

/** One server for all test files that do not need one of their own. */
export default async function (): Promise<() => Promise<void>> {
  const server = await postgresOrSkip();
  if (server !== undefined) process.env["FASTPACA_TEST_POSTGRES_URL"] = server.url;
  return async () => {
    await server?.stop();
  };
}

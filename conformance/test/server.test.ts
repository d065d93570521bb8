import { createServer, type RequestListener } from "node:http";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { obstacleAt } from "../dist/server/probe.js";
import { conformance } from "./command-of-server.js";

async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return `http://127.0.0.1:${port}`;
}

const says =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
  };

describe("what cannot be checked is said before anything is", () => {
  const refused = says(401, '{"error":"unauthorized","message":"no"}');

  test.each([
    ["no key", undefined, refused, /asks for an API key: set FASTPACA_API_KEY/],
    ["a wrong key", "wrong", refused, /does not accept the API key/],
    ["a web site", undefined, says(200, "<html>", { "content-type": "text/html" }), /no Fastpaca server/],
    [
      "a redirect",
      undefined,
      says(301, "", { location: "https://else.where" }),
      /leads to https:\/\/else\.where/,
    ],
    [
      "a rate limit",
      undefined,
      says(200, '{"conversations":[]}', { "x-ratelimit-limit": "5" }),
      /limits the rate/,
    ],
  ] as const)("%s", async (_name, apiKey, answer, sentence) => {
    const url = await listen(answer);
    expect(await obstacleAt({ url, apiKey })).toMatch(sentence);
    const { code, stderr, stdout } = await conformance(["--server", url], apiKey);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(sentence);
  });

  test("nobody answers", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    const { code, stderr } = await conformance(["--server", `http://127.0.0.1:${port}`], undefined);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no server answers at/);
  });

  test.each([
    ["what speaks of errors as it should", says(404, '{"error":"not_found","message":"no"}')],
    ["what lives", says(200, '{"status":"ok"}')],
  ])("%s is checked", async (_name, answer) => {
    expect(await obstacleAt({ url: await listen(answer) })).toBeUndefined();
  });
});

import http from "node:http";
import https from "node:https";
import { randomBytes } from "node:crypto";
import { answerOf, type Answer } from "./answer.js";

/** Asks for a WebSocket that should be refused. @returns the answer in place of the upgrade; undefined where it was done */
export async function askToUpgrade(
  url: string,
  headers: Readonly<Record<string, string>>,
  milliseconds: number,
): Promise<Answer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>();
  const { request } = url.startsWith("https:") ? https : http;
  const asked = request(url, {
    headers: {
      ...headers,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
    },
    signal: AbortSignal.timeout(milliseconds),
  });
  asked.on("error", reject);
  asked.on("upgrade", (_response, socket) => {
    socket.destroy();
    resolve(undefined);
  });
  asked.on("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("error", reject);
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => {
      const got = new Headers();
      for (const [name, value] of Object.entries(response.headers)) {
        if (value !== undefined) got.set(name, String(value));
      }
      resolve(answerOf(response.statusCode ?? 0, got, Buffer.concat(chunks).toString("utf8")));
    });
  });
  asked.end();
  try {
    return await promise;
  } finally {
    asked.destroy();
  }
}

import { asFields, answerOf, type Answer } from "./answer.js";
import { originOf, type ServerUnderTest } from "./server-world.js";

/** Milliseconds that the first answer may take. */
const DEADLINE = 10_000;

/**
 * Whether there is a server that can be checked. What a wrong server does is for the checks to find; this is about one
 * that is not there, is none of this kind, or does not let the kit in.
 * @returns what is in the way, as a sentence; undefined when nothing is
 */
export async function obstacleAt(server: ServerUnderTest): Promise<string | undefined> {
  const { url, apiKey } = server;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return `${url} is no URL of a server`;
  const { search, hash, username } = new URL(url);
  if (search !== "" || hash !== "" || username !== "") {
    return `${new URL(url).origin} has to be given without a query, a fragment and a user; the API key is FASTPACA_API_KEY`;
  }
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  try {
    const list = await get(`${originOf(server)}/v1/conversations?limit=1`, headers);
    const { status, body } = list;
    if (status === 401 || status === 403) {
      return apiKey === undefined
        ? `the server at ${url} asks for an API key: set FASTPACA_API_KEY`
        : `the server at ${url} does not accept the API key in FASTPACA_API_KEY`;
    }
    const location = list.headers.get("location");
    if (status >= 300 && status < 400)
      return `${url} leads to ${location ?? "nowhere"}: name the server itself`;
    if (status === 429 || list.headers.has("x-ratelimit-limit")) {
      return `the server at ${url} limits the rate of requests: start it without, or the checks measure the limit`;
    }
    if (Array.isArray(body["conversations"]) || typeof body["error"] === "string") return undefined;
    const health = await get(`${originOf(server)}/health/live`, {});
    if (health.body["status"] === "ok") return undefined;
    const type = list.headers.get("content-type") ?? "no type";
    return `what answers at ${url} is no Fastpaca server: GET /v1/conversations is ${status}, ${type}`;
  } catch (cause) {
    return `no server answers at ${url}: ${reasonOf(cause)}`;
  }
}

async function get(url: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const response = await fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(DEADLINE) });
  return answerOf(response.status, response.headers, await response.text());
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `nothing came in ${DEADLINE / 1000} s`;
  const { code }: { code?: unknown } = asFields(error.cause);
  const { cause } = error;
  if (cause instanceof Error) return cause.message === "" ? String(code) : cause.message;
  return error.message;
}

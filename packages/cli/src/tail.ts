import { once } from "node:events";
import { createClient, FastpacaError, type Context, type Conversation } from "@fastpaca/fastpaca";
import { describeEvent } from "./describe-event.js";
import { parseFlags, SettingsError } from "./settings.js";

export const TAIL_HELP = `Usage: fastpaca tail ID [flags]

Prints what happens to a conversation or context, as it happens.

  --cursor N   begin behind version N; 0: at the beginning (default: from now on)
  --json       one JSON object per line, as the stream tells it
  --url URL    where the server is; also FASTPACA_URL (default: http://localhost:4000/v1)

An API key is taken from FASTPACA_API_KEY.
`;

const DEFAULT_URL = "http://localhost:4000/v1";

/** Follows a stream until it ends, or until the process is told to. */
export async function tail(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { id, cursor, json, url } = readArguments(args, env);
  const [context, conversation] = handlesOn(id, url, env["FASTPACA_API_KEY"]?.split(",")[0]?.trim());
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  // Whoever read the output has seen enough.
  process.stdout.once("error", () => stop.abort());
  try {
    const handle = await open(context, conversation, stop.signal);
    for await (const event of handle.stream({ cursor, signal: stop.signal })) {
      const line = json ? JSON.stringify(event) : describeEvent(event, process.stdout.isTTY);
      if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain", { signal: stop.signal });
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

/** @throws SettingsError for what cannot be an id, a URL or a key */
function handlesOn(id: string, baseUrl: string, apiKey: string | undefined): [Context, Conversation] {
  try {
    const client = createClient({ baseUrl, apiKey });
    return [client.openContext(id), client.openConversation(id)];
  } catch (cause) {
    throw FastpacaError.is(cause) ? new SettingsError(cause.message, { cause }) : cause;
  }
}

/** The context of an id, which tells more, or the conversation where it has none. */
async function open(
  context: Context,
  conversation: Conversation,
  signal: AbortSignal,
): Promise<Conversation> {
  try {
    await context.info({ signal });
    return context;
  } catch (error) {
    if (!FastpacaError.is(error, "not_found")) throw error;
    return conversation;
  }
}

interface Arguments {
  readonly id: string;
  readonly cursor: number | undefined;
  readonly json: boolean;
  readonly url: string;
}

function readArguments(args: readonly string[], env: NodeJS.ProcessEnv): Arguments {
  const { values, positionals } = parseFlags("tail", args, {
    cursor: { type: "string" },
    json: { type: "boolean", default: false },
    url: { type: "string" },
  });
  const [id, ...rest] = positionals;
  if (id === undefined || rest.length > 0)
    throw new SettingsError("tail takes one id; see fastpaca tail --help");
  const { cursor, json, url = env["FASTPACA_URL"] || DEFAULT_URL } = values;
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor))
    throw new SettingsError("--cursor must be a version: 0 or more");
  return { id, cursor: cursor === undefined ? undefined : Number(cursor), json, url };
}

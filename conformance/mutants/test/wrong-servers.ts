import { setImmediate as pause } from "node:timers/promises";
import type { Frame } from "@fastpaca/core";
import { frame, type Asked, type Json, type Stream, type Tampering, type Told } from "./wrong-server.js";

export interface WrongServer {
  readonly name: string;
  /** Any of them says what is wrong. */
  readonly invariants: readonly string[];
  /** A new one for each server, because some remember. */
  readonly tampering: () => Tampering;
  readonly apiKey?: string;
}

type Send = (asked: Asked) => Promise<Told>;

/** A server whose answers to some requests are changed. */
function telling(
  name: string,
  invariants: string,
  route: RegExp,
  change: (told: Told, asked: Asked) => void,
): WrongServer {
  return asking(name, invariants, route, async (asked, send) => {
    const told = await send(asked);
    change(told, asked);
    return told;
  });
}

/** A server that does something else for some requests. @param route of `METHOD URL` */
function asking(
  name: string,
  invariants: string,
  route: RegExp,
  answer: (asked: Asked, send: Send) => Promise<Told>,
  apiKey?: string,
): WrongServer {
  return {
    name,
    invariants: invariants.split(" "),
    ...(apiKey !== undefined && { apiKey }),
    tampering: () => ({
      answer: async (asked, send) => {
        if (!route.test(`${asked.method} ${asked.url}`)) return send(asked);
        return rendered(await answer(asked, send));
      },
    }),
  };
}

/** A server whose streams tell something else. */
function streaming(
  name: string,
  invariants: string,
  frames: (frames: readonly Frame[], stream: Stream) => readonly Frame[],
): WrongServer {
  return { name, invariants: invariants.split(" "), tampering: () => ({ frames }) };
}

/** Changes of the body stand in the text, changes of the text win. */
function rendered(told: Told): Told {
  if (told.status === 204 || told.status === 304 || told.text === "") return told;
  const isJson = (told.headers["content-type"] ?? "").startsWith("application/json");
  return isJson && told.text.startsWith("{") ? { ...told, text: JSON.stringify(told.body) } : told;
}

const refusal = (status: number, error: string): Told => ({
  status,
  headers: { "content-type": "application/json" },
  text: "{}",
  body: { error, message: "no" },
});
const path = (url: string): string => url.split("?")[0] ?? "";
const record = (url: string): string => path(url).split("/").slice(0, 4).join("/");
const get = (asked: Asked, url: string): Asked => ({
  method: "GET",
  url,
  headers: { ...asked.headers, "content-type": "" },
  body: undefined,
});
const query = (asked: Asked, name: string, change: (value: string) => string | undefined): Asked => {
  const url = new URL(asked.url, "http://x");
  const value = url.searchParams.get(name);
  if (value === null) return asked;
  const changed = change(value);
  if (changed === undefined) url.searchParams.delete(name);
  else url.searchParams.set(name, changed);
  return { ...asked, url: `${url.pathname}${url.search}` };
};
const without = (asked: Asked, field: string): Asked => {
  const { [field]: dropped, ...body } = asked.body ?? {};
  // What is only passed on stays as it was sent: it may be nested too deeply to be written again.
  return dropped === undefined ? asked : { ...asked, body };
};

const APPEND = /^POST .*\/messages$/;
const READ = /^GET \/v1\/\w+\/[^/?]+$/;

export const WRONG_SERVERS: readonly WrongServer[] = [
  // Form.
  telling("creates with 200", "CRE-1 HTT-6", /^PUT/, (told) => {
    if (told.status === 201) told.status = 200;
  }),
  telling("answers appends with 200", "APP-1 APP-5 HTT-6", APPEND, (told) => {
    if (told.status === 201) told.status = 200;
  }),
  telling("refuses without a code", "HTT-1", /./, (told) => {
    delete told.body["error"];
  }),
  telling("refuses in HTML", "HTT-1", /./, (told) => {
    if (told.status === 404) {
      told.headers["content-type"] = "text/html";
      told.text = "<html>not found</html>";
    }
  }),
  telling("refuses with nothing", "HTT-2", /./, (told) => {
    if (told.status >= 400) told.text = "";
  }),
  telling("refuses with another code", "HTT-1", /./, (told) => {
    if (told.status === 413) told.body["error"] = "invalid_request";
  }),
  telling("shows its stack", "HTT-1", /./, (told) => {
    if (told.status === 400) told.body["message"] = "Error\n    at f (file:///s.js:1:2)";
  }),
  asking("fails on odd input", "HTT-3", /./, async (asked, send) => {
    const told = await send(asked);
    return told.status === 400 && told.body["field"] === "body" ? refusal(500, "internal") : told;
  }),
  asking("fails on large numbers", "HTT-3", /[=]\d{16,}/, async () => refusal(500, "internal")),
  telling("names no field", "HTT-4", /./, (told) => {
    delete told.body["field"];
  }),
  asking("takes unknown fields", "HTT-4", /./, async (asked, send) => {
    const told = await send(asked);
    const { field } = told.body;
    return told.status === 400 &&
      typeof field === "string" &&
      asked.body?.[field] !== undefined &&
      field.includes("_")
      ? send(without(asked, field))
      : told;
  }),
  telling("is not ready", "HTT-5", /health\/ready/, (told) => {
    told.body["status"] = "fine";
  }),
  asking("takes a role that is too long", "HTT-6", APPEND, async (asked, send) => {
    const role: unknown = asked.body?.["message"]?.["role"];
    return typeof role === "string" && role.length === 65
      ? send({ ...asked, body: { message: { ...asked.body?.["message"], role: "long" } } })
      : send(asked);
  }),
  asking("answers HEAD with 404", "HTT-7", /^HEAD/, async () => ({ ...refusal(404, "not_found"), text: "" })),

  // Keys to the server.
  asking(
    "shows its metrics to everybody",
    "AUT-1",
    /metrics/,
    (asked, send) => send({ ...asked, headers: { ...asked.headers, authorization: "Bearer secret" } }),
    "secret",
  ),
  asking(
    "takes any key",
    "AUT-1",
    /./,
    (asked, send) =>
      send(
        asked.headers["authorization"] === undefined
          ? asked
          : { ...asked, headers: { ...asked.headers, authorization: "Bearer secret" } },
      ),
    "secret",
  ),
  {
    name: "opens streams for everybody",
    invariants: ["AUT-1"],
    apiKey: "secret",
    tampering: () => ({
      upgrade: (request) => {
        request.headers.authorization = "Bearer secret";
      },
    }),
  },

  // Records.
  telling("leaves out updated_at", "CRE-1 CRE-5 LOG-2", /^(GET|PUT|PATCH)/, (told) => {
    delete told.body["updated_at"];
  }),
  telling("gives an id in another form", "CRE-1 CRE-6 LOG-2", /^(GET|PUT|PATCH)/, (told) => {
    if (typeof told.body["id"] === "string") told.body["id"] = told.body["id"].normalize("NFC").toLowerCase();
  }),
  asking("takes ids that look alike for one", "CRE-6 CRE-1", /%CC%81/i, (asked, send) =>
    send({ ...asked, url: asked.url.replaceAll(/e%CC%81/gi, "%C3%A9") }),
  ),
  asking("creates what is appended to", "CRE-2", APPEND, async (asked, send) => {
    const told = await send(asked);
    if (told.status !== 404) return told;
    await send({ ...asked, method: "PUT", url: record(asked.url), body: {} });
    return send(asked);
  }),
  telling("counts creation as an event", "CRE-3", /^(GET|PUT)/, ({ body }) => {
    if (body["last_seq"] === 0 && body["version"] === 0) body["version"] = 1;
  }),
  asking("replaces metadata at a patch", "CRE-4", /^PATCH/, async (asked, send) => {
    const told = await send(asked);
    if (told.status !== 200) return told;
    return send({ ...asked, method: "PUT", url: record(asked.url), body: asked.body });
  }),
  asking("patches by reading and writing", "CRE-4", /^PATCH/, async (asked, send) => {
    const before = await send(get(asked, record(asked.url)));
    const told = await send(asked);
    if (told.status !== 200) return told;
    await pause();
    const metadata = { ...before.body["metadata"] };
    for (const [name, value] of Object.entries(asked.body?.["metadata"] ?? {})) metadata[name] = value;
    const patched = told.body["metadata"];
    for (const name of Object.keys(metadata)) {
      if (patched[name] === undefined) delete metadata[name];
      else metadata[name] = patched[name];
    }
    return send({ ...asked, method: "PUT", url: record(asked.url), body: { metadata } });
  }),
  asking("resets what a PUT leaves out", "CRE-5", /^PUT .*contexts/, (asked, send) =>
    send(
      asked.body?.["policy"]?.strategy === "manual"
        ? { ...asked, body: { trigger_ratio: 0.6, ...asked.body } }
        : asked,
    ),
  ),
  {
    name: "tells everybody that they created it",
    invariants: ["CRE-1"],
    tampering: () => {
      const creating = new Set<string>();
      return {
        answer: async (asked, send) => {
          if (asked.method !== "PUT") return send(asked);
          const there = (await send(get(asked, asked.url))).status === 200;
          if (!there) creating.add(asked.url);
          await pause();
          const told = await send(asked);
          return !there && told.status === 200 ? { ...told, status: 201 } : told;
        },
      };
    },
  },
  telling("has one ETag for everything", "LOG-3 CRE-5", /./, ({ headers }) => {
    if (headers["etag"] !== undefined) headers["etag"] = '"1"';
  }),
  asking("never says that nothing changed", "LOG-3", READ, async (asked, send) => {
    const { "if-none-match": _tag, ...headers } = asked.headers;
    return send({ ...asked, headers });
  }),
  asking("always says that nothing changed", "LOG-3", /^GET .*\/(tail|context)$/, async (asked, send) => {
    const told = await send(asked);
    if (asked.headers["if-none-match"] !== undefined && told.status === 200) {
      return { status: 304, headers: { etag: asked.headers["if-none-match"] }, text: "", body: {} };
    }
    return told;
  }),

  // The list.
  asking("does not filter the list", "LOG-2", /^GET \/v1\/conversations\?.*tier/, (asked, send) =>
    send(query(asked, "metadata.tier", () => undefined)),
  ),
  asking("filters by one label only", "LOG-2", /^GET \/v1\/conversations\?.*vip/, (asked, send) =>
    send(query(asked, "metadata.vip", () => undefined)),
  ),
  asking(
    "repeats the first of a page",
    "LOG-2",
    /^GET \/v1\/conversations\?.*cursor=/,
    async (asked, send) => {
      const [first, told] = [await send(query(asked, "cursor", () => undefined)), await send(asked)];
      if (told.status === 200) told.body["conversations"].push(first.body["conversations"][0]);
      return told;
    },
  ),
  telling("loses the last of a page", "LOG-2", /^GET \/v1\/conversations\?/, ({ body }) => {
    if (body["cursor"] !== undefined && body["conversations"].length > 1) body["conversations"].pop();
  }),
  telling("lists the oldest first", "LOG-2", /^GET \/v1\/conversations\?/, ({ body }) => {
    body["conversations"]?.sort((a: Json, b: Json) => (a.updated_at < b.updated_at ? -1 : 1));
  }),
  asking("goes on from any cursor", "LOG-2", /^GET \/v1\/conversations\?cursor=nowhere/, (asked, send) =>
    send(query(asked, "cursor", () => undefined)),
  ),

  // Appends.
  telling("tells the first seq of a batch", "APP-1 APP-2 APP-5", APPEND, (told, { body }) => {
    const count: number = body?.["messages"]?.length ?? 1;
    if (told.status === 201) told.body["seq"] -= count - 1;
  }),
  {
    name: "leaves gaps between seqs",
    invariants: ["APP-1", "LOG-1", "APP-2", "CRE-3", "APP-3", "APP-7", "APP-5"],
    tampering: () => ({
      answer: async (asked, send) => {
        const told = await send(asked);
        const gap = (seq: number): number => seq + Math.floor(seq / 3);
        if (told.body["seq"] !== undefined) told.body["seq"] = gap(told.body["seq"]);
        for (const message of told.body["messages"] ?? [])
          if (message.seq !== undefined) message.seq = gap(message.seq);
        return rendered(told);
      },
    }),
  },
  asking("appends a batch one by one", "APP-2 HTT-4", APPEND, async (asked, send) => {
    const messages: unknown = asked.body?.["messages"];
    if (!Array.isArray(messages) || messages.length === 0 || Object.keys(asked.body ?? {}).length > 1)
      return send(asked);
    let told = refusal(400, "invalid_request");
    for (const [at, message] of messages.entries()) {
      told = await send({ ...asked, body: { message } });
      if (told.status !== 201) {
        told.body["field"] = String(told.body["field"]).replace("message", `messages[${at}]`);
        return told;
      }
      await pause();
    }
    return told;
  }),
  asking("drops if_version", "APP-4 HTT-4", APPEND, async (asked, send) =>
    send(
      typeof asked.body?.["if_version"] === "number" && asked.body["if_version"] >= 0
        ? without(asked, "if_version")
        : asked,
    ),
  ),
  asking("looks at the version, then appends", "APP-4", APPEND, async (asked, send) => {
    const wanted: unknown = asked.body?.["if_version"];
    if (typeof wanted !== "number" || wanted < 0 || asked.body?.["idempotency_key"] !== undefined)
      return send(asked);
    const { body } = await send(get(asked, record(asked.url)));
    if (body["version"] !== wanted) return send(asked);
    await pause();
    return send(without(asked, "if_version"));
  }),
  telling("tells losers a stale version", "APP-4 WIN-6", /./, (told, { body }) => {
    if (told.status === 409) told.body["version"] = body?.["if_version"] ?? 0;
  }),
  {
    name: "loses an append now and then",
    invariants: ["APP-3", "APP-1", "APP-2", "STR-1", "WIN-1", "LOG-1", "CRE-3"],
    tampering: () => {
      let running = 0;
      return {
        answer: async (asked, send) => {
          if (!APPEND.test(`${asked.method} ${asked.url}`)) return send(asked);
          running += 1;
          try {
            if (running <= 2 || asked.body?.["if_version"] !== undefined) return await send(asked);
            const { body } = await send(get(asked, record(asked.url)));
            const at = Number(body["last_seq"]) + (asked.body?.["messages"]?.length ?? 1);
            await pause();
            const told = refusal(201, "");
            return rendered({ ...told, body: { seq: at, version: at, token_count: 1, token_estimate: 1 } });
          } finally {
            running -= 1;
          }
        },
      };
    },
  },
  asking("forgets keys", "APP-5 APP-6 LOG-3", APPEND, (asked, send) => {
    const { "idempotency-key": key, ...headers } = asked.headers;
    const good =
      typeof asked.body?.["idempotency_key"] === "string" && asked.body["idempotency_key"].length < 200;
    return send(
      key === undefined && good && asked.body?.["idempotency_key"] !== ""
        ? without({ ...asked, headers }, "idempotency_key")
        : asked,
    );
  }),
  asking("does not look at the header", "APP-5", APPEND, (asked, send) => {
    const { "idempotency-key": _key, ...headers } = asked.headers;
    return send({ ...asked, headers });
  }),
  telling("does not say deduplicated", "APP-5 APP-6", APPEND, ({ body }) => {
    delete body["deduplicated"];
  }),
  asking("looks at if_version before the key", "APP-5", APPEND, async (asked, send) => {
    const wanted: unknown = asked.body?.["if_version"];
    if (typeof wanted !== "number" || wanted < 0) return send(asked);
    const { status, body } = await send(get(asked, record(asked.url)));
    if (status !== 200 || body["version"] === wanted) return send(asked);
    const refused = refusal(409, "conflict");
    return { ...refused, body: { ...refused.body, version: body["version"] } };
  }),
  asking("looks at the tombstone before the key", "APP-5", APPEND, async (asked, send) => {
    const { body } = await send(get(asked, record(asked.url)));
    return body["tombstoned"] === true ? refusal(410, "tombstoned") : send(asked);
  }),
  telling("answers another content as the first time", "APP-5 APP-6", APPEND, (told) => {
    if (told.status !== 422) return;
    told.status = 201;
    told.body = { seq: 1, version: 1, token_count: 1, token_estimate: 1, deduplicated: true };
  }),
  {
    name: "remembers keys too late",
    invariants: ["APP-6"],
    tampering: () => {
      const known = new Map<string, Promise<Told>>();
      return {
        answer: async (asked, send) => {
          const key: unknown = asked.body?.["idempotency_key"];
          if (!APPEND.test(`${asked.method} ${asked.url}`) || !/^k\d$/.test(String(key))) return send(asked);
          const name = `${asked.url} ${JSON.stringify(asked.body)}`;
          const before = known.get(name);
          await pause();
          if (before !== undefined) return send(asked);
          const told = await send(without(asked, "idempotency_key"));
          known.set(name, Promise.resolve(told));
          return told;
        },
      };
    },
  },
  asking("mends lone surrogates", "APP-7", APPEND, (asked, send) =>
    send(
      asked.body === undefined || asked.body["message"]?.parts === undefined
        ? asked
        : {
            ...asked,
            body: JSON.parse(JSON.stringify(asked.body), (_name, value) =>
              typeof value === "string" ? value.toWellFormed() : value,
            ),
          },
    ),
  ),
  telling("drops fields that it does not know", "APP-7", /^GET .*\/tail/, ({ body }) => {
    for (const message of body["messages"] ?? []) {
      for (const name of Object.keys(message)) {
        if (!["role", "parts", "seq", "version", "inserted_at", "token_count"].includes(name))
          delete message[name];
      }
    }
  }),
  asking("counts tokens itself", "APP-8 HTT-4 HTT-6 CRE-4", APPEND, (asked, send) => {
    const count = (message: Json): object => ({
      ...message,
      ...(message?.token_count > 1 && message.token_count <= 1e9 && { token_count: message.token_count + 1 }),
    });
    const { message, messages } = asked.body ?? {};
    if (message !== undefined && typeof message === "object")
      return send({ ...asked, body: { ...asked.body, message: count(message) } });
    if (!Array.isArray(messages) || messages.some((one) => one?.parts === undefined)) return send(asked);
    return send({ ...asked, body: { ...asked.body, messages: messages.map(count) } });
  }),
  telling("keeps inserted_at in milliseconds", "APP-8", /^GET .*\/(tail|messages)/, ({ body }) => {
    for (const message of body["messages"] ?? []) message.inserted_at = Date.parse(message.inserted_at);
  }),

  // Reads.
  telling("shows the newest of the tail first", "LOG-1 APP-5", /^GET .*\/tail/, ({ body }) => {
    body["messages"]?.reverse();
  }),
  asking("leaves out one too many", "LOG-1", /^GET .*\/tail\?.*offset=\d/, (asked, send) =>
    send(query(asked, "offset", (offset) => `${Number(offset) + 1}`)),
  ),
  asking("begins behind from", "LOG-1 APP-3", /^GET .*\/messages\?.*from/, (asked, send) =>
    send(query(asked, "from", (from) => (Number(from) > 1 ? `${Number(from) + 1}` : from))),
  ),
  asking("counts the tail from the front", "LOG-1", /^GET .*\/tail\?.*offset.*limit=[1-9]/, (asked, send) => {
    const url = new URL(asked.url, "http://x");
    return send(get(asked, `${path(asked.url)}?limit=1000`)).then((told) => {
      const offset = Number(url.searchParams.get("offset") ?? 0);
      const limit = Number(url.searchParams.get("limit") ?? 100);
      told.body["messages"] = told.body["messages"]?.slice(offset, offset + limit);
      return told;
    });
  }),
  asking("has pages of 50", "LOG-1", /^GET .*\/(tail|messages)$/, (asked, send) =>
    send({ ...asked, url: `${asked.url}?limit=50` }),
  ),
  asking("tells the present version on every page", "LOG-4", /^GET .*\/messages\?/, async (asked, send) => {
    const told = await send(asked);
    if (told.status === 200)
      told.body["version"] = (await send(get(asked, record(asked.url)))).body["version"];
    return told;
  }),
  telling("tells the last message's version on the last page", "LOG-4", /^GET .*\/messages\?/, ({ body }) => {
    const last = body["messages"]?.at(-1);
    if (last !== undefined) body["version"] = last.version;
  }),

  // The window.
  telling("counts one token too many", "WIN-2 WIN-3", /^GET .*\/context(\?|$)/, ({ body }) => {
    if (body["used_tokens"] > 0) body["used_tokens"] += 1;
  }),
  telling("is due at the trigger already", "WIN-2 WIN-3", /^GET .*\/context(\?|$)/, ({ body }) => {
    body["needs_compaction"] = body["used_tokens"] > 0;
  }),
  telling("shows one message less", "WIN-1", /^GET .*\/context(\?|$)/, ({ body }) => {
    const { messages } = body;
    if (messages?.length > 2 && messages[0].seq !== undefined)
      body["used_tokens"] -= messages.shift().token_count;
  }),
  asking(
    "stores a reader's budget",
    "WIN-3 LOG-3 CRE-3",
    /^GET .*\/context\?budget_tokens=\d/,
    async (asked, send) => {
      const budget = Number(new URL(asked.url, "http://x").searchParams.get("budget_tokens"));
      const told = await send(asked);
      if (told.status === 200) {
        await send({
          ...asked,
          method: "PUT",
          url: record(asked.url),
          headers: { "content-type": "application/json" },
          body: { token_budget: budget },
        });
      }
      return told;
    },
  ),
  asking("ignores a reader's budget", "WIN-3 HTT-4", /^GET .*\/context\?budget_tokens=[1-9]/, (asked, send) =>
    send(query(asked, "budget_tokens", () => undefined)),
  ),
  asking("compacts what came later", "WIN-4", /^POST .*\/compact/, (asked, send) => {
    const { through_seq: through } = asked.body ?? {};
    return send(through === undefined || through === 0 ? asked : without(asked, "through_seq")).then((told) =>
      told.status === 200 && through > 1e6 ? refusal(400, "invalid_request") : told,
    );
  }),
  asking("lets an older compaction win", "WIN-4", /^POST .*\/compact/, async (asked, send) => {
    const told = await send(asked);
    if (told.status !== 409 || asked.body?.["if_version"] !== undefined) return told;
    return { ...told, status: 200, body: { version: told.body["version"] } };
  }),
  asking("does not bring anything back at a reset", "WIN-5 CRE-3", /^POST .*\/reset/, async (asked, send) => {
    const before = await send(get(asked, `${record(asked.url)}/context`));
    const told = await send(asked);
    if (told.status === 200 && before.body["segments"]?.[0]?.type === "summary") {
      const { messages } = before.body;
      const { to_seq: through } = before.body["segments"][0];
      const replacement = messages.filter(({ seq }: Json) => seq === undefined);
      await send({
        ...asked,
        url: `${record(asked.url)}/compact`,
        headers: { ...asked.headers, "content-type": "application/json" },
        body: { replacement, through_seq: through },
      });
    }
    return told;
  }),
  asking("ignores if_version of a read", "WIN-6", /^GET .*\/context\?if_version=\d/, (asked, send) =>
    send(query(asked, "if_version", () => undefined)),
  ),
  asking("ignores if_version of a compaction", "WIN-6", /^POST .*\/compact/, (asked, send) =>
    send(without(asked, "if_version")),
  ),

  // The end.
  asking("makes a second tombstone 404", "END-1", /^DELETE [^?]*$/, async (asked, send) => {
    const { body } = await send(get(asked, asked.url));
    return body["tombstoned"] === true ? refusal(404, "not_found") : send(asked);
  }),
  asking("patches tombstones", "END-1", /^PATCH/, async (asked, send) => {
    const told = await send(asked);
    return told.status === 410 ? send(get(asked, record(asked.url))) : told;
  }),
  asking("hides tombstones", "END-1 LOG-3 APP-5 LOG-2 STR-4", /^(GET|DELETE) /, async (asked, send) => {
    const told = await send(asked);
    return told.body["tombstoned"] === true ? refusal(404, "not_found") : told;
  }),
  asking("tombstones at a purge", "END-2 CRE-2 LOG-2 STR-4", /^DELETE .*purge=true/, (asked, send) =>
    send(query(asked, "purge", () => undefined)),
  ),
  {
    name: "lists what was purged",
    invariants: ["END-2", "LOG-2"],
    tampering: () => {
      const purged: Json[] = [];
      return {
        answer: async (asked, send) => {
          if (/^DELETE .*purge=true/.test(`${asked.method} ${asked.url}`)) {
            const { status, body } = await send(
              get(asked, record(asked.url).replace("contexts", "conversations")),
            );
            if (status === 200) purged.push(body);
          }
          const told = await send(asked);
          const run = new URL(asked.url, "http://x").searchParams.get("metadata.run");
          if (
            run !== null &&
            path(asked.url) === "/v1/conversations" &&
            told.body["conversations"]?.length === 0
          ) {
            told.body["conversations"] = purged.filter(({ metadata }) => metadata.run === run);
          }
          return rendered(told);
        },
      };
    },
  },
  {
    name: "starts revisions anew",
    invariants: ["END-2", "LOG-3"],
    tampering: () => {
      const base = new Map<string, number>();
      return {
        answer: async (asked, send) => {
          const id = record(asked.url).split("/")[3] ?? "";
          const told = await send(asked);
          const tag = Number(told.headers["etag"]?.slice(1, -1));
          if (asked.method === "PUT" && told.status === 201 && tag > 3) base.set(id, tag - 1);
          if (told.headers["etag"] !== undefined) told.headers["etag"] = `"${tag - (base.get(id) ?? 0)}"`;
          return told;
        },
      };
    },
  },

  // Streams.
  streaming("leaves out a message now and then", "STR-1", (frames) =>
    frames.filter(({ type, version }) => type !== "message" || version % 3 !== 2),
  ),
  streaming("tells a message twice", "STR-1", (frames) =>
    frames.flatMap((one) => (one.type === "message" && one.version % 3 === 2 ? [one, one] : [one])),
  ),
  streaming("turns two messages around", "STR-1", (frames) =>
    frames.every(({ type }) => type === "message") ? frames.toReversed() : frames,
  ),
  streaming("tells the batch as one", "STR-1", (frames) =>
    frames.filter(({ type }, at) => type !== "message" || frames[at + 1]?.type !== "message"),
  ),
  {
    name: "begins at the cursor",
    invariants: ["STR-1", "STR-3"],
    tampering: () => ({
      stream: (input) => ({
        ...input,
        ...(input.cursor !== undefined && input.cursor > 0 && { cursor: input.cursor - 1 }),
      }),
    }),
  },
  {
    name: "begins one behind the cursor",
    invariants: ["STR-1", "STR-3", "STR-4"],
    tampering: () => ({ stream: (input) => ({ ...input, ...(input.cursor === 1 && { cursor: 2 }) }) }),
  },
  {
    name: "begins at the beginning without a cursor",
    invariants: ["STR-1"],
    tampering: () => ({ stream: (input) => ({ cursor: 0, ...input }) }),
  },
  streaming("has no frame for a reset", "STR-1 STR-2", (frames) =>
    frames.filter(({ type }) => type !== "reset"),
  ),
  streaming("tells the state of the window wrongly", "STR-2", (frames) =>
    frames.map((one) =>
      one.type === "context"
        ? frame({ ...JSON.parse(one.json), needs_compaction: false, used_tokens: 1 })
        : one,
    ),
  ),
  streaming("tells states to conversations", "STR-2 STR-1", (frames, { surface }) =>
    surface === "contexts"
      ? frames
      : frames.flatMap((one) =>
          one.type === "message"
            ? [one, frame({ type: "context", version: one.version, used_tokens: 1, needs_compaction: false })]
            : [one],
        ),
  ),
  {
    name: "tells messages to those who want none",
    invariants: ["STR-2"],
    tampering: () => ({ stream: (input) => ({ ...input, include_messages: true }) }),
  },
  streaming("has no gap", "STR-3", (frames) => frames.filter(({ type }) => type !== "gap")),
  streaming("has a gap that is off by one", "STR-3", (frames) =>
    frames.map((one) => {
      if (one.type !== "gap") return one;
      const fields = JSON.parse(one.json);
      return frame({ ...fields, expected: fields.expected - 1 }, fields.actual);
    }),
  ),
  streaming("says nothing behind a gap", "STR-3", (frames, { input, told }) =>
    told > 0 && Number(input.cursor) > 2 && frames[0]?.version === 3 ? [] : frames,
  ),
  streaming("ends without tombstoned", "STR-4", (frames) =>
    frames.map((one) => (one.type === "tombstoned" ? frame({ type: "reset", version: 1e6 }) : one)),
  ),
  streaming("does not close behind tombstoned", "STR-4", (frames) =>
    frames.flatMap((one) => (one.type === "tombstoned" ? [one, frame({ type: "ping" })] : [one])),
  ),
  streaming("gives events no id", "STR-6", (frames) =>
    frames.map((one) =>
      Object.assign(frame(JSON.parse(one.json)), {
        eventBytes: Buffer.from(`event: ${one.type}\ndata: ${one.json}\n\n`),
      }),
    ),
  ),
  {
    name: "upgrades what is not there",
    invariants: ["STR-5"],
    tampering: () => ({
      upgrade: (request) => {
        request.url = request.url?.replace("cursor=-1", "cursor=1") ?? "";
      },
    }),
  },
];

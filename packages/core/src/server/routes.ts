import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { FastpacaError } from "../errors.js";
import * as schemas from "../schemas.js";
import { isObject } from "../semantics/json-text.js";
import type {
  AppendInput,
  CompactInput,
  PatchMetadataInput,
  PutContextInput,
  PutConversationInput,
} from "../store/check.js";
import type { Document } from "../store/document.js";
import type { AppendResult, Contexts, Conversations } from "../store/operations.js";
import type { Store } from "../store/store.js";
import { JSON_TYPE } from "./errors.js";
import { withKey, withLastEvent } from "./headers.js";
import { readQuery } from "./query.js";
import * as answers from "./response-schemas.js";
import { answer, json, readAnswer, tagged } from "./response-schemas.js";
import type { Streams } from "./streams.js";

/**
 * The types of parameters and bodies here are what the schemas say. Nothing has been checked when a route is called:
 * the store's operations do that, once for all ways into them.
 */
interface IdRequest {
  Params: { id: string };
}

/** The product's own routes. Each one reads its request, calls the store, and renders what it answers. */
export function registerRoutes(app: FastifyInstance, store: Store): void {
  registerLog(app, "/v1/conversations", store.conversations, answers.conversationSchema);
  registerLog(app, "/v1/contexts", store.contexts, answers.contextRecordSchema);
  registerConversations(app, store.conversations);
  registerContexts(app, store.contexts);
}

/** What contexts and conversations have in common. */
function registerLog(
  app: FastifyInstance,
  prefix: string,
  log: Conversations | Contexts,
  recordSchema: object,
): void {
  const tags = [prefix.slice("/v1/".length)];
  const one = prefix === "/v1/contexts" ? "Context" : "Conversation";

  app.get<IdRequest>(
    `${prefix}/:id`,
    {
      schema: {
        tags,
        operationId: `get${one}`,
        summary: "Read the record",
        params,
        response: readAnswer(recordSchema),
      },
    },
    async (request, reply) => {
      refuseQuery(request);
      return sendDocument(await log.get(request.params.id), request, reply);
    },
  );

  app.delete<IdRequest>(
    `${prefix}/:id`,
    {
      schema: {
        tags,
        operationId: `remove${one}`,
        summary: "Tombstone: no more writes; with purge, erase",
        params,
        querystring: schemas.removeSchema,
        response: answer(204, { type: "null" }),
      },
    },
    async (request, reply) => {
      refuseBody(request);
      // The store checks what was read, here and below.
      await log.remove(request.params.id, readQuery(request.query, schemas.removeSchema));
      return reply.code(204).send();
    },
  );

  app.patch<IdRequest & { Body: PatchMetadataInput }>(
    `${prefix}/:id/metadata`,
    {
      schema: {
        tags,
        operationId: `patch${one}Metadata`,
        summary: "Change metadata by a JSON merge patch",
        params,
        body: schemas.patchMetadataSchema,
        response: answer(200, tagged(recordSchema)),
      },
    },
    async (request, reply) => {
      refuseQuery(request);
      return sendDocument(await log.patchMetadata(request.params.id, request.body), request, reply);
    },
  );

  app.post<IdRequest & { Body: AppendInput }>(
    `${prefix}/:id/messages`,
    {
      schema: {
        tags,
        operationId: `appendTo${one}`,
        summary: "Append messages",
        params,
        headers: idempotencyHeader,
        body: schemas.appendSchema,
        response: answer(201, answers.appendedSchema),
      },
    },
    async (request, reply) => {
      refuseQuery(request);
      return sendJson(renderAppend(await log.append(request.params.id, withKey(request))), 201, reply);
    },
  );

  app.get<IdRequest>(
    `${prefix}/:id/messages`,
    {
      schema: {
        tags,
        operationId: `replay${one}`,
        summary: "Read messages by position, oldest first",
        params,
        querystring: schemas.replaySchema,
        response: readAnswer(answers.replayRecordSchema),
      },
    },
    async (request, reply) => {
      const query = readQuery(request.query, schemas.replaySchema);
      return sendDocument(await log.replay(request.params.id, query), request, reply);
    },
  );

  app.get<IdRequest>(
    `${prefix}/:id/tail`,
    {
      schema: {
        tags,
        operationId: `tail${one}`,
        summary: "Read the newest messages",
        params,
        querystring: schemas.tailSchema,
        response: readAnswer(answers.tailRecordSchema),
      },
    },
    async (request, reply) => {
      const query = readQuery(request.query, schemas.tailSchema);
      return sendDocument(await log.tail(request.params.id, query), request, reply);
    },
  );
}

/** Streams: a WebSocket or server-sent events on the same path. */
export function registerStreams(app: FastifyInstance, store: Store, streams: Streams): void {
  for (const [tag, log] of Object.entries({ conversations: store.conversations, contexts: store.contexts })) {
    app.get<IdRequest>(
      `/v1/${tag}/:id/stream`,
      {
        exposeHeadRoute: false,
        schema: {
          tags: [tag],
          operationId: tag === "contexts" ? "streamContext" : "streamConversation",
          summary: "Watch what happens: by WebSocket, or as server-sent events",
          params,
          headers: lastEventHeader,
          querystring: schemas.streamSchema,
          response: {
            101: { description: "Frames of JSON", type: "null" },
            200: { description: "Events", content: { "text/event-stream": { schema: { type: "string" } } } },
            ...answers.REFUSED,
          },
        },
      },
      (request, reply) => {
        const input = withLastEvent(readQuery(request.query, schemas.streamSchema), request);
        return streams.serve(log, request.params.id, input, request, reply);
      },
    );
  }
}

function registerConversations(app: FastifyInstance, conversations: Conversations): void {
  const tags = ["conversations"];
  const { limit, cursor } = schemas.listSchema.properties;

  app.put<IdRequest & { Body: PutConversationInput }>(
    "/v1/conversations/:id",
    {
      schema: {
        tags,
        operationId: "putConversation",
        summary: "Create a conversation, or change its metadata",
        params,
        body: schemas.putConversationSchema,
        response: {
          ...answer(200, tagged(answers.conversationSchema)),
          201: json("Created", tagged(answers.conversationSchema)),
        },
      },
    },
    async (request, reply) => {
      refuseQuery(request);
      const { created, document } = await conversations.put(request.params.id, request.body);
      return sendDocument(document, request, reply, created ? 201 : 200);
    },
  );

  app.get(
    "/v1/conversations",
    {
      schema: {
        tags,
        operationId: "listConversations",
        summary: "List conversations, most recently changed first",
        description:
          "`metadata.KEY=VALUE` keeps those whose metadata has this value at its top level, for up to 16 keys.",
        // No style of OpenAPI writes an object with dots: the description tells of `metadata`.
        querystring: { ...schemas.listSchema, properties: { limit, cursor } },
        response: answer(200, answers.listRecordSchema),
      },
    },
    async (request, reply) => {
      const document = await conversations.list(readQuery(request.query, schemas.listSchema));
      return sendJson(document.text, 200, reply);
    },
  );
}

function registerContexts(app: FastifyInstance, contexts: Contexts): void {
  const tags = ["contexts"];

  app.put<IdRequest & { Body: PutContextInput }>(
    "/v1/contexts/:id",
    {
      schema: {
        tags,
        operationId: "putContext",
        summary: "Create a context, or change its configuration",
        params,
        body: schemas.putContextSchema,
        response: {
          ...answer(200, tagged(answers.contextRecordSchema)),
          201: json("Created", tagged(answers.contextRecordSchema)),
        },
      },
    },
    async (request, reply) => {
      refuseQuery(request);
      const { created, document } = await contexts.put(request.params.id, request.body);
      return sendDocument(document, request, reply, created ? 201 : 200);
    },
  );

  app.get<IdRequest>(
    "/v1/contexts/:id/context",
    {
      schema: {
        tags,
        operationId: "readWindow",
        summary: "Read the window: what goes to the model",
        params,
        querystring: schemas.contextSchema,
        response: readAnswer(answers.windowRecordSchema),
      },
    },
    async (request, reply) => {
      const query = readQuery(request.query, schemas.contextSchema);
      return sendDocument(await contexts.context(request.params.id, query), request, reply);
    },
  );

  app.post<IdRequest & { Body: CompactInput }>(
    "/v1/contexts/:id/compact",
    {
      schema: {
        tags,
        operationId: "compactContext",
        summary: "Replace the window up to a message by a summary",
        params,
        body: schemas.compactSchema,
        response: answer(200, answers.versionSchema),
      },
    },
    async (request, reply) => {
      refuseQuery(request);
      return sendJson(JSON.stringify(await contexts.compact(request.params.id, request.body)), 200, reply);
    },
  );

  app.post<IdRequest>(
    "/v1/contexts/:id/reset",
    {
      schema: {
        tags,
        operationId: "resetContext",
        summary: "Rebuild the window from the log",
        params,
        body: { type: "object", additionalProperties: false },
        response: answer(200, answers.versionSchema),
      },
    },
    async (request, reply) => {
      refuseQuery(request);
      refuseBody(request);
      return sendJson(JSON.stringify(await contexts.reset(request.params.id)), 200, reply);
    },
  );
}

const params = {
  type: "object",
  required: ["id"],
  properties: {
    id: {
      type: "string",
      minLength: 1,
      maxLength: 255,
      description: "Well-formed Unicode without control characters, percent-encoded.",
    },
  },
} as const;

const idempotencyHeader = {
  type: "object",
  properties: {
    "idempotency-key": {
      type: "string",
      minLength: 1,
      maxLength: 255,
      description: "The same as `idempotency_key` in the body.",
    },
  },
} as const;

const lastEventHeader = {
  type: "object",
  properties: {
    "last-event-id": {
      type: "string",
      description: "Of server-sent events: the same as `cursor`, and wins over it.",
    },
  },
} as const;

function refuseQuery({ query }: Pick<FastifyRequest, "query">): void {
  for (const name in query ?? {}) {
    const field = name || '""';
    throw new FastpacaError("invalid_request", `${field} is not known here`, { field });
  }
}

function refuseBody({ body }: Pick<FastifyRequest, "body">): void {
  if (body === undefined) return;
  const [name] = isObject(body) ? Object.keys(body) : ["body"];
  if (name === undefined) return;
  const field = name || '""';
  const problem = field === "body" ? "must be empty" : "is not known here: the body must be empty";
  throw new FastpacaError("invalid_request", `${field} ${problem}`, { field });
}

function renderAppend({ seq, version, token_count, deduplicated }: AppendResult): string {
  const tokens = `"token_count":${token_count},"token_estimate":${token_count}`;
  return `{"seq":${seq},"version":${version},${tokens}${deduplicated === true ? ',"deduplicated":true' : ""}}`;
}

function sendJson(text: string, status: number, reply: FastifyReply): FastifyReply {
  return reply.code(status).header("content-type", JSON_TYPE).send(text);
}

function sendDocument(
  { text, revision }: Document<unknown>,
  request: Pick<FastifyRequest, "method" | "headers">,
  reply: FastifyReply,
  status = 200,
): FastifyReply {
  if (revision !== undefined) {
    const tag = `"${revision}"`;
    void reply.header("etag", tag);
    if (request.method === "GET" && request.headers["if-none-match"] === tag) return reply.code(304).send();
  }
  return sendJson(text, status, reply);
}

import { isUtf8 } from "node:buffer";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import rateLimit from "@fastify/rate-limit";
import swagger, { type SwaggerTransformObject } from "@fastify/swagger";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifySchema as RouteSchema,
} from "fastify";
import { FastpacaError } from "../errors.js";
import { parseJson } from "../semantics/parse-json.js";
import type { Store } from "../store/store.js";
import { Authentication, isHealth } from "./authentication.js";
import { errorHandler, JSON_TYPE } from "./errors.js";
import { Metrics } from "./metrics.js";
import { Refusals } from "./refusals.js";
import { healthSchema, REFUSED } from "./response-schemas.js";
import { Requests } from "./requests.js";
import { registerRoutes, registerStreams } from "./routes.js";
import { asksForWebSocket, Streams } from "./streams.js";

export interface ServerOptions {
  /** What is served. Closing the server leaves it open. */
  readonly store: Store;
  /** Any of them opens everything but health. Default: none is needed. */
  readonly apiKeys?: readonly string[] | undefined;
  /** Largest body of a request, in bytes. Default: 1 MiB. */
  readonly bodyLimit?: number | undefined;
  /** Requests per second for each API key, or for each address where none is needed. Default: no limit. */
  readonly rateLimit?: number | undefined;
  /** Default: nothing is logged. */
  readonly logger?: FastifyBaseLogger | undefined;
  /** Open streams; one more is refused. Default: 512. */
  readonly maxStreams?: number | undefined;
  /** Logs each request and its answer. Default: only failures. */
  readonly logRequests?: boolean | undefined;
  /** Shown in the OpenAPI document. */
  readonly version?: string | undefined;
}

/** Longest that the last answers may take to be sent when the server closes, in milliseconds. */
const LAST_WORDS = 2_000;
/** Longest that each step of closing may take, in milliseconds: each has a shorter deadline of its own. */
const CLOSING_DEADLINE = 30_000;
const MAX_STREAMS = 512;

declare module "fastify" {
  interface FastifyContextConfig {
    /** What the OpenAPI document says of the route. */
    schema?: RouteSchema | undefined;
  }
}

const BODY_LIMIT = 1024 * 1024;
/** Longest that a client may take to send a request, in milliseconds. */
const REQUEST_TIMEOUT = 60_000;
/** Longest id in a path: 255 code units, of three bytes each, percent-encoded. */
const MAX_PARAM_LENGTH = 255 * 9;

/** A Fastify instance that serves a store; `listen` and `close` it as any other. */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const { store, apiKeys = [], bodyLimit = BODY_LIMIT } = options;
  const metrics = new Metrics();
  const handleError = errorHandler(options.logger, metrics);
  const app: FastifyInstance = fastify({
    bodyLimit,
    requestTimeout: REQUEST_TIMEOUT,
    pluginTimeout: CLOSING_DEADLINE,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    // Requests without a Host header reach the routes, whose answers have a body.
    http: { requireHostHeader: false, shouldUpgradeCallback: asksForWebSocket },
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // With a logger, the framework makes one for each request and listens to each response.
    ...(options.logger && options.logRequests === true && { loggerInstance: options.logger }),
    frameworkErrors: (error, request, reply) => void handleError(error, request, reply),
    clientErrorHandler: (error, socket) => refusals.refuse(socket, unreadable(error)),
  });
  const refusals = new Refusals(app.server);
  app.server.on("connect", (_request, socket: Socket) => {
    refusals.refuse(socket, new FastpacaError("not_found", "CONNECT is not served"));
  });
  // A client that has sent all it has to say, and says so, is answered. Node has the setting, and no word about it.
  Object.assign(app.server, { httpAllowHalfOpen: true });
  app.server.on("checkExpectation", (request, response: ServerResponse) => {
    app.server.emit("request", request, response);
  });

  parseJsonBodies(app);
  keepSchemasForDocument(app);
  app.setErrorHandler(handleError);
  app.setNotFoundHandler(({ method, url }) => {
    throw new FastpacaError("not_found", `there is no ${method} ${url.split("?", 1)[0] ?? ""}`);
  });
  const streams = new Streams(options.maxStreams ?? MAX_STREAMS, options.logger);
  streams.attach(app, refusals);
  metrics.gauge(
    "fastpaca_pending_writes",
    "Writes that were taken and not answered yet",
    () => store.pendingWrites,
  );
  metrics.gauge("fastpaca_streams", "Open streams", () => streams.count);
  const authentication = new Authentication(apiKeys);
  // The limit first: it counts strangers, too, wherever they knock.
  if (options.rateLimit !== undefined) await limitRate(app, options.rateLimit, authentication);
  if (apiKeys.length > 0)
    app.addHook("onRequest", async (request) => authentication.refuseStrangers(request));
  const requests = follow(app, metrics);
  app.addHook("preClose", async () => {
    await requests.close();
    await streams.close();
    // Whoever has not sent a whole request by now, or does not read an answer, would keep the server open.
    setTimeout(() => app.server.closeAllConnections(), LAST_WORDS).unref();
  });
  await app.register(swagger, {
    transform: ({ route, url }) => ({ schema: route.config?.schema ?? {}, url }),
    transformObject: withOptionalBodies,
    openapi: {
      openapi: "3.1.0",
      info: { title: "Fastpaca", version: options.version ?? "0", license: { name: "Apache-2.0" } },
      ...(apiKeys.length > 0 && {
        components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
        security: [{ key: [] }],
      }),
    },
  });

  registerRoutes(app, store);
  registerStreams(app, store, streams);
  registerOperations(app, store, metrics);
  await app.ready();
  return app;
}

/**
 * The store checks what it is given, and answers are text: the schemas of routes are only for the OpenAPI document, and
 * the framework, which would validate and serialize by them, does not see them.
 */
function keepSchemasForDocument(app: FastifyInstance): void {
  app.addHook("onRoute", (route) => {
    route.config = { ...route.config, schema: route.schema };
    delete route.schema;
  });
}

/** Operations whose body may be left out. The plugin takes every body for required. */
const OPTIONAL_BODIES = new Set<unknown>(["putConversation", "putContext", "resetContext"]);

interface PathItem {
  readonly put?: { readonly operationId?: string; readonly requestBody?: object };
  readonly post?: { readonly operationId?: string; readonly requestBody?: object };
}

function withOptionalBodies(
  document: Parameters<SwaggerTransformObject>[0],
): ReturnType<SwaggerTransformObject> {
  if ("swaggerObject" in document) return document.swaggerObject;
  const paths: Readonly<Record<string, PathItem | undefined>> = document.openapiObject.paths ?? {};
  for (const { put, post } of Object.values(paths).filter((item) => item !== undefined)) {
    for (const { operationId, requestBody } of [put ?? {}, post ?? {}]) {
      if (OPTIONAL_BODIES.has(operationId)) Object.assign(requestBody ?? {}, { required: false });
    }
  }
  return document.openapiObject;
}

function registerOperations(app: FastifyInstance, store: Store, metrics: Metrics): void {
  const tags = ["operations"];
  const health = (operationId: string, summary: string, refused = {}): object => ({
    schema: { tags, operationId, summary, security: [], response: { 200: healthSchema, ...refused } },
  });
  const text = {
    description: "Prometheus' text format",
    content: { "text/plain": { schema: { type: "string" } } },
  };
  app.get("/health/live", health("checkLive", "The process runs"), async (_request, reply) =>
    reply.header("content-type", JSON_TYPE).send('{"status":"ok"}'),
  );
  app.get("/health/ready", health("checkReady", "The database answers", REFUSED), async (_request, reply) => {
    // Anybody may ask: where the database is, the log tells.
    await store.ping().catch((cause: unknown) => {
      if (!(cause instanceof FastpacaError) || cause.code !== "unavailable") throw cause;
      throw new FastpacaError("unavailable", "the database cannot be reached", { cause });
    });
    return reply.header("content-type", JSON_TYPE).send('{"status":"ok"}');
  });
  app.get(
    "/metrics",
    {
      schema: {
        tags,
        operationId: "readMetrics",
        summary: "Metrics for Prometheus",
        response: { 200: text, ...REFUSED },
      },
    },
    async (_request, reply) => reply.header("content-type", metrics.contentType).send(await metrics.render()),
  );
  app.get("/openapi.json", { schema: { hide: true } }, async (_request, reply) =>
    reply.header("content-type", JSON_TYPE).send(JSON.stringify(app.swagger())),
  );
}

function parseJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    const { "content-encoding": encoding = "identity", "content-type": type = "" } = request.headers;
    const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(type)?.[1]?.toLowerCase() ?? "utf-8";
    if (encoding.toLowerCase() !== "identity") {
      done(unsupported("content-encoding", "is not supported: send the body as it is"));
    } else if (charset !== "utf-8" && charset !== "utf8") {
      done(unsupported("content-type", "must have no charset but utf-8"));
    } else if (body.length === 0) {
      done(null, undefined);
    } else if (!isUtf8(body)) {
      done(new FastpacaError("invalid_request", "body is not valid UTF-8", { field: "body" }));
    } else {
      parseBody(body, done);
    }
  });
}

function unsupported(field: string, problem: string): FastpacaError {
  return new FastpacaError("unsupported_media_type", `${field} ${problem}`, { field });
}

function parseBody(body: Buffer, done: (error: Error | null, body?: unknown) => void): void {
  let parsed: unknown;
  try {
    parsed = parseJson(body.toString("utf8"));
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : "it cannot be parsed";
    done(new FastpacaError("invalid_request", `body is not JSON: ${reason}`, { field: "body", cause }));
    return;
  }
  done(null, parsed);
}

/**
 * Wraps the handler of each route that is registered from here on: counts what it answers, and takes nothing new while
 * the server closes. Hooks of the framework would do the same at twice the price.
 */
function follow(app: FastifyInstance, metrics: Metrics): Requests {
  const requests = new Requests();
  app.addHook("onRoute", (route) => {
    const { handler } = route;
    const count = metrics.meter(String(route.method), route.url);
    route.handler = async function followed(request, reply): Promise<unknown> {
      if (!requests.enter()) throw new FastpacaError("unavailable", "the server is shutting down");
      const started = performance.now();
      try {
        const answer: unknown = await handler.call(this, request, reply);
        count(reply.statusCode, (performance.now() - started) / 1000);
        return answer;
      } finally {
        requests.leave();
      }
    };
  });
  return requests;
}

async function limitRate(
  app: FastifyInstance,
  perSecond: number,
  authentication: Authentication,
): Promise<void> {
  await app.register(rateLimit, {
    global: false,
    max: perSecond,
    timeWindow: 1000,
    keyGenerator: (request) => authentication.keyOf(request) ?? request.ip,
    allowList: isHealth,
    errorResponseBuilder: () => new FastpacaError("rate_limited", `at most ${perSecond} requests per second`),
  });
  // Of the whole server rather than of each route: what leads to none counts as well.
  app.addHook("onRequest", app.rateLimit());
}

/** An error of Node's HTTP parser, before there is a request. */
function unreadable(error: Error & { code?: string }): FastpacaError {
  if (error.code === "HPE_HEADER_OVERFLOW") {
    return new FastpacaError("payload_too_large", "the headers are too large", {
      field: "headers",
      cause: error,
    });
  }
  const reason = "reason" in error ? `: ${String(error.reason)}` : "";
  const message =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? "the request took too long" : `this is not HTTP${reason}`;
  return new FastpacaError("invalid_request", message, { cause: error });
}

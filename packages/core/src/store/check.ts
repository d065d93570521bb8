import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { FastpacaError } from "../errors.js";
import type { PolicyInput } from "../semantics/policy.js";
import type { MessageInput } from "../semantics/message.js";
import * as schemas from "../schemas.js";

/** What the store's operations take: the bodies and queries of the HTTP interface. */
export interface PutContextInput {
  readonly token_budget?: number | undefined;
  readonly trigger_ratio?: number | undefined;
  readonly policy?: PolicyInput | undefined;
  readonly metadata?: Record<string, unknown> | undefined;
}

export interface PutConversationInput {
  readonly metadata?: Record<string, unknown> | undefined;
}

export interface PatchMetadataInput {
  readonly metadata: Record<string, unknown>;
}

/** Exactly one of `message` and `messages`. */
export interface AppendInput {
  readonly message?: MessageInput | undefined;
  readonly messages?: readonly MessageInput[] | undefined;
  readonly if_version?: number | undefined;
  readonly idempotency_key?: string | undefined;
}

export interface CompactInput {
  readonly replacement: readonly MessageInput[];
  readonly through_seq?: number | undefined;
  readonly if_version?: number | undefined;
}

export interface TailInput {
  readonly offset?: number | undefined;
  readonly limit?: number | undefined;
}

export interface ReplayInput {
  readonly from?: number | undefined;
  readonly limit?: number | undefined;
}

export interface ContextInput {
  readonly budget_tokens?: number | undefined;
  readonly if_version?: number | undefined;
}

export interface StreamInput {
  /** The last version that was processed. */
  readonly cursor?: number | undefined;
  readonly include_messages?: boolean | undefined;
}

export interface RemoveInput {
  readonly purge?: boolean | undefined;
}

export interface ListInput {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  /** Only conversations whose metadata has these values at its top level. */
  readonly metadata?: Readonly<Record<string, string | number | boolean>> | undefined;
}

// strictRequired would have the tag of the policies declared beside their alternatives, where OpenAPI does not want it.
const ajv = new Ajv2020({
  discriminator: true,
  strict: true,
  strictRequired: false,
  allowUnionTypes: true,
  ownProperties: true,
});

export const check = {
  putContext: checker<PutContextInput>(schemas.putContextSchema),
  putConversation: checker<PutConversationInput>(schemas.putConversationSchema),
  patchMetadata: checker<PatchMetadataInput>(schemas.patchMetadataSchema),
  append: checker<AppendInput>(schemas.appendSchema),
  compact: checker<CompactInput>(schemas.compactSchema),
  tail: checker<TailInput>(schemas.tailSchema),
  replay: checker<ReplayInput>(schemas.replaySchema),
  context: checker<ContextInput>(schemas.contextSchema),
  stream: checker<StreamInput>(schemas.streamSchema),
  remove: checker<RemoveInput>(schemas.removeSchema),
  list: checker<ListInput>(schemas.listSchema),
};

/** A function that returns its input, or throws `invalid_request`, naming the field that breaks the schema. */
function checker<T>(schema: object): (input: unknown) => T {
  const validate: ValidateFunction<T> = ajv.compile<T>(schema);
  return (input) => {
    if (validate(input)) return input;
    const [error] = validate.errors ?? [];
    throw describe(error);
  };
}

function describe(error: ErrorObject | undefined): FastpacaError {
  if (error === undefined)
    return new FastpacaError("invalid_request", "the request is not of the expected form");
  const at = fieldPath(error.instancePath);
  const params: Record<string, unknown> = error.params;
  switch (error.keyword) {
    case "required":
      return refuse(join(at, String(params["missingProperty"])), "is required");
    case "additionalProperties":
      return refuse(join(at, String(params["additionalProperty"])), "is not known here");
    case "minItems":
      return refuse(at, "must not be empty");
    case "discriminator":
      return refuse(join(at, String(params["tag"])), "must be one of last_n, skip_parts and manual");
    default:
      return refuse(at, error.message ?? "is not of the expected form");
  }
}

function refuse(path: string, message: string): FastpacaError {
  const field = path === "" ? "body" : path;
  return new FastpacaError("invalid_request", `${field} ${message}`, { field });
}

function join(path: string, name: string): string {
  const shown = name === "" ? '""' : name;
  return path === "" ? shown : `${path}.${shown}`;
}

/** `/message/parts/0/type` → `message.parts[0].type` */
function fieldPath(pointer: string): string {
  let path = "";
  for (const segment of pointer.split("/").slice(1)) {
    const name = segment.replaceAll("~1", "/").replaceAll("~0", "~");
    path = /^\d+$/.test(name) ? `${path}[${name}]` : join(path, name);
  }
  return path;
}

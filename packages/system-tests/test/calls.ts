/** Calls of the store's operations as plain data, so that the store and the model can be given the same ones. */
import { FastpacaError } from "@fastpaca/core";
import type {
  AppendInput,
  CompactInput,
  ContextInput,
  Document,
  ErrorCode,
  PutContextInput,
  ReplayInput,
  Store,
  TailInput,
} from "@fastpaca/core";
import { ModelError, type Model, type Surface } from "./model.js";

type OnSurface<Input> = { readonly surface: Surface; readonly input: Input };

export type Call = { readonly id: string } & (
  | { readonly op: "putContext"; readonly input: PutContextInput }
  | { readonly op: "putConversation"; readonly metadata: Record<string, unknown> | undefined }
  | ({ readonly op: "append" } & OnSurface<AppendInput>)
  | { readonly op: "compact"; readonly input: CompactInput }
  | { readonly op: "reset" }
  | ({ readonly op: "patchMetadata" } & OnSurface<Record<string, unknown>>)
  | ({ readonly op: "remove" } & OnSurface<{ readonly purge: boolean }>)
  | ({ readonly op: "get" } & OnSurface<undefined>)
  | ({ readonly op: "tail" } & OnSurface<TailInput>)
  | ({ readonly op: "replay" } & OnSurface<ReplayInput>)
  | { readonly op: "context"; readonly input: ContextInput }
);

/** What became of a call: comparable as a whole. */
export type Outcome =
  | { readonly answer: string }
  | { readonly error: ErrorCode; readonly version: number | undefined };

export function isRead({ op }: Pick<Call, "op">): boolean {
  return op === "get" || op === "tail" || op === "replay" || op === "context";
}

/** Performs the call; failures that are not the store's own errors are passed on. */
export async function askStore(store: Store, call: Call): Promise<Outcome> {
  try {
    return { answer: canonical(await performed(store, call)) };
  } catch (error) {
    if (!(error instanceof FastpacaError)) throw error;
    return { error: error.code, version: error.version };
  }
}

async function performed({ contexts, conversations }: Store, call: Call): Promise<unknown> {
  const { id } = call;
  const log = "surface" in call && call.surface === "conversations" ? conversations : contexts;
  switch (call.op) {
    case "putContext":
      return putResult(await contexts.put(id, call.input));
    case "putConversation":
      return putResult(
        await conversations.put(id, call.metadata === undefined ? {} : { metadata: call.metadata }),
      );
    case "append":
      return log.append(id, call.input);
    case "compact":
      return contexts.compact(id, call.input);
    case "reset":
      return contexts.reset(id);
    case "patchMetadata":
      return (await log.patchMetadata(id, { metadata: call.input })).value;
    case "remove":
      return log.remove(id, call.input);
    case "get":
      return (await log.get(id)).value;
    case "tail":
      return (await log.tail(id, call.input)).value;
    case "replay":
      return (await log.replay(id, call.input)).value;
    case "context":
      return (await contexts.context(id, call.input)).value;
  }
}

function putResult({ created, document }: { created: boolean; document: Document<object> }): unknown {
  return { created, record: document.value };
}

/** What the store should answer, and the model's state moved on. */
export function askModel(model: Model, call: Call): Outcome {
  try {
    return { answer: canonical(foretold(model, call)) };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { error: error.code, version: error.version };
  }
}

function foretold(model: Model, call: Call): unknown {
  const { id } = call;
  switch (call.op) {
    case "putContext":
      return model.putContext(id, call.input);
    case "putConversation":
      return model.putConversation(id, call.metadata);
    case "append":
      return model.append(id, call.surface, call.input);
    case "compact":
      return model.compact(id, call.input);
    case "reset":
      return model.reset(id);
    case "patchMetadata":
      return model.patchMetadata(id, call.surface, call.input);
    case "remove":
      return model.remove(id, call.surface, call.input.purge);
    case "get":
      return model.get(id, call.surface);
    case "tail":
      return model.tail(id, call.surface, call.input);
    case "replay":
      return model.replay(id, call.surface, call.input);
    case "context":
      return model.context(id, call.input);
  }
}

/** JSON text that is equal for equal JSON values: fields in alphabetical order, one per line. */
export function canonical(value: unknown): string {
  const sorted = (_: string, field: unknown): unknown =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field;
  // Of undefined, which is what a call without an answer returns, there is no JSON text.
  return JSON.stringify(value, sorted, 1) ?? "nothing";
}

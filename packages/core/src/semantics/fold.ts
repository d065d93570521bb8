import type { KeyRecord, Mark, StoredMessage } from "../driver.js";
import { FastpacaError } from "../errors.js";
import { perform, type AppendCommand, type Command, type Result } from "./commands.js";
import type { Conversation } from "./conversation.js";
import { needsShapes } from "./window.js";
import type { WindowIndex } from "./window-index.js";

/** What became of one command, once the commit that it is part of has landed. */
export type Decision = Result | FastpacaError;

/** Many commands of one conversation as one commit. */
export interface Fold {
  /** One for each command that was taken, from the first; the others have to wait for the next commit. */
  readonly decisions: readonly Decision[];
  /** The conversation after them; identical to the one before when nothing changed. */
  readonly after: Conversation | undefined;
  readonly messages: readonly StoredMessage[];
  readonly marks: readonly Mark[];
  readonly keys: readonly KeyRecord[];
  /** Keys that have to be looked up before their commands may be refused. When there are any, fold again. */
  readonly lookup: readonly string[];
}

export interface FoldMoment {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** As {@link indexNeeds} asks for. */
  readonly index: WindowIndex | undefined;
  /** What is known of the conversation's keys; undefined values: looked up, and not held. */
  readonly held: ReadonlyMap<string, KeyRecord | undefined> | undefined;
}

/** Folds commands in their order, each decided on what the ones before it left. */
export function fold(
  before: Conversation | undefined,
  commands: readonly Command[],
  moment: FoldMoment,
): Fold {
  const decisions: Decision[] = [];
  const messages: StoredMessage[] = [];
  const marks: Mark[] = [];
  const keys: KeyRecord[] = [];
  const lookup: string[] = [];
  let after = before;
  for (const command of commands) {
    // A purge erases what is in its own commit, so it gets one to itself.
    const purge = command.type === "delete" && command.purge;
    if (purge && after !== before) break;
    const decision = decide(after, command, moment, keys, lookup);
    decisions.push(decision);
    if (decision instanceof FastpacaError || decision.deduplicated === true) continue;
    after = decision.after;
    if (decision.messages !== undefined) for (const message of decision.messages) messages.push(message);
    if (decision.mark !== undefined) marks.push(decision.mark);
    if (decision.key !== undefined) keys.push(decision.key);
    if (purge) break;
  }
  return { decisions, after, messages, marks, keys, lookup };
}

function decide(
  present: Conversation | undefined,
  command: Command,
  moment: FoldMoment,
  keys: readonly KeyRecord[],
  lookup: string[],
): ReturnType<typeof perform> | FastpacaError {
  const key = command.type === "append" ? command.key : undefined;
  try {
    if (key !== undefined && present !== undefined) {
      const record = keys.find(({ key: name }) => name === key.name) ?? moment.held?.get(key.name);
      if (record !== undefined) return repeat(present, key, record);
    }
    return perform(present, command, moment);
  } catch (error) {
    if (!(error instanceof FastpacaError)) throw error;
    const mayBeHeld =
      key !== undefined && present !== undefined && !present.purged && moment.held?.has(key.name) !== true;
    if (mayBeHeld && !keys.some(({ key: name }) => name === key.name)) lookup.push(key.name);
    return error;
  }
}

function repeat(after: Conversation, key: NonNullable<AppendCommand["key"]>, record: KeyRecord): Result {
  if (record.hash !== key.hash) {
    throw new FastpacaError("idempotency_key_reused", "this key was used before, with another content", {
      field: "idempotency_key",
    });
  }
  return { after, appended: record, deduplicated: true };
}

/** The part of a conversation's log that has to be indexed before commands can be folded. */
export interface IndexNeeds {
  /** From here to the conversation's last seq. */
  readonly from: number;
  readonly shaped: boolean;
}

/** @returns undefined where no window is concerned */
export function indexNeeds(
  before: Conversation | undefined,
  commands: readonly Command[],
): IndexNeeds | undefined {
  const window = before?.window;
  let configured = false;
  let rebuilt = window === undefined;
  let shaped = window !== undefined && needsShapes(window);
  for (const command of commands) {
    if (command.type === "reset") rebuilt = true;
    if (command.type !== "put" || command.config === undefined) continue;
    configured = true;
    if (command.config.policy?.strategy === "skip_parts") shaped = true;
  }
  if (window === undefined && !configured) return undefined;
  return { from: window === undefined || rebuilt ? (before?.firstSeq ?? 1) : window.liveFrom, shaped };
}

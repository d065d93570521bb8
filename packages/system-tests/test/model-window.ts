/**
 * The window, as the model understands it: worked out from all events, by the rules as they are written down. How
 * long a message is, is asked of `JSON.stringify`; what is in the window, of plain arrays.
 */
import type { PolicyInput } from "@fastpaca/core";

/** A JSON object as the caller gave it, or as the model would answer it. */
export type Fields = Record<string, unknown>;

export interface Config {
  readonly token_budget: number;
  readonly trigger_ratio: number;
  readonly policy: PolicyInput;
}

/** A message without the fields that are the store's own, and its size. */
export interface Counted {
  readonly content: Fields;
  readonly parts: readonly { readonly type: string }[];
  readonly tokens: number;
}

export type Event =
  | ({
      readonly kind: "message";
      readonly seq: number;
      readonly version: number;
      readonly at: number;
    } & Counted)
  | { readonly kind: "compaction"; readonly through: number; readonly replacement: readonly Counted[] }
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "reset" };

export type MessageEvent = Extract<Event, { kind: "message" }>;

interface LiveMessage {
  readonly source: MessageEvent;
  /** For each part of the source: whether it still shows. */
  shows: boolean[];
}

interface Summary {
  readonly from: number;
  readonly to: number;
  readonly messages: readonly Counted[];
}

interface Window {
  config: Config;
  summary: Summary | undefined;
  /** Ascending by seq. */
  live: LiveMessage[];
}

/** What a window is a function of. */
export interface History {
  /** The configuration that the context was created with; undefined where it was created without a window. */
  readonly initial: Config | undefined;
  readonly events: readonly Event[];
}

/** The window after all events, worked out from the first one on. */
export function windowOf({ initial, events }: History): Window | undefined {
  let window = initial && emptyWindow(initial);
  for (const [at, event] of events.entries()) {
    const earlier = messagesOf(events.slice(0, at));
    if (event.kind === "config") {
      if (window === undefined) window = rebuilt(event.config, earlier);
      else window.config = event.config;
    }
    if (window === undefined) continue;
    if (event.kind === "message") window.live.push(joined(event));
    if (event.kind === "reset") window = rebuilt(window.config, earlier);
    if (event.kind === "compaction") {
      const from = window.summary?.from ?? existing(window.live[0]).source.seq;
      window.summary = { from, to: event.through, messages: event.replacement };
      window.live = window.live.filter(({ source }) => source.seq > event.through);
    }
    applyRules(window);
  }
  return window;
}

function emptyWindow(config: Config): Window {
  return { config, summary: undefined, live: [] };
}

function rebuilt(config: Config, messages: readonly MessageEvent[]): Window {
  const window = emptyWindow(config);
  for (const message of messages) {
    window.live.push(joined(message));
    applyRules(window);
  }
  return window;
}

function joined(source: MessageEvent): LiveMessage {
  return { source, shows: source.parts.map(() => true) };
}

/** Rules 2 to 5, as they run after each event. */
function applyRules(window: Window): void {
  const { token_budget: budget, trigger_ratio: ratio, policy } = window.config;
  if (policy.strategy === "manual") return;
  if (policy.strategy === "skip_parts" && usedTokens(window) > budget * ratio) {
    skipParts(window, policy.config?.skip_kinds ?? []);
  }
  const { limit, retain = limit } = policy.config ?? {};
  if (limit !== undefined && retain !== undefined && shownCount(window) > limit) {
    while (shownCount(window) > retain && window.live.length > 1) window.live.shift();
  }
  evictOverBudget(window, budget);
}

function skipParts(window: Window, kinds: readonly string[]): void {
  const newest = window.live.at(-1);
  for (const message of window.live) {
    if (message === newest) continue;
    message.shows = message.source.parts.map(
      (part, at) => message.shows[at] === true && !kinds.some((kind) => part.type.startsWith(kind)),
    );
  }
  window.live = window.live.filter((message) => message === newest || message.shows.includes(true));
}

export function evictOverBudget(window: Window, budget: number): void {
  while (usedTokens(window) > budget && window.live.length > 1) window.live.shift();
}

function shownCount({ summary, live }: Window): number {
  return (summary?.messages.length ?? 0) + live.length;
}

export function usedTokens({ summary, live }: Window): number {
  return sum((summary?.messages ?? []).map(({ tokens }) => tokens)) + sum(live.map(shownTokens));
}

export function shownContent({ source, shows }: LiveMessage): Fields {
  return { ...source.content, parts: source.parts.filter((_, at) => shows[at]) };
}

function shownTokens(message: LiveMessage): number {
  const { source, shows } = message;
  if (!shows.includes(false)) return source.tokens;
  const kept = JSON.stringify(shownContent(message)).length;
  return Math.ceil((source.tokens * kept) / JSON.stringify(source.content).length);
}

export function messagesOf(events: readonly Event[]): MessageEvent[] {
  return events.filter((event) => event.kind === "message");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

export function existing<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the model lost track");
  return value;
}

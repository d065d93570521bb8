import { styleText } from "node:util";
import type { Message, StreamEvent } from "@fastpaca/fastpaca";

/** Longest text of what is no text, such as a tool call, in characters. */
const LONGEST = 200;

/** One event as a line for people, or several where a message has them. */
export function describeEvent(event: StreamEvent, color: boolean): string {
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    color ? styleText(format, text, { validateStream: false }) : text;
  switch (event.type) {
    case "message": {
      const { seq, message } = event;
      const time = message.inserted_at?.slice(11, 19) ?? "";
      return `${style("dim", `#${seq} ${time}`)} ${style("bold", visible(message.role))}: ${textOf(message)}`;
    }
    case "context": {
      const due = event.needs_compaction ? ", compaction is due" : "";
      return style("dim", `-- window at version ${event.version}: ${event.used_tokens} tokens${due}`);
    }
    case "compaction":
      return style("cyan", `-- messages ${event.range.from_seq} to ${event.range.to_seq} were compacted`);
    case "reset":
      return style("cyan", "-- the window was rebuilt from the log");
    case "gap": {
      const { expected, actual } = event;
      // The server restored an older state, or the cursor is of another conversation.
      const ahead = `-- the log ends at version ${actual}, before ${expected}; going on from there`;
      return style(
        "yellow",
        actual < expected ? ahead : `-- events from version ${expected} are gone; going on at ${actual}`,
      );
    }
    case "tombstoned":
      return style("red", "-- tombstoned: this is the end");
  }
}

function textOf({ parts }: Message): string {
  return parts
    .map((part) => {
      const { type } = part;
      const text = "text" in part && typeof part.text === "string" ? part.text : undefined;
      if (text !== undefined) return type === "text" ? visible(text) : `[${visible(type)}] ${visible(text)}`;
      const json = JSON.stringify(part);
      return visible(json.length > LONGEST ? `[${type}] ${json.slice(0, LONGEST)}…` : `[${type}] ${json}`);
    })
    .join("\n    ");
}

/** Control characters shown as escapes: what is stored must not steer the terminal. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) =>
    character === "\n" ? "\n    " : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What a terminal would act on, or what cannot be told apart by eye: shown as an escape instead. */
const UNSEEN = /[\p{C}\p{M}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;

/**
 * Text from outside made safe to show on one line: control characters, invisible ones, combining ones and lone
 * surrogates become escapes such as `\u{1b}`.
 */
export function visible(text: string): string {
  return text.replaceAll(UNSEEN, (character) => {
    if (character === "\n") return "\\n";
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** The same over several lines: line breaks stay. */
export function visibleLines(text: string): string[] {
  return text.split(/\r?\n/).map((line) => visible(line.replaceAll("\t", "  ")));
}

/** At most `length` characters, the last one an ellipsis where something is missing. */
export function shorten(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join("")}…`;
}

/** Lines of at most `width` characters, broken at spaces where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    let rest = Array.from(word);
    if (line !== "" && line.length + 1 + rest.length > width) {
      lines.push(line);
      line = "";
    }
    while (rest.length > width) {
      lines.push(rest.slice(0, width).join(""));
      rest = rest.slice(width);
    }
    line = line === "" ? rest.join("") : `${line} ${rest.join("")}`;
  }
  return [...lines, line];
}

/** A time for people: `0.4 s`, `73 s`, `2 min 5 s`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.0995 ? 2 : 1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  return `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`;
}

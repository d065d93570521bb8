/** What is neither punctuation nor a string: a number or a word. */
const WORD = /[^\s{}[\],:"]+/y;

/**
 * `JSON.parse`, without a defect of some engines: V8 as of Node 24 takes a key that is written with an escape for
 * another one, of an object that was parsed before, when that one has a backslash in the same place (after
 * `{"_\\":1}` the key of `{"_\n":1}` is read as `_\`). Text with such keys is rare, and parsed here.
 *
 * @returns what the caller knows the text to be, as unchecked as with `JSON.parse`
 * @throws SyntaxError
 */
export function parseJson<T = unknown>(text: string): T {
  const value: T = JSON.parse(text);
  if (!hasEscapedKey(text)) return value;
  const { rebuilt }: { rebuilt: T } = Object.assign(JSON.parse("{}"), { rebuilt: build(text) });
  return rebuilt;
}

/** No regular expression: on a string of some megabytes, the engine's stack would not do for one. */
function hasEscapedKey(text: string): boolean {
  let escape = text.indexOf("\\");
  for (let start = text.indexOf('"'); start !== -1 && escape !== -1;) {
    const end = endOfString(text, start);
    if (escape < end) {
      if (colonFollows(text, end)) return true;
      escape = text.indexOf("\\", end);
    }
    start = text.indexOf('"', end);
  }
  return false;
}

/** The place behind a string that begins at `start`, in text that is known to be JSON. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let before = quote - 1;
    while (text[before] === "\\") before -= 1;
    const escaped = (quote - before) % 2 === 0;
    if (!escaped) return quote + 1;
  }
}

function colonFollows(text: string, place: number): boolean {
  let at = place;
  while (isSpace(text[at])) at += 1;
  return text[at] === ":";
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\n" || character === "\r" || character === "\t";
}

interface Container {
  readonly add: (value: unknown) => void;
  readonly finish: () => unknown;
}

/** Builds the value of a text that is known to be JSON. */
function build(text: string): unknown {
  let result: unknown;
  const open: Container[] = [{ add: (value) => (result = value), finish: () => result }];
  for (const token of tokens(text)) {
    if (token === "{") open.push(objectBuilder());
    else if (token === "[") open.push(arrayBuilder());
    else if (token === "}" || token === "]") {
      const value = open.pop()?.finish();
      open.at(-1)?.add(value);
    } else if (token !== "," && token !== ":") open.at(-1)?.add(JSON.parse(token));
  }
  return result;
}

function* tokens(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const token =
      text[at] === '"' ? text.slice(at, endOfString(text, at)) : (wordAt(text, at) ?? text[at] ?? "");
    if (!isSpace(token)) yield token;
    at += token.length;
  }
}

function wordAt(text: string, place: number): string | undefined {
  WORD.lastIndex = place;
  return WORD.exec(text)?.[0];
}

function arrayBuilder(): Container {
  const values: unknown[] = [];
  return { add: (value) => values.push(value), finish: () => values };
}

/** Takes keys and values in turn; the last value of a key counts, as it does for `JSON.parse`. */
function objectBuilder(): Container {
  const fields = new Map<string, unknown>();
  let key: string | undefined;
  return {
    add: (value) => {
      if (key === undefined) {
        key = String(value);
        return;
      }
      fields.set(key, value);
      key = undefined;
    },
    finish: () => Object.fromEntries(fields),
  };
}

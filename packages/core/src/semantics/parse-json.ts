/** One string, and the colon that makes it a key. */
const STRING = /"((?:[^"\\]|\\.)*)"(\s*:)?/gs;

/** A token of JSON: punctuation, a string, or a number or word. */
const TOKEN = /[{}[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/gs;

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

function hasEscapedKey(text: string): boolean {
  if (!text.includes("\\")) return false;
  for (const [, content, colon] of text.matchAll(STRING)) {
    if (colon !== undefined && content?.includes("\\") === true) return true;
  }
  return false;
}

interface Container {
  readonly add: (value: unknown) => void;
  readonly finish: () => unknown;
}

/** Builds the value of a text that is known to be JSON. */
function build(text: string): unknown {
  let result: unknown;
  const open: Container[] = [{ add: (value) => (result = value), finish: () => result }];
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{") open.push(objectBuilder());
    else if (token === "[") open.push(arrayBuilder());
    else if (token === "}" || token === "]") {
      const value = open.pop()?.finish();
      open.at(-1)?.add(value);
    } else if (token !== "," && token !== ":") open.at(-1)?.add(JSON.parse(token));
  }
  return result;
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

/**
 * Counts of OpenAI's o200k_base encoding, by the optional peer dependency `gpt-tokenizer`.
 *
 * They are exact, but for unbroken runs of more than {@link MAX_RUN} letters or signs, such as rulers or words that
 * nobody writes: the library merges one run in time that grows with the square of its length, so that one message could
 * hold up a server for minutes. Such runs are counted in slices, and each cut can add a token.
 */

import { estimatorFrom, type Estimator } from "./semantics/tokens.js";

/** Code units of one unbroken run; divisible by 3, because digits are counted in threes from the start of their run. */
const MAX_RUN = 120;

/**
 * An estimator that counts with o200k_base. Loading takes some tenths of a second and some tens of megabytes.
 *
 * @throws Error when `gpt-tokenizer` cannot be loaded; `cause` says why
 */
export async function loadO200k(): Promise<Estimator> {
  return estimatorFrom(await loadO200kCount());
}

/**
 * Loads what {@link loadO200k} counts text with. Strings that look like control tokens (`<|endoftext|>`) are text like
 * any other.
 *
 * @throws Error when `gpt-tokenizer` cannot be loaded; `cause` says why
 */
export async function loadO200kCount(): Promise<(text: string) => number> {
  const encoding = await loadEncoding();
  // By default the library remembers 100,000 pieces of what it has seen, each of which can keep a whole message alive.
  encoding.setMergeCacheSize(0);
  const plain = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
  const classes = charClasses();
  return (text) => {
    let tokens = 0;
    let start = 0;
    while (start < text.length) {
      const end = nextCut(text, start, classes);
      tokens += encoding.countTokens(text.slice(start, end), plain);
      start = end;
    }
    return tokens;
  };
}

/** An instance of our own, so that its settings concern no other user of the library in this process. */
async function loadEncoding() {
  try {
    const [{ GptEncoding }, ranks] = await Promise.all([
      import("gpt-tokenizer/GptEncoding"),
      import("gpt-tokenizer/bpeRanks/o200k_base"),
    ]);
    return GptEncoding.getEncodingApi("o200k_base", () => ranks.default);
  } catch (cause) {
    throw new Error("the estimator o200k needs the package gpt-tokenizer (npm install gpt-tokenizer@4)", {
      cause,
    });
  }
}

// What the encoding keeps apart. UNSURE may be merged with anything: halves of surrogate pairs, and the slash and line
// breaks, which follow signs in one piece.
const UNSURE = 0;
const LETTER = 1;
const NUMBER = 2;
const BLANK = 3;
const SIGN = 4;

/** The class of each UTF-16 code unit. */
function charClasses(): Uint8Array {
  const classes = new Uint8Array(0x10000);
  for (let code = 0; code < classes.length; code++) classes[code] = classOf(String.fromCharCode(code));
  return classes;
}

function classOf(unit: string): number {
  if (/[\r\n/\ud800-\udfff]/.test(unit)) return UNSURE;
  if (/[\p{L}\p{M}]/u.test(unit)) return LETTER;
  if (/\p{N}/u.test(unit)) return NUMBER;
  return /\s/.test(unit) ? BLANK : SIGN;
}

/** Where the text from `start` has to be cut: before the first run that exceeds {@link MAX_RUN} does so, or at its end. */
function nextCut(text: string, start: number, classes: Uint8Array): number {
  let run = 0;
  let previous = UNSURE;
  for (let at = start; at < text.length; at++) {
    const current = classes[text.charCodeAt(at)] ?? UNSURE;
    const broken = current !== previous && current !== UNSURE && previous !== UNSURE;
    run = broken ? 1 : run + 1;
    if (run > MAX_RUN) return splitsPair(text, at) ? at - 1 : at;
    previous = current;
  }
  return text.length;
}

function splitsPair(text: string, at: number): boolean {
  return isBetween(text.charCodeAt(at - 1), 0xd800, 0xdbff) && isBetween(text.charCodeAt(at), 0xdc00, 0xdfff);
}

function isBetween(code: number, from: number, to: number): boolean {
  return code >= from && code <= to;
}

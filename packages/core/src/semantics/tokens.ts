/**
 * How many tokens a message is for the model, without a tokenizer.
 *
 * {@link approxTokens} cuts text the way the o200k_base encoding does before it merges bytes: words with the one sign
 * in front of them, groups of up to three digits, runs of punctuation, runs of white space. What the merging then does
 * to one such piece is estimated from the piece alone, so the estimate of a text never falls when text is added to it.
 *
 * The constants here were fitted against o200k_base on program messages and manual pages in some forty languages, source
 * code, documentation and random identifiers, and then adjusted on one half of the calibration corpus. The error that is
 * published in `docs/token-estimates.md` is that of the other half.
 */

/** What an estimator has to know of a message. */
export interface EstimableMessage {
  readonly role: string;
  readonly parts: readonly EstimablePart[];
  readonly [field: string]: unknown;
}

export interface EstimablePart {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Tokens of one message as it reaches a model: a positive integer. Never throws for what JSON can express. */
export type Estimator = (message: EstimableMessage) => number;

/**
 * Tokens that frame a message, whatever is in it: its start, its role and its end are special tokens of their own in
 * the chat formats, and a line break or two separates them.
 */
export const MESSAGE_TOKENS = 4;

/**
 * Tokens of an embedded file, whatever its size. A model does not read base64; it gets an image or a document, and what
 * that costs depends on the model and on pixels or pages, which are not looked at here. This is the order of magnitude
 * of one picture of about 1000 by 1000 pixels.
 */
export const FILE_TOKENS = 1000;

/**
 * An estimator that counts text by `count` (0 or more, and an integer).
 *
 * Parts of type `text` and `reasoning` count as their `text`. Every other part counts as its JSON text, in which each
 * embedded file is left out and counts {@link FILE_TOKENS}: any string that is a base64 `data:` URL, and the `data` or
 * `image` of a `file` or `image` part unless it is a link. The other fields of a message (its `id`, its metadata) do
 * not reach a model and count nothing.
 */
export function estimatorFrom(count: (text: string) => number): Estimator {
  return (message) => {
    let tokens = MESSAGE_TOKENS;
    for (const part of message.parts) tokens += partTokens(part, count);
    return tokens;
  };
}

/** The default estimator: {@link approxTokens} and {@link MESSAGE_TOKENS}. */
export const approx: Estimator = estimatorFrom(approxTokens);

function partTokens(part: EstimablePart, count: (text: string) => number): number {
  if ((part.type === "text" || part.type === "reasoning") && typeof part["text"] === "string") {
    return count(part["text"]);
  }
  const isFile = part.type === "file" || part.type === "image";
  let files = 0;
  const json = JSON.stringify(part, (key, value: unknown) => {
    if (typeof value !== "string") return value;
    const holdsContent = isFile && (key === "data" || key === "image") && !URL_SCHEME.test(value);
    if (!holdsContent && !isDataUrl(value)) return value;
    files++;
    return "";
  });
  return files * FILE_TOKENS + count(json);
}

/** What tells a link to a file from its content in base64, which has no colon. */
const URL_SCHEME = /^[a-z][a-z0-9+.-]{0,31}:/i;

/** Media type and parameters of a `data:` URL end within this many characters; only so many are searched. */
const DATA_URL_HEADER = 256;

function isDataUrl(value: string): boolean {
  return value.startsWith("data:") && value.slice(0, DATA_URL_HEADER).includes(";base64,");
}

/**
 * Estimated tokens of a text under o200k_base: an integer, 0 only for the empty text. One pass, no allocation, no state:
 * 1 MiB takes 10 to 20 ms. Lone surrogates count as the replacement character that they become.
 */
export function approxTokens(text: string): number {
  const length = text.length;
  let tokens = 0;
  let at = 0;
  // Whether the piece that starts here has taken a space from the white space before it, as most words do.
  let spaced = false;
  while (at < length) {
    const code = text.charCodeAt(at);
    const kind = kindOf(code);
    const start = at;
    if (kind >= LATIN_LOWER) {
      at = endOfWord(text, at, kind);
      tokens += wordTokens(text, start, at, kind, spaced);
      if (kind <= LATIN_UPPER && text.charCodeAt(at) === APOSTROPHE) {
        const suffix = contractionLength(text, at);
        if (suffix > 0) {
          tokens += isLetterS(text.charCodeAt(at + 1)) ? POSSESSIVE : CONTRACTION;
          at += suffix;
        }
      }
    } else if (kind === DIGIT) {
      // A space is never merged with a number.
      if (spaced) tokens++;
      do at++;
      while (at < length && at - start < 3 && kindOf(text.charCodeAt(at)) === DIGIT);
      tokens++;
    } else if (kind === SPACE || kind === NEWLINE) {
      at = endOfBlank(text, at);
      tokens += blankTokens(text, start, at);
      spaced = text.charCodeAt(at - 1) === 0x20 && at < length;
      continue;
    } else if (kind === SURROGATE) {
      at += isPair(text, at) ? 2 : 1;
      tokens += astralTokens(code, at - start === 2 ? text.charCodeAt(start + 1) : 0);
    } else if (kind === JOINER) {
      at++;
      tokens += JOINER_TOKENS;
    } else if (!spaced && at + 1 < length && kindOf(text.charCodeAt(at + 1)) >= LATIN_LOWER) {
      at++;
      tokens += code < 0x80 ? (BEFORE_WORD[code] ?? 1) : code === RIGHT_QUOTE ? 0.1 : 1;
    } else {
      at = endOfSigns(text, at);
      tokens += signTokens(text, start, at);
      // Line breaks that follow a sign directly are merged with it.
      while (at < length && kindOf(text.charCodeAt(at)) === NEWLINE) at++;
    }
    spaced = false;
  }
  return length === 0 ? 0 : Math.max(1, Math.round(tokens));
}

// Kinds of UTF-16 code units. Everything from LATIN_LOWER on is a letter, and those from GREEK on are estimated by
// length alone.
const SIGN = 0;
const SPACE = 1;
const NEWLINE = 2;
const DIGIT = 3;
const SURROGATE = 4;
const JOINER = 5;
const LATIN_LOWER = 6;
const LATIN_UPPER = 7;
const CYRILLIC_LOWER = 8;
const CYRILLIC_UPPER = 9;
const GREEK = 10;
const ARABIC = 11;
const HEBREW = 12;
const DEVANAGARI = 13;
const INDIC = 14;
const THAI = 15;
const KHMER = 16;
const HANGUL = 17;
const HIRAGANA = 18;
const KATAKANA = 19;
const HAN = 20;
const CAUCASIAN = 21;
const OTHER_LETTER = 22;

/**
 * Tokens of a run of `n` letters of one script: at least 1, else first + n × each. Indexed by kind - GREEK. Where words
 * are not separated, a run is a whole clause; that is why those have next to nothing to pay for the first letter.
 */
const BY_LENGTH: readonly { readonly first: number; readonly each: number }[] = [
  { first: -0.2, each: 0.48 }, // Greek
  { first: 0.2, each: 0.33 }, // Arabic
  { first: -0.4, each: 0.5 }, // Hebrew
  { first: 0.35, each: 0.3 }, // Devanagari
  { first: 0.2, each: 0.44 }, // other Indic scripts
  { first: 0.3, each: 0.43 }, // Thai and Lao
  { first: 0.2, each: 0.55 }, // Khmer and Burmese
  { first: 0.5, each: 0.57 }, // Hangul
  { first: 0.6, each: 0.53 }, // Hiragana
  { first: 0.3, each: 0.6 }, // Katakana
  { first: 0.25, each: 0.65 }, // Han
  { first: 0.2, each: 0.36 }, // Georgian and Armenian
  { first: 0, each: 2 }, // scripts that o200k hardly knows: two or three bytes, and as many tokens
];

/** Ranges of code units and their kind, where it is not SIGN. Later ones override earlier ones. */
const RANGES: readonly (readonly [from: number, to: number, kind: number])[] = [
  [0x09, 0x20, SPACE],
  [0x0e, 0x1f, SIGN],
  [0x0a, 0x0a, NEWLINE],
  [0x0d, 0x0d, NEWLINE],
  [0x30, 0x39, DIGIT],
  [0x41, 0x5a, LATIN_UPPER],
  [0x61, 0x7a, LATIN_LOWER],
  [0xa0, 0xa0, SPACE],
  [0xaa, 0xaa, LATIN_LOWER],
  [0xb2, 0xb3, DIGIT],
  [0xb5, 0xb5, LATIN_LOWER],
  [0xb9, 0xb9, DIGIT],
  [0xba, 0xba, LATIN_LOWER],
  [0xbc, 0xbe, DIGIT],
  [0xc0, 0x36f, LATIN_LOWER],
  [0xd7, 0xd7, SIGN],
  [0xf7, 0xf7, SIGN],
  [0x370, 0x3ff, GREEK],
  [0x37e, 0x37e, SIGN],
  [0x400, 0x52f, CYRILLIC_LOWER],
  [0x531, 0x587, CAUCASIAN],
  [0x591, 0x5f2, HEBREW],
  [0x5be, 0x5be, SIGN],
  [0x610, 0x6ff, ARABIC],
  [0x61b, 0x61f, SIGN],
  [0x660, 0x669, DIGIT],
  [0x66a, 0x66d, SIGN],
  [0x6d4, 0x6d4, SIGN],
  [0x6f0, 0x6f9, DIGIT],
  [0x700, 0x8ff, OTHER_LETTER],
  [0x750, 0x77f, ARABIC],
  [0x900, 0x97f, DEVANAGARI],
  [0x964, 0x965, SIGN],
  [0x966, 0x96f, DIGIT],
  [0x980, 0xdff, INDIC],
  [0x9e6, 0x9ef, DIGIT],
  [0xe01, 0xeff, THAI],
  [0xe3f, 0xe3f, SIGN],
  [0xe50, 0xe59, DIGIT],
  [0xf00, 0xfff, OTHER_LETTER],
  [0x1000, 0x109f, KHMER],
  [0x104a, 0x104f, SIGN],
  [0x10a0, 0x10ff, CAUCASIAN],
  [0x1100, 0x11ff, HANGUL],
  [0x1200, 0x177f, OTHER_LETTER],
  [0x1780, 0x17d3, KHMER],
  [0x1800, 0x1dff, OTHER_LETTER],
  [0x1e00, 0x1eff, LATIN_LOWER],
  [0x1f00, 0x1fff, GREEK],
  [0x2000, 0x200a, SPACE],
  [0x200d, 0x200d, JOINER],
  [0x2028, 0x2029, SPACE],
  [0x202f, 0x202f, SPACE],
  [0x205f, 0x205f, SPACE],
  [0x2070, 0x2089, DIGIT],
  [0x2460, 0x249b, DIGIT],
  [0x2c00, 0x2dff, OTHER_LETTER],
  [0x3000, 0x3000, SPACE],
  [0x3005, 0x3007, HAN],
  [0x3041, 0x309f, HIRAGANA],
  [0x30a1, 0x30ff, KATAKANA],
  [0x30fb, 0x30fb, SIGN],
  [0x3105, 0x31bf, OTHER_LETTER],
  [0x3131, 0x318e, HANGUL],
  [0x31f0, 0x31ff, KATAKANA],
  [0x3400, 0x4dbf, OTHER_LETTER],
  [0x4e00, 0x9fff, HAN],
  [0xa000, 0xabff, OTHER_LETTER],
  [0xac00, 0xd7a3, HANGUL],
  [0xd800, 0xdfff, SURROGATE],
  [0xf900, 0xfaff, OTHER_LETTER],
  [0xfb1d, 0xfb4f, HEBREW],
  [0xfb50, 0xfdff, OTHER_LETTER],
  [0xfe0f, 0xfe0f, JOINER],
  [0xfe70, 0xfefc, OTHER_LETTER],
  [0xfeff, 0xfeff, SPACE],
  [0xff10, 0xff19, DIGIT],
  [0xff21, 0xff3a, OTHER_LETTER],
  [0xff41, 0xff5a, OTHER_LETTER],
  [0xff66, 0xff9d, KATAKANA],
];

/** The kind of every UTF-16 code unit: 64 KiB that make a lookup of what would be a search. */
const KINDS = new Uint8Array(0x10000);
for (const [from, to, kind] of RANGES) KINDS.fill(kind, from, to + 1);
for (const [from, to] of [
  [0xc0, 0x24f],
  [0x1e00, 0x1eff],
  [0x400, 0x52f],
] as const) {
  for (let code = from; code <= to; code++) {
    const kind = KINDS[code];
    const letter = String.fromCharCode(code);
    if (letter.toLowerCase() === letter) continue;
    if (kind === LATIN_LOWER) KINDS[code] = LATIN_UPPER;
    if (kind === CYRILLIC_LOWER) KINDS[code] = CYRILLIC_UPPER;
  }
}

/** The kind of a code unit; SIGN for the NaN behind the end of a text. */
function kindOf(code: number): number {
  return KINDS[code] ?? SIGN;
}

/** A word is capitals, then small letters; scripts without the difference are runs of one script. */
function endOfWord(text: string, start: number, kind: number): number {
  let at = start + 1;
  if (kind === LATIN_UPPER || kind === CYRILLIC_UPPER) {
    while (at < text.length && kindOf(text.charCodeAt(at)) === kind) at++;
    const lower = kind - 1;
    while (at < text.length && kindOf(text.charCodeAt(at)) === lower) at++;
  } else {
    while (at < text.length && kindOf(text.charCodeAt(at)) === kind) at++;
  }
  return at;
}

function wordTokens(text: string, start: number, end: number, kind: number, spaced: boolean): number {
  if (kind >= GREEK) {
    const rate = BY_LENGTH[kind - GREEK];
    return rate === undefined ? end - start : Math.max(1, rate.first + rate.each * (end - start));
  }
  if (end - start === 1) return 1;
  const pairs = kind <= LATIN_UPPER ? LATIN_PAIRS : CYRILLIC_PAIRS;
  if (kind === LATIN_LOWER || kind === CYRILLIC_LOWER) {
    return pairedTokens(text, start, end, pairs, spaced ? pairs.freeSpaced : pairs.free);
  }
  let capitals = start + 1;
  while (capitals < end && kindOf(text.charCodeAt(capitals)) === kind) capitals++;
  if (capitals === end) return capitalTokens(end - start);
  if (capitals === start + 1) {
    return pairedTokens(text, start, end, pairs, spaced ? pairs.freeCapitalSpaced : pairs.freeCapital);
  }
  // "HTMLElement": the last capital belongs to the word.
  return (
    capitalTokens(capitals - 1 - start) + pairedTokens(text, capitals - 1, end, pairs, pairs.freeCapital)
  );
}

/** Tokens of an abbreviation or of a word in capitals. */
function capitalTokens(length: number): number {
  return Math.max(1, 0.5 + 0.26 * length);
}

/**
 * What a pair of letters tells about the words it is in. Letters that often stand together are merged early, so a word
 * is one token as long as its pairs are familiar ones: each pair adds its weight, a word has a free amount, and only
 * what exceeds that is added to its first token. No language has to be recognised, and noise is expensive by itself.
 */
interface Pairs {
  /** Letters told apart; the last of them stands for all others. */
  readonly letters: number;
  /** Code unit of the first letter, small. */
  readonly base: number;
  /** Weights by first letter × letters + second letter. Words start after the row of a letter that does not exist. */
  readonly weights: Float64Array;
  readonly free: number;
  readonly freeSpaced: number;
  readonly freeCapital: number;
  readonly freeCapitalSpaced: number;
}

function pairedTokens(text: string, start: number, end: number, pairs: Pairs, free: number): number {
  const { letters, base, weights } = pairs;
  let sum = 0;
  let previous = letters;
  for (let at = start; at < end; at++) {
    let code = text.charCodeAt(at);
    // Capitals of both alphabets are 32 below their small letters: А to Я in Unicode as A to Z in ASCII.
    if (code >= base - 32 && code < base) code += 32;
    if (code === IO) code = IE;
    const offset = code - base;
    const letter = offset >= 0 && offset < letters - 1 ? offset : letters - 1;
    sum += weights[previous * letters + letter] ?? 0;
    previous = letter;
  }
  return sum > free ? 1 + sum - free : 1;
}

/** ё, which stands apart from its alphabet and is as common as е. */
const IO = 0x451;
const IE = 0x435;

/** Weights are written as one character per pair, in steps of 1/32 of a token. */
function readWeights(text: string): Float64Array {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return Float64Array.from(text, (digit) => digits.indexOf(digit) / 32);
}

const LATIN_PAIRS: Pairs = {
  letters: 27,
  base: 0x61,
  free: 1.01,
  freeSpaced: 1.42,
  freeCapital: 0.92,
  freeCapitalSpaced: 1.11,
  weights: readWeights(
    "TCDAYUAPIVOADEZJYCFALIREAQWLXSXCgfNPFcAPWJXqEFQCdZkLkiIbMYBkkDGYECdgHdPBVAGakqFVdQXdFJiTiOYUMPZV" +
      "bhRLaVeUaBVoLRIBSSIUTbZLMGONGEDLTPFDOaiCTQMADBSCsWELLDbYAIBEYVVIQUUUacEcMCLrXJHKUirGMQMihdNbpKcj" +
      "PFgYjMbXLGAGcfCSBNbccTYgIHAAFMAVbRODIBABMFAAeIZNPIWJeWLBbKcNeAYZHJTcTAYJZPfQXPNTVCFVGKSoXTUJXNib" +
      "JIRlKkVYaLHZEGQFTLjXIPUNMiZIJLOMmAoeHEaWAjTaMsfQHUIDdgKTNlcfXncNbFAJOBNPcOHOJPSaIAAVLPkQYaJEGDNA" +
      "DVSUKFHAFHYAHEDEADAaZLQIDBhSIRmgALXEHYAICOYacOYfcaYZjqfefnkUckicZcaZAcjidnKKRKDFUKRMaTPEEIPKMFLT" +
      "VHiAceWhOMISVKPvWWXZTNWYCKRdDfIhfMTMNFYPAEkQSOTMGkCJPPXFUBOcECCEBQGbJXQAADYDiABAcNWIGYZKnWbAhGbG" +
      "gcRbbMgbTYXZjhhTdeKbeUDnjDIneLlABhmHAfcdOeTlgOUESMdkSNdYcHbYCUdSJaYcOOcnXbdcashlUrWRWQRRqKIKiVKr" +
      "ejkIZSPAaSQOZXRSBSMVXNIFTRYIMYIJDEFHEAQSJAFABMACBGOHIAASKKMFALTKILRNLJLQJRGBMONHaGbk",
  ),
};

const CYRILLIC_PAIRS: Pairs = {
  letters: 33,
  base: 0x430,
  free: 0.42,
  freeSpaced: 1.2,
  freeCapital: 0.29,
  freeCapitalSpaced: 0.6,
  weights: readWeights(
    "ADAOIAJHAJGDJHcFJEBcAQAHCKAKKFNJWd_OriOKyVKMMiEIbRRiW0AZkKAFAKKARcPmQpeSqRTKXIlKPmHEKMKeWugjXOMA" +
      "KHeVKt4APAcMKCHPNKiM1lXKiuB_KkAAAKKqPNYCAPiYNKKEGHIAKDAWeG5ahKhEJAyFoUAFGALODAKNDQGAUFAGlbPILLRk" +
      "KKKjZwQBAKAKKKIKWFOAuKXKbaKKvXKKiAKAKKdOWPUHMJ_JKJWQLDeM1UR_yJaeK1HgKoNiCLQJJASFCRBLRJAQCFFAOWMD" +
      "EcKKKKJAEKDPAPIhAAKAAiELVQAPKKAOASKKAKKKKAPuWKhSATKKDUAbKKWOATKKEKWAkAKcbKWMxAAAMNKMKJPLIMAZKYQ_" +
      "KgpkKdZADLEfCpAAACAKLKCADEAALDbKAKATbKZEAKKHePANTATKYGKUOhALnAIObBwPJQAYKWAZPeSHBEJPHHAGMANHGOIA" +
      "EbIUSRESKKKAfAXR_JNKIKKPKEKLAIAAnGVKLj3tKcQDKmZjJACAANAWNKLCKFOqZLHPqSfvHdcAZAmHfQiQWIV3AMKOINUJ" +
      "LAAAWDVRUDKcSKKaFoMgAgUKqYQKSQbNOZLAMbVXZmIIaMEAXIaJAAAAABAXCAOOAkEAAJAlTCMFJKAKhCEPNKKYKAKKHeKe" +
      "ncBKdQKAVKKKKKh6KKKKtAARAKUKKUKKAKAAAHAlWQYKKAKHKAGKKfOcAKmHKKFKoTKOF__drAKKLKKKqELFgYXLKDKKEKFK" +
      "KSH_Je_AeFVKKXSAKSAOAKKbZKAKDOKKKKQSZHSMfNWeKKHnKKZAAKKKaOKKKKIKKHKKKKPNKKKLNKKKKKKKKAKKKmAmPpAK" +
      "ceKKTQChWhnVQKKyUan1KKKKKAKKAFAMIxQAMFSOAKAOABKKEBQKAKKKKKAAA0YAXAKAEKOKNBRKAFAKuKLsAbKAKKEWahAK" +
      "AKKKKKKGAbEKhAACKAHKKrKKKKAKKKKAKKAKiAKVnKoPKpmiAKKKhAKAKKKKZKlKAPjZKcAAOQhZbKHAYQKKZYnAZKK_KaXy" +
      "BAGVAWDCALJRNHAHNAFOwJYKEeKAAKIDIHAIIKKFNGUGOOIIJFHCPTQSTPTRRKAVGX",
  ),
};

const APOSTROPHE = 0x27;
const RIGHT_QUOTE = 0x2019;

/** "it's" is two tokens more often than not, "don't" and "we're" are one. */
const POSSESSIVE = 0.7;
const CONTRACTION = 0.05;

/** Code units of the English contraction that starts at an apostrophe behind a word; 0 where there is none. */
function contractionLength(text: string, at: number): number {
  const first = text.charCodeAt(at + 1) | 0x20;
  // The apostrophe at the very end of a text may yet become any of them.
  if (at + 1 === text.length) return 1;
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return 2; // 's 't 'm 'd
  if (first !== 0x6c && first !== 0x72 && first !== 0x76) return 0;
  if (at + 2 === text.length) return 2;
  const second = text.charCodeAt(at + 2) | 0x20;
  return second === (first === 0x6c ? 0x6c : 0x65) ? 3 : 0; // 'll 're 've
}

function isLetterS(code: number): boolean {
  return (code | 0x20) === 0x73;
}

function endOfBlank(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const kind = kindOf(text.charCodeAt(at));
    if (kind !== SPACE && kind !== NEWLINE) break;
    at++;
  }
  return at;
}

/** White space that fits in one token; the longest runs in the encoding are of about this many characters. */
const BLANKS_PER_TOKEN = 80;

/**
 * White space up to its last line break is one piece. Of what follows that, the last character belongs to the word or
 * sign behind it, for which it costs nothing if it is a space.
 */
function blankTokens(text: string, start: number, end: number): number {
  let rest = end;
  while (rest > start && kindOf(text.charCodeAt(rest - 1)) !== NEWLINE) rest--;
  let tokens = 0;
  if (rest > start) tokens += 1 + Math.floor((rest - start - 1) / (BLANKS_PER_TOKEN / 4));
  if (end === rest) return tokens;
  if (end === text.length) {
    // Behind a line break it is free here, because another line break would make it part of the first piece.
    return tokens + (tokens > 0 ? 0 : 1) + Math.floor((end - rest - 1) / BLANKS_PER_TOKEN);
  }
  if (end - rest > 1) tokens += 1 + Math.floor((end - rest - 2) / BLANKS_PER_TOKEN);
  const last = text.charCodeAt(end - 1);
  if (last === 0x20) return tokens;
  return tokens + (last === 0x09 && kindOf(text.charCodeAt(end)) >= LATIN_LOWER ? 0.4 : 1);
}

/** Tokens of an ASCII sign directly in front of a word, where it is often part of the word's first token. */
const BEFORE_WORD = new Float64Array(0x80).fill(0.9);
for (const [sign, tokens] of Object.entries({
  '"': 0.86,
  $: 0.33,
  "%": 0.3,
  "&": 0.67,
  "'": 0.39,
  "(": 0.05,
  "*": 0.8,
  "+": 0.85,
  ",": 0.34,
  "-": 0.3,
  ".": 0.02,
  "/": 0.48,
  ":": 0.79,
  ";": 0.61,
  "<": 0.44,
  "=": 0.58,
  "[": 0.45,
  "\\": 0.37,
  _: 0.03,
})) {
  BEFORE_WORD[sign.charCodeAt(0)] = tokens;
}

function endOfSigns(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && kindOf(text.charCodeAt(at)) === SIGN) at++;
  return at;
}

/** Repeated signs that fit in one token, as in rulers of dashes. */
const REPEATS_PER_TOKEN = 48;

/** Brackets and operators are merged in pairs, other signs hardly; a repeated sign is one token for long. */
function signTokens(text: string, start: number, end: number): number {
  let ascii = 0;
  let others = 0;
  let previous = -1;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code !== previous) {
      if (code < 0x80) ascii++;
      else others++;
    }
    previous = code;
  }
  const repeats = end - start - ascii - others;
  return Math.max(1, 0.52 * ascii + 0.9 * others - 0.45) + Math.floor(repeats / REPEATS_PER_TOKEN);
}

/** The joiner and the variation selector inside emoji. */
const JOINER_TOKENS = 1;

function isPair(text: string, at: number): boolean {
  const low = text.charCodeAt(at + 1);
  return text.charCodeAt(at) < 0xdc00 && low >= 0xdc00 && low <= 0xdfff;
}

/** Tokens of one character beyond U+FFFF; `low` is 0 for a lone surrogate. */
function astralTokens(high: number, low: number): number {
  if (low === 0) return 1;
  if (high === 0xd83d) return 1.3; // most faces, hands and hearts
  if (high === 0xd83c) return 1.8; // older pictures, letters of flags
  if (high === 0xd83e) return 2.5; // newer pictures
  if (high === 0xd835) return 2; // mathematical letters
  return 3.5;
}

// The kinds of UTF-16 code units that the estimate tells apart. Everything from LATIN_LOWER on is a letter, and those from GREEK on are estimated by
// length alone.
export const SIGN = 0;
export const SPACE = 1;
export const NEWLINE = 2;
export const DIGIT = 3;
export const SURROGATE = 4;
export const JOINER = 5;
export const LATIN_LOWER = 6;
export const LATIN_UPPER = 7;
export const CYRILLIC_LOWER = 8;
export const CYRILLIC_UPPER = 9;
export const GREEK = 10;
export const ARABIC = 11;
export const HEBREW = 12;
export const DEVANAGARI = 13;
export const INDIC = 14;
export const THAI = 15;
export const KHMER = 16;
export const HANGUL = 17;
export const HIRAGANA = 18;
export const KATAKANA = 19;
export const HAN = 20;
export const CAUCASIAN = 21;
export const OTHER_LETTER = 22;

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
export function kindOf(code: number): number {
  return KINDS[code] ?? SIGN;
}

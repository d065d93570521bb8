/**
 * Exact counts of OpenAI's o200k_base encoding, by the optional peer dependency `gpt-tokenizer`.
 *
 * Exact for ordinary text. Unbroken runs of more than {@link MAX_RUN} letters or signs, such as base64 or a ruler, are
 * counted in slices, because merging one run takes time that grows with the square of its length; each cut can add a
 * token.
 */

import { estimatorFrom, type Estimator } from "./semantics/tokens.js";

/** Code units of one unbroken run that are handed to the tokenizer at once. */
const MAX_RUN = 256;

/** Code units of one slice. Each slice is an allocation; the tokenizer's own work is linear in their number. */
const MAX_SLICE = 65_536;

/**
 * An estimator that counts with o200k_base. Loading takes a few hundred milliseconds and some tens of megabytes.
 *
 * @throws Error when `gpt-tokenizer` cannot be loaded; `cause` says why
 */
export async function loadO200k(): Promise<Estimator> {
  return estimatorFrom(await loadO200kCount());
}

/**
 * Counts the tokens of a text. Strings that look like control tokens (`<|endoftext|>`) are text like any other.
 *
 * @throws Error when `gpt-tokenizer` cannot be loaded; `cause` says why
 */
export async function loadO200kCount(): Promise<(text: string) => number> {
  const encoding = await loadEncoding();
  // The library remembers up to 100,000 pieces of what it has seen. They are slices that keep whole messages alive.
  encoding.setMergeCacheSize(0);
  const plain = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
  return (text) => {
    let tokens = 0;
    for (let start = 0; start < text.length; ) {
      const end = sliceEnd(text, start);
      tokens += encoding.countTokens(start === 0 && end === text.length ? text : text.slice(start, end), plain);
      start = end;
    }
    return tokens;
  };
}

/** An instance of our own, so that no setting of it is shared with other users of the library in this process. */
async function loadEncoding() {
  try {
    const [{ GptEncoding }, ranks] = await Promise.all([
      import("gpt-tokenizer/GptEncoding"),
      import("gpt-tokenizer/bpeRanks/o200k_base"),
    ]);
    return GptEncoding.getEncodingApi("o200k_base", () => ranks.default);
  } catch (cause) {
    throw new Error("The estimator o200k needs the package gpt-tokenizer: npm install gpt-tokenizer@4", { cause });
  }
}

import { parseJson } from "../semantics/parse-json.js";

/**
 * An answer as JSON text, ready to be sent. Stored messages and metadata are JSON text already, so reading them is
 * joining strings; whoever wants the value parses it by asking for it.
 */
export class Document<T> {
  readonly text: string;
  /**
   * Number of commits of the conversation when this was read; with the id, it identifies the content. Undefined for a
   * state in the middle of a commit: what a write is answered with where another one, right behind it, landed with it.
   */
  readonly revision: number | undefined;

  constructor(text: string, revision: number | undefined) {
    this.text = text;
    this.revision = revision;
  }

  /** The parsed text: a new value each time. */
  get value(): T {
    // The text was rendered to be a T by whoever made this document.
    return parseJson<T>(this.text);
  }
}

/**
 * The `data` of Server-Sent Events, out of text that arrives in pieces cut anywhere. As the HTML standard has it
 * ("Interpreting an event stream"), except that the fields `event`, `id` and `retry` are left out: with Fastpaca the
 * data says all of it.
 */
export class SseParser {
  /** The beginning of a line whose end has not arrived. */
  #line = "";
  /** The previous piece ended in a CR: an LF at the beginning of this one belongs to it. */
  #afterCarriageReturn = false;
  #data: string[] = [];

  /** The data of each event that is complete with this piece, in order. */
  push(piece: string): string[] {
    const events: string[] = [];
    let start = 0;
    if (piece !== "") {
      if (this.#afterCarriageReturn && piece.startsWith("\n")) start = 1;
      this.#afterCarriageReturn = piece.endsWith("\r");
    }
    const lineEnd = /\r\n|\n|\r/g;
    lineEnd.lastIndex = start;
    for (let found = lineEnd.exec(piece); found !== null; found = lineEnd.exec(piece)) {
      this.#take(this.#line + piece.slice(start, found.index), events);
      this.#line = "";
      start = lineEnd.lastIndex;
    }
    this.#line += piece.slice(start);
    return events;
  }

  #take(line: string, events: string[]): void {
    if (line === "") {
      // An event without data is none.
      if (this.#data.length > 0) events.push(this.#data.join("\n"));
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    if (field !== "data") return; // An empty field name, too: that is a comment.
    const value = colon < 0 ? "" : line.slice(colon + 1);
    this.#data.push(value.startsWith(" ") ? value.slice(1) : value);
  }
}

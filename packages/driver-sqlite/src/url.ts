import { resolve } from "node:path";

/**
 * The file that a URL names, as an absolute path: `sqlite:./relative.db` (to the working directory),
 * `sqlite:/absolute.db` or `sqlite:///absolute.db`. The path is percent-decoded, so `%3F`, `%23` and `%25` stand for
 * `?`, `#` and `%`.
 *
 * @throws Error where the URL names no file, or asks for something that this driver does not have
 */
export function fileOf(url: string): string {
  const refuse = (why: string, cause?: unknown): Error =>
    new Error(`the database URL ${JSON.stringify(url)} is refused: ${why}`, { cause });
  const rest = /^sqlite:(.*)$/is.exec(url)?.[1];
  if (rest === undefined) throw refuse("it does not begin with sqlite:");
  if (rest === ":memory:" || rest === "//:memory:") {
    throw refuse("this driver keeps its data in a file; use memory: for a database in memory");
  }
  if (rest.includes("?"))
    throw refuse("it has query parameters, and there are none; write %3F for a ? in the path");
  if (rest.includes("#")) throw refuse("it has a fragment; write %23 for a # in the path");
  const encoded = rest.startsWith("//") ? rest.slice(2) : rest;
  if (encoded !== rest && !encoded.startsWith("/")) {
    throw refuse("it names a host; write sqlite:/absolute/path or sqlite:./relative/path");
  }
  let path: string;
  try {
    path = decodeURIComponent(encoded);
  } catch (cause) {
    throw refuse("its path is not percent-encoded correctly; write %25 for a %", cause);
  }
  if (path === "") throw refuse("it has no path; write for example sqlite:./fastpaca.db");
  if (path.includes("\0")) throw refuse("its path holds a NUL character");
  if (/[/\\]\.{0,2}$|^\.{1,2}$/.test(path)) throw refuse("its path names a directory, not a file");
  return resolve(path);
}

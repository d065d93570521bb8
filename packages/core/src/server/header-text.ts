import { isUtf8 } from "node:buffer";

/** Headers are read as Latin-1, and mostly written as UTF-8. What is none stays as it was read. */
export function headerText(header: string): string {
  if (!/[\u0080-\u00ff]/.test(header)) return header;
  const bytes = Buffer.from(header, "latin1");
  return isUtf8(bytes) ? bytes.toString("utf8") : header;
}

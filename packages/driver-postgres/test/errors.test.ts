import { expect, test } from "vitest";
import { afterSending, describe, mayBeRepeated, RefusedError, UnansweredError } from "../src/errors.js";

const answer = (severity: string, code: string): Error =>
  Object.assign(new Error("said"), { severity, code });

test.each([
  ["a refused statement", answer("ERROR", "XX000"), RefusedError],
  ["a refused statement, in German", answer("FEHLER", "40P01"), RefusedError],
  ["the end of the session", answer("FATAL", "57P01"), UnansweredError],
  ["a crash", answer("PANIC", "XX000"), UnansweredError],
  ["a cluster that cannot tell", answer("ERROR", "40003"), UnansweredError],
  ["a pooler that lost its server", answer("ERROR", "08P01"), UnansweredError],
  [
    "a broken connection",
    Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }),
    UnansweredError,
  ],
  ["a connection that ended", new Error("Connection terminated unexpectedly"), UnansweredError],
])("%s", (_, error, kind) => {
  const meaning = afterSending(error);
  expect(meaning).toBeInstanceOf(kind);
  expect(meaning.cause).toBe(error);
});

test("only what came in another one's way is repeated", () => {
  expect(mayBeRepeated(afterSending(answer("ERROR", "40P01")))).toBe(true);
  expect(mayBeRepeated(afterSending(answer("ERROR", "40001")))).toBe(true);
  expect(mayBeRepeated(afterSending(answer("ERROR", "53100")))).toBe(false);
  expect(mayBeRepeated(afterSending(new Error("Connection terminated")))).toBe(false);
});

test("a host with several addresses is described by each of them", () => {
  const error = new AggregateError([
    new Error("connect ECONNREFUSED ::1"),
    new Error("connect ECONNREFUSED 127.0.0.1"),
  ]);
  expect(describe(error)).toBe("connect ECONNREFUSED ::1, connect ECONNREFUSED 127.0.0.1");
});

import { resolve } from "node:path";
import { expect, test } from "vitest";
import { fileOf } from "../src/url.js";

test.each([
  ["sqlite:./fastpaca_data/fastpaca.db", resolve("fastpaca_data/fastpaca.db")],
  ["sqlite:fastpaca.db", resolve("fastpaca.db")],
  ["SQLITE:../up.db", resolve("../up.db")],
  ["sqlite:/var/lib/a.db", "/var/lib/a.db"],
  ["sqlite:///var/lib/a.db", "/var/lib/a.db"],
  ["sqlite:/a%20b%3Fc%23d%25e/%C3%A9.db", "/a b?c#d%e/é.db"],
  ["sqlite:/a b+c/é.db", "/a b+c/é.db"],
])("%s is a file", (url, file) => {
  expect(fileOf(url)).toBe(file);
});

test.each([
  ["sqlite::memory:", "use memory: for a database in memory"],
  ["sqlite://:memory:", "use memory: for a database in memory"],
  ["sqlite:", "it has no path"],
  ["sqlite://", "it names a host"],
  ["sqlite://host/a.db", "it names a host"],
  ["sqlite:/a.db?mode=ro", "it has query parameters, and there are none"],
  ["sqlite:/a.db#b", "it has a fragment"],
  ["sqlite:/100%.db", "not percent-encoded correctly"],
  ["sqlite:/a%00.db", "NUL"],
  ["sqlite:/var/lib/", "names a directory"],
  ["sqlite:.", "names a directory"],
  ["sqlite:./data/..", "names a directory"],
  ["postgres://a/b", "does not begin with sqlite:"],
])("%s is refused", (url, why) => {
  expect(() => fileOf(url)).toThrow(why);
  expect(() => fileOf(url)).toThrow(url);
});

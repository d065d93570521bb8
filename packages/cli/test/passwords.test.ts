import { describe, expect, test } from "vitest";
import { withoutPassword } from "../src/open-driver.js";

const SHAPES: readonly [url: string, shown: string][] = [
  ["postgres://ada:hidden@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:hid@den@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:hid/den@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:hid?den@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:hid#den@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:hid:den@h/d", "postgres://ada:***@h/d"],
  ["postgres://:hidden@h/d", "postgres://:***@h/d"],
  ["postgres:/ada:hidden@h/d", "postgres:/ada:***@h/d"],
  ["postgresql:ada:hidden@h/d", "postgresql:ada:***@h/d"],
  ["POSTGRES://ada:hidden@h/d", "POSTGRES://ada:***@h/d"],
  ["postgres://ada:p@hidden@h/d", "postgres://ada:***@h/d"],
  ["postgres://h/d?user=ada&password=hidden", "postgres://h/d?user=ada&password=***"],
  ["postgres://h/d?pass%77ord=hid%64en&x=1", "postgres://h/d?pass%77ord=***&x=1"],
  ["mongodb://ada:hidden@h1,h2:27018/d?replicaSet=r", "mongodb://ada:***@h1,h2:27018/d?replicaSet=r"],
  ["mongodb://h/d?tlsCertificateKeyFilePassword=hidden", "mongodb://h/d?tlsCertificateKeyFilePassword=***"],
  [
    "mongodb://h/d?authMechanismProperties=AWS_SESSION_TOKEN:hidden",
    "mongodb://h/d?authMechanismProperties=***",
  ],
  ["postgres://ada@corp:hidden@h/d", "postgres://ada:***@h/d"],
  ["postgres://u:pw@h/d?x=a@b", "postgres://u:***@b"],
  ["postgres://ada:12/hidden@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:12?hidden@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:12#hidden@h/d", "postgres://ada:***@h/d"],
  ["postgres://ada:e@h/d", "postgres://ada:***@h/d"],
  ["postgres://postgres:postgres@h/postgres", "postgres://postgres:***@h/postgres"],
  ["jdbc:postgresql://ada:hidden@h/d", "jdbc:postgresql:***@h/d"],
  ["postgres://h/d?pwd=hidden", "postgres://h/d?pwd=***"],
  ["postgres://h/d#password=hidden", "postgres://h/d#password=***"],
  ['"postgres://ada:hidden@h/d"', "***"],
  [" postgres://ada:hidden@h/d", "***"],
  ["my_driver://ada:hidden@h", "***"],
  ["//ada:hidden@h", "***"],
  ["host=h user=ada password=hidden", "***"],
  ["postgres://h:5432/d?application_name=a@b", "postgres://h:5432/d?application_name=a@b"],
  ["mongodb://h1:27017,h2:27018/d?appName=a@b", "mongodb://h1:27017,h2:27018/d?appName=a@b"],
  ["postgres://[::1]:5432/d", "postgres://[::1]:5432/d"],
  ["postgres://ada@h/d", "postgres://ada@h/d"],
  ["postgres://ada:@h/d", "postgres://ada:@h/d"],
  ["sqlite:/data/fastpaca.db?x=1", "sqlite:/data/fastpaca.db?x=1"],
];

describe("a URL that is shown", () => {
  test.each(SHAPES)("%s", (url, shown) => {
    expect(withoutPassword(url, url)).toBe(shown);
  });

  test("a password is hidden in whatever form a library quotes it", () => {
    const url = "postgres://ada:hid%20d%23n%40@h/d?application_name=a";
    for (const quoted of ["hid%20d%23n%40", "hid d#n@", "hid%20d%23n%40"]) {
      expect(withoutPassword(`wrong password ${quoted} for ada`, url)).toBe("wrong password *** for ada");
    }
    expect(withoutPassword("wrong: hid@den, or hid", "postgres://ada:hid@den@h/d")).toBe(
      "wrong: ***, or ***",
    );
    expect(withoutPassword("wrong: hidden", "postgres://ada:hidden@h/d?mail=a@b")).toBe("wrong: ***");
  });

  test("a short one leaves the other words of a message alone", () => {
    const shown = (url: string): string => withoutPassword(`cannot open the store ${url}: e refused`, url);
    expect(shown("postgres://ada:e@h/d")).toBe("cannot open the store postgres://ada:***@h/d: *** refused");
    expect(shown("postgres://ada:(e@h/d")).toBe("cannot open the store postgres://ada:***@h/d: e refused");
  });
});

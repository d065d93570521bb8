import { describe, expect, test } from "vitest";
import { storeUrl } from "../src/open-driver.js";
import { readSettings, SETTINGS, settingsHelp, SettingsError } from "../src/settings.js";

describe("settings", () => {
  test("have their defaults", () => {
    const read = Object.entries(readSettings([], {}));
    expect(read).toEqual(Object.entries(SETTINGS).map(([name, { fallback }]) => [name, fallback]));
  });

  test("come from the environment, and flags win over it", () => {
    const env = { FASTPACA_PORT: "4100", FASTPACA_HOST: "::", FASTPACA_API_KEY: "old, new" };
    expect(readSettings(["--port", "4200"], env)).toMatchObject({
      port: 4200,
      host: "::",
      apiKeys: ["old", "new"],
    });
  });

  test("that are empty in the environment are not set", () => {
    expect(readSettings([], { FASTPACA_PORT: "" }).port).toBe(SETTINGS.port.fallback);
  });

  test.each([
    [["--port", "65536"], {}, "--port must be a whole number from 0 to 65535"],
    [["--log-level=loud"], {}, "--log-level must be one of debug, info, warn, error, silent"],
    [[], { FASTPACA_PORT: "x" }, "FASTPACA_PORT must be a whole number from 0 to 65535"],
    [[], { FASTPACA_API_KEY: "" }, "FASTPACA_API_KEY is set, but empty: leave it out to need no key"],
    [[], { FASTPACA_API_KEY: "a,,b" }, "FASTPACA_API_KEY must be keys without spaces, separated by commas"],
    [["--api-key", "secret"], {}, "Unknown option '--api-key'; see fastpaca serve --help"],
    [["stray"], {}, "Unexpected argument 'stray'"],
  ])("%j %j is refused in one line that names it", (args, env, message) => {
    expect(() => readSettings(args, env)).toThrow(SettingsError);
    expect(() => readSettings(args, env)).toThrow(message);
  });

  test("are all in the help, with flag, variable and default", () => {
    const help = settingsHelp();
    for (const { env } of Object.values(SETTINGS)) expect(help).toContain(env);
    expect(help.split("\n")).toHaveLength(Object.keys(SETTINGS).length);
  });
});

test("a data directory may have any name", () => {
  const url = storeUrl({ store: "", dataDir: "a?b#c d%", driver: "" });
  expect(url).toBe("sqlite:a%3Fb%23c%20d%25/fastpaca.db");
});

import { chooseDriver, explainOpening, storeUrl, type StoreSettings } from "./open-driver.js";
import { parseFlags, SETTINGS, SettingsError } from "./settings.js";

export const MIGRATE_HELP = `Usage: fastpaca migrate --store URL [--print]

Creates the tables of a store, or brings them to the version that this release needs, for servers that may not do so
themselves (a Postgres URL with migrate=false).

  --store URL        FASTPACA_STORE   the store
  --driver PACKAGE   FASTPACA_DRIVER  a further driver: a package or a file
  --print                             prints the script for an empty database instead, and changes nothing
`;

/** @throws SettingsError when the store has no schema to prepare, or cannot be reached */
export async function migrate(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values, positionals } = parseFlags("migrate", args, {
    store: { type: "string" },
    driver: { type: "string" },
    print: { type: "boolean" },
  });
  if (positionals[0] !== undefined) {
    throw new SettingsError(`Unexpected argument '${positionals[0]}'; see fastpaca migrate --help`);
  }
  const settings: StoreSettings = {
    store: values.store ?? env[SETTINGS.store.env] ?? "",
    driver: values.driver ?? env[SETTINGS.driver.env] ?? "",
    dataDir: SETTINGS.dataDir.fallback,
  };
  if (settings.store === "") throw new SettingsError("which store? Give --store or FASTPACA_STORE");
  const { name, migrations } = await chooseDriver(settings);
  if (migrations === undefined) {
    throw new SettingsError(`the ${name} driver prepares its database when it is opened: nothing to do`);
  }
  const url = storeUrl(settings);
  try {
    if (values.print === true) process.stdout.write(migrations.script(url));
    else await migrations.apply(url);
  } catch (cause) {
    throw explainOpening(url, cause);
  }
  if (values.print !== true) console.log("the tables are up to date");
}
